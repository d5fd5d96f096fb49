"""What may fail: objectives, their error budgets, burn-rate rules, and a month to try them on.

Sentry has no such number. Its servers keep the crash-free rate of a release, and monitors of
metrics; an error budget is kept here, from the counts of the traffic.
"""
