"""Imitates some of what Sentry's servers do with an event; no server is contacted."""
