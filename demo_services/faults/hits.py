"""The faults that hit the request which is being served."""

from contextvars import ContextVar

_hits: ContextVar[set[str] | None] = ContextVar("fault_hits", default=None)


def mark(faults: set[str]) -> None:
    """Note which faults hit this request: all that it awaits and starts knows of them."""
    _hits.set(faults)


def is_marked(fault: str) -> bool:
    """Whether a fault hits this request."""
    return fault in (_hits.get() or ())


def take(fault: str) -> bool:
    """Whether a fault hits this request; once, as if it did not from then on."""
    if not is_marked(fault):
        return False
    (_hits.get() or set()).discard(fault)
    return True
