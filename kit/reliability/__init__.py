"""The system under traffic and broken on purpose: faults, error budgets, alerts, drills."""
