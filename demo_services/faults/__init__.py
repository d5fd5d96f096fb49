"""Injected faults: for a share of the requests to work routes, and for a limited time.

A flag decides whether a request is hit; the effect on it is real. While all faults are off, as when
a service starts, nothing is evaluated.
"""
