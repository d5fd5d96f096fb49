"""What a fault declares: where it strikes, and what is seen of a request that it hits."""

from dataclasses import dataclass
from typing import Literal

from demo_services.services import Service
from kit.crashes.crash_type import Captured, NotCaptured

# An error event; an answer that is an error; one that is late; one that cannot be read; or a spin
# that the statistics do not have.
Sign = Literal["event", "refused", "slow", "broken", "hole"]


@dataclass(frozen=True)
class Fault:
    """One way to break a share of the requests of work routes, for a while.

    ``service`` decides whether a request is hit; ``place`` says where that is, in its code or on
    the wire to another service. ``shows`` are the signs that a request which is hit leaves, each
    of them; ``slow_s`` is how late it is then, in seconds. ``share`` and ``seconds`` are used
    where nothing else is said. ``captured`` and ``not_captured`` are about the error events.
    ``find``, ``fix``, ``mitigate`` and ``alert`` are advice, a sentence or two each.
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
    captured: tuple[Captured, ...] = ()
    not_captured: tuple[NotCaptured, ...] = ()
