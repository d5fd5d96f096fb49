"""Catches it: the local stand-in for Sentry, from the HTTP request to the SQLite file.

May import the ground only. Everything that was captured is read from its ``store``.
"""
