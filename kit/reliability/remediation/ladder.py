"""How far a runbook may act by itself: it climbs with evidence, and falls after harm."""

from dataclasses import dataclass, replace
from typing import Literal

from kit.actionable import WorkshopError

RepairLevel = Literal["watch", "suggest", "ask", "auto"]
LEVELS: tuple[RepairLevel, ...] = ("watch", "suggest", "ask", "auto")
# How many of the latest suggestions must be right before it may climb.
NEEDED, NEEDED_RIGHT = 10, 9


class LadderError(WorkshopError):
    """A runbook has not earned a step on the ladder; the message says what is missing."""


@dataclass(frozen=True)
class LadderEvidence:
    """How many suggestions of a runbook turned out to be right, and how many wrong."""

    right: int = 0
    wrong: int = 0

    @property
    def is_enough(self) -> bool:
        """Whether there are 10 suggestions, at least 9 in 10 of them right."""
        total = self.right + self.wrong
        return total >= NEEDED and self.right * NEEDED >= NEEDED_RIGHT * total

    @property
    def sentence(self) -> str:
        """What there is, and what is needed."""
        return (
            f"{self.right} of {self.right + self.wrong} suggestions were right; "
            f"it needs {NEEDED}, with {NEEDED_RIGHT} in {NEEDED} right"
        )


NO_EVIDENCE = LadderEvidence()


class Ladder:
    """The level of one runbook, and its evidence there."""

    def __init__(self, level: RepairLevel, evidence: LadderEvidence = NO_EVIDENCE) -> None:
        self.level: RepairLevel = level
        self.evidence = evidence

    @property
    def may_climb(self) -> bool:
        """Whether it has earned the next level."""
        return self.level != LEVELS[-1] and self.evidence.is_enough

    def learn(self, is_right: bool) -> None:
        """Count a suggestion that turned out right or wrong."""
        found = self.evidence
        right, wrong = found.right + is_right, found.wrong + (not is_right)
        self.evidence = replace(found, right=right, wrong=wrong)

    def climb(self) -> RepairLevel:
        """Go up one level, where evidence starts from zero. Raises LadderError without enough."""
        if self.level == LEVELS[-1]:
            raise LadderError("This runbook is already at auto, the highest level.")
        if not self.evidence.is_enough:
            raise LadderError(
                f"It stays at {self.level}: {self.evidence.sentence}. Next: judge more of its "
                "suggestions, or answer more of its questions."
            )
        self.level = LEVELS[LEVELS.index(self.level) + 1]
        self.evidence = NO_EVIDENCE
        return self.level

    def fall(self) -> RepairLevel:
        """Go down one level after harm, and lose the evidence."""
        self.level = LEVELS[max(LEVELS.index(self.level) - 1, 0)]
        self.evidence = NO_EVIDENCE
        return self.level
