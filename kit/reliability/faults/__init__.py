"""Faults on purpose: which there are, for whom they strike, when, and what came of them."""
