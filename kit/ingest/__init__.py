"""The ingest: the local stand-in for Sentry, from the HTTP request to the SQLite file.

May import the base modules only. Everything captured is read from its ``store``.
"""
