"""Alert rules as Sentry has them, evaluated over stored events. Simulated: no server is asked."""
