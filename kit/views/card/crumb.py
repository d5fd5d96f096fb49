"""A breadcrumb as the event card shows it."""

from dataclasses import dataclass

from kit.reading.payload import Text
from kit.views.card.stack import FieldRow

LEVELS = {"fatal": "◆", "error": "✖", "warning": "▲", "info": "●", "debug": "○"}
"""The shape of each level."""


@dataclass(frozen=True)
class Crumb:
    """A breadcrumb; ``offset`` is when it was recorded, relative to the error.

    If the event has no time of its own, it is the time of day.
    """

    offset: str
    category: str
    level: str
    message: Text
    data: tuple[FieldRow, ...]
    why: tuple[str, ...]

    @property
    def icon(self) -> str:
        """The level's icon: colour alone must not convey it."""
        return LEVELS.get(self.level, "●")

    @property
    def tone(self) -> str:
        """The level whose colour it has."""
        return self.level if self.level in LEVELS else "debug"
