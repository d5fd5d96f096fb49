"""Explains it: who put each value of an event there, and which line of code did.

``origin`` asks the others: our source (Python, JavaScript), and declared facts about the SDKs whose
lines are looked up in what is installed. May import ``reading`` and below.
"""
