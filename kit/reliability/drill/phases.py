"""The four phases of an incident, and how each went."""

from dataclasses import dataclass, replace
from typing import Literal

from kit.actionable import WorkshopError

PhaseName = Literal["detected", "localised", "diagnosed", "mitigated"]
PHASES: tuple[PhaseName, ...] = ("detected", "localised", "diagnosed", "mitigated")


class DrillError(WorkshopError):
    """The drill cannot do that now; the message says why, and what to do."""


@dataclass(frozen=True)
class DrillPhase:
    """One phase: ``at`` is when it was right, in seconds into the drill.

    ``tries`` are the wrong answers, in order. ``by`` says who detected it.
    """

    name: PhaseName
    at: float | None = None
    tries: tuple[str, ...] = ()
    by: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the right answer was given."""
        return self.at is not None

    @property
    def wrong(self) -> int:
        """How many answers were wrong."""
        return len(self.tries)

    def with_answer(self, answer: str, *, is_right: bool, at: float, by: str = "") -> "DrillPhase":
        """Return it with one more answer; after the right answer, nothing changes."""
        if self.is_done:
            return self
        if is_right:
            return replace(self, at=at, by=by)
        return replace(self, tries=(*self.tries, answer))
