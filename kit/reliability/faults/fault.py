"""What a fault declares: where it strikes, and what shows that it hit a request."""

from dataclasses import dataclass
from typing import Literal

from demo_services.services import Service
from kit.crashes.crash_type import Captured, ExpectedError, NotCaptured

# In this order: an error event; an error answer; a late one; an unreadable one; a spin missing from
# the statistics; a retried call; a process that ended; a metric that counts leaked memory.
Sign = Literal["event", "refused", "slow", "broken", "hole", "retried", "exit", "kept"]


@dataclass(frozen=True)
class Fault:
    """One way to break a share of the requests of work routes, for a while.

    ``service`` decides whether a request is hit; ``place`` says where: in its code, or on the wire
    to another service. ``shows`` lists the signs that every hit leaves; ``slow_s`` is the minimum
    delay in seconds. Without a sign, no single request shows that it was hit. ``errors`` lists all
    error events of a hit, the one with the flag first. ``share`` and ``seconds`` are defaults.
    ``captured`` and ``not_captured`` describe the error events. ``find``, ``fix``, ``mitigate`` and
    ``alert`` are advice, a sentence or two each. One injection hits at most ``most_hits`` requests.
    Each hit leaks ``kept_mb`` of memory, all of them together at most ``most_mb``.
    """

    name: str
    title: str
    service: Service
    place: Literal["code", "wire"]
    happens: str
    shows: tuple[Sign, ...]
    find: str
    fix: str
    mitigate: str
    alert: str
    share: float = 0.25
    seconds: float = 60.0
    slow_s: float | None = None
    errors: tuple[ExpectedError, ...] = ()
    captured: tuple[Captured, ...] = ()
    not_captured: tuple[NotCaptured, ...] = ()
    most_hits: int | None = None
    kept_mb: float | None = None
    most_mb: float | None = None

    @property
    def makes_errors(self) -> bool:
        """Whether a hit leaves an error event with the flag."""
        return "event" in self.shows
