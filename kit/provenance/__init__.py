"""Explains who put each value into an event, and which line of code did it.

``origin`` uses the others: our source (Python, JavaScript), and declared facts about the SDKs,
whose lines are looked up in the installed packages. May import ``reading`` and below.
"""
