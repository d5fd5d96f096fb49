"""Faults on purpose: for a share of the requests of work routes, and for a while.

A flag decides whether a request is hit; what happens to it then is real. Off, which is how a
service starts, nothing is evaluated.
"""
