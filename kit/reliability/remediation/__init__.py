"""Repairs that the system makes by itself, for errors that are known: runbooks and a responder.

An alert arrives as a signed webhook; the responder finds the runbook that knows it, checks what the
runbook requires, acts within guards, and proves that the repair worked. Imports alerts, faults, slo
and traffic; none of those imports it.
"""
