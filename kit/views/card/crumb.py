"""A breadcrumb as the event card shows it."""

from dataclasses import dataclass

from kit.reading.payload import Text
from kit.views.card.stack import FieldRow

LEVELS = {"fatal": "◆", "error": "✖", "warning": "▲", "info": "●", "debug": "○"}
"""The shape of each level."""


@dataclass(frozen=True)
class Crumb:
    """A breadcrumb; ``offset`` is when it was left, relative to the error.

    An event without a time of its own has the time of day there.
    """

    offset: str
    category: str
    level: str
    message: Text
    data: tuple[FieldRow, ...]
    why: tuple[str, ...]

    @property
    def icon(self) -> str:
        """The level's shape: it must not be told by its colour alone."""
        return LEVELS.get(self.level, "●")

    @property
    def tone(self) -> str:
        """The level whose colour it has."""
        return self.level if self.level in LEVELS else "debug"
