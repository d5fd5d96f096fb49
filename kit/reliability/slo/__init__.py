"""How much may fail: objectives, error budgets, burn-rate rules, and a month to try them on.

Sentry has no error budget. Its servers track the crash-free rate of a release, and monitor
metrics. Here the error budget is computed from the traffic's counts.
"""
