"""Faults that hit the same request: one may hide the other."""

from collections.abc import Callable, Iterable

from demo_services.faults.names import numbers_of
from kit.reliability.faults.fault import Fault
from kit.reliability.traffic.outcomes import Answer

# Returns the other faults that hit a request.
AlsoHit = Callable[[Answer], Iterable[Fault]]


def only_fault(answer: Answer) -> Iterable[Fault]:
    """Return no other fault."""
    return ()


def is_masked(fault: Fault, answer: Answer | None, also_hit: AlsoHit) -> bool:
    """Whether another fault may have hidden this one in a request that both hit.

    False without an answer: then it is unknown when the request was made and how it ended.
    """
    return answer is not None and any(_masks(other, fault, answer) for other in also_hit(answer))


def _masks(other: Fault, fault: Fault, answer: Answer) -> bool:
    """Whether one fault ended a request before another, took its wire, or hid its answer."""
    if _wire(other) is not None and _wire(other) == _wire(fault):
        return True
    refused = answer.status is not None and answer.status >= 500
    ends_it = "refused" in other.shows and "refused" not in fault.shows and refused
    hides_it = "broken" in other.shows and answer.status is None
    return ends_it or hides_it


def _wire(fault: Fault) -> tuple[str, str] | None:
    """Return the ends of the wire that a fault is on: a call goes through at most one proxy."""
    if fault.place != "wire":
        return None
    return fault.service.name, numbers_of(fault.name)["upstream"]
