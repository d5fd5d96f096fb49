"""The running system: all servers, a Sentry client for each service, and their status.

May import ``hosting``, ``ingest`` and below.
"""
