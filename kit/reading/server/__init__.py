"""What Sentry's servers do with an event, as far as it is imitated: no server is asked."""
