"""Alert rules as in Sentry, evaluated over stored events. Simulated: no Sentry server is used."""
