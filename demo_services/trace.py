"""The trace that a request belongs to."""

import sentry_sdk


def trace_id() -> str | None:
    """Return the id under which Sentry keeps the trace, for the answer to name it."""
    traceparent = sentry_sdk.get_traceparent()
    return traceparent.partition("-")[0] if traceparent else None
