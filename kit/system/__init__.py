"""The running whole: all servers, one Sentry client for each service, and what they say.

May import ``hosting``, ``ingest`` and below.
"""
