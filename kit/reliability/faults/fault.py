"""What a fault declares: where it strikes, and what is seen of a request that it hits."""

from dataclasses import dataclass
from typing import Literal

from demo_services.services import Service
from kit.crashes.crash_type import Captured, ExpectedError, NotCaptured

# An error event; an answer that is an error; one that is late; one that cannot be read; a spin that
# the statistics do not have; a call that was repeated; a process that ended; or a metric that says
# that memory is kept.
Sign = Literal["event", "refused", "slow", "broken", "hole", "retried", "exit", "kept"]


@dataclass(frozen=True)
class Fault:
    """One way to break a share of the requests of work routes, for a while.

    ``service`` decides whether a request is hit; ``place`` says where that is, in its code or on
    the wire to another service. ``shows`` are the signs that a request which is hit leaves, each
    of them; ``slow_s`` is how late it is then, at least, in seconds. Without a sign nothing of one
    request tells that it was hit. ``errors`` are all error events of such a request, that with the
    flag first. ``share`` and ``seconds`` are used where nothing else is said. ``captured`` and
    ``not_captured`` are about the error events. ``find``, ``fix``, ``mitigate`` and ``alert`` are
    advice, a sentence or two each. ``most_hits`` is how many requests one injection hits at most. A
    request that is hit keeps ``kept_mb`` of memory, all of them at most ``most_mb``.
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
        """Whether a request that it hits leaves an error event with the flag."""
        return "event" in self.shows
