"""What an incident cost: failed spins, the players who made them, and the error budget."""

import threading
from dataclasses import dataclass

from kit.reliability.traffic.outcomes import Answer

TARGET = 0.99
SPIN = "spin"
MAX_KEPT = 20_000


@dataclass(frozen=True)
class Impact:
    """Spins that failed in a period, and how many players made them."""

    failed: int = 0
    players: int = 0


@dataclass(frozen=True)
class SpentBudget:
    """How many requests may fail during a drill, and how many did."""

    allowed: float
    spent: int

    @property
    def share(self) -> float:
        """The share of the budget that is spent; above 1 if more failed than allowed."""
        return self.spent / self.allowed if self.allowed else 0.0


class ImpactMeter:
    """Watches the traffic's answers, in its thread, and keeps the bad ones."""

    def __init__(self) -> None:
        self._bad: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def watch(self, answer: Answer) -> None:
        """Process an answer."""
        if answer.kind == "bad" and answer.route == SPIN:
            with self._lock:
                if len(self._bad) < MAX_KEPT:
                    self._bad.append((answer.due, answer.player))

    def between(self, start: float, end: float) -> Impact:
        """Return the impact on requests due in a period, in seconds since the epoch."""
        with self._lock:
            players = [player for due, player in self._bad if start <= due <= end]
        return Impact(len(players), len(set(players)))
