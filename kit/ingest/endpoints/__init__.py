"""What else a DSN points at: each makes envelopes of what it is sent, as Sentry's Relay does.

May import what the ingest reads with; the ingest's app imports from here. Sources are in
github.com/getsentry/relay, under relay-server/src/endpoints/.
"""
