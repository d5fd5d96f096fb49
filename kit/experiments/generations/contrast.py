"""A program that runs with both generations of the SDK, and a word for the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kit.experiments.generations.run import SdkRun
from kit.reading.payload import as_text

CAPTURED, NOT_CAPTURED = "captured", "not captured"
SENT, NOT_SENT = "sent", "not sent"
IN_CLEAR, FILTERED = "in clear", "filtered"

Measure = Callable[[SdkRun], str]


@dataclass(frozen=True)
class Contrast:
    """One comparison of two generations of the SDK.

    ``id`` is its topic and a name, ``what`` says what happens, ``source`` is the program that runs
    with both, and ``measure`` returns a word for what arrived. ``expected`` declares that word for
    each generation. ``why`` explains it, and ``shown`` is the relevant part of the source.
    """

    id: str
    what: str
    source: str
    measure: Measure
    expected: Mapping[int, str]
    why: str
    shown: str = ""

    @property
    def topic(self) -> str:
        """The first part of the id: what it is about."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """The id without the topic."""
        return self.id.partition("/")[2]


def is_captured(run: SdkRun) -> str:
    """Return whether an error event arrived."""
    return CAPTURED if run.events else NOT_CAPTURED


def is_breadcrumb(run: SdkRun) -> str:
    """Return whether the captured error event has a breadcrumb."""
    crumbs = run.event.find("breadcrumbs.values") if run.event else None
    return SENT if crumbs else NOT_SENT


def has_stack(run: SdkRun) -> str:
    """Return whether the captured message has a stack trace."""
    stack = run.event.find("threads.values[].stacktrace.frames[]") if run.event else None
    return SENT if stack else NOT_SENT


def has_spans(run: SdkRun) -> str:
    """Return whether a span arrived."""
    return SENT if run.trace else NOT_SENT


def has_attribute(name: str) -> Measure:
    """Return a measure of whether all spans that arrived have an attribute."""

    def measure(run: SdkRun) -> str:
        have = [name in span.attributes for span in run.trace]
        return SENT if have and all(have) else NOT_SENT

    return measure


def state_of(path: str, value: str) -> Measure:
    """Return a measure of a value in the event: in clear, filtered or not sent."""

    def measure(run: SdkRun) -> str:
        found = run.event.find(path) if run.event else None
        if found is None:
            return NOT_SENT
        return IN_CLEAR if value in as_text(found) else FILTERED

    return measure
