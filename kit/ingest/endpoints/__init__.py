"""The other endpoints of a DSN: each turns requests into envelopes, as Sentry's Relay does.

May import the ingest's readers; the ingest's app imports from here. The originals are in
github.com/getsentry/relay, under relay-server/src/endpoints/.
"""
