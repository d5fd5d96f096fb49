"""The faults that hit the current request."""

from contextvars import ContextVar

_hits: ContextVar[set[str] | None] = ContextVar("fault_hits", default=None)


def mark(faults: set[str]) -> None:
    """Mark the faults that hit this request; everything it awaits or starts sees the marks."""
    _hits.set(faults)


def is_marked(fault: str) -> bool:
    """Whether a fault hits this request."""
    return fault in (_hits.get() or ())


def take(fault: str) -> bool:
    """Whether a fault hits this request; True only once."""
    if not is_marked(fault):
        return False
    (_hits.get() or set()).discard(fault)
    return True
