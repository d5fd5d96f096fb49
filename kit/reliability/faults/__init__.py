"""Faults on purpose: which exist, which requests they hit, when, and what was seen of them."""
