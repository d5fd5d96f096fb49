"""Blind spots: failures that Sentry does not capture, the line that changes that, and the proof.

``catalogue`` lists them all, ``run`` fires them in child processes, and ``table`` shows the result.
"""
