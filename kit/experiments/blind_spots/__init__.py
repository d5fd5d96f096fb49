"""Failures that Sentry does not capture by default, the line that changes it, and the proof."""
