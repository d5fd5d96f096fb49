"""Automatic repairs for known errors: runbooks and a responder.

An alert arrives as a signed webhook; the responder finds the runbook that knows it, checks the
runbook's precondition, acts within guards, and proves that the repair worked. Imports alerts,
faults, slo and traffic; none of those imports it.
"""
