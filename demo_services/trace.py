"""Our own spans, and the trace that a request belongs to."""

import sentry_sdk
from sentry_sdk import traces


def start_span(*, op: str, name: str) -> "traces.StreamedSpan":
    """Start a span; it ends with the ``with`` block.

    Its operation is an attribute, as in all streamed spans:
    https://docs.sentry.io/platforms/python/tracing/streamed-spans/.
    """
    return traces.start_span(name=name, attributes={"sentry.op": op})


def trace_id() -> str | None:
    """Return the id of the trace in Sentry, so that the answer can include it."""
    traceparent = sentry_sdk.get_traceparent()
    return traceparent.partition("-")[0] if traceparent else None
