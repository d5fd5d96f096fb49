"""Widgets: what needs a live kernel, a button and a place where its results appear.

May import ``views`` and below.
"""
