"""Blind spots: failures that Sentry does not capture, the line that changes it, and the proof.

``catalogue`` has them all, ``run`` fires them in child processes, and ``table`` shows what arrived.
"""
