"""What a statement of our source adds to an event, in any language."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_LINES = 6
# Stands in a message for what is only known at run time.
GAP = "\0"


@dataclass(frozen=True)
class Place:
    """A statement of a source file: ``code`` is its first lines, ``line`` where they begin.

    ``file`` starts with its package's name and has forward slashes.
    """

    file: str
    line: int
    code: str


@dataclass(frozen=True)
class Site:
    """A statement that adds something to an event.

    ``name`` is None if it is computed at run time. ``keys`` are the places of the names in the
    dict that it passes on; for a whole event, by their paths. ``message`` is the fixed text of the
    messages that it writes, in pieces with anything between them; ``category`` is that of a
    breadcrumb. ``literals`` are the strings in it, ``function`` is the function that contains it.
    """

    kind: str
    name: str | None
    place: Place
    function: str
    keys: Mapping[str, Place] = field(default_factory=dict)
    category: str | None = None
    message: tuple[str, ...] | None = None
    literals: frozenset[str] = frozenset()

    @property
    def is_javascript(self) -> bool:
        """Whether it is written in JavaScript, else in Python."""
        return self.place.file.endswith(".js")

    def can_write(self, message: str) -> bool:
        """Return whether it can have written the message."""
        if self.message is None:
            return True
        first, *rest = self.message
        if not rest:
            return message == first
        # Not a regular expression: one with several wildcards is slow on a hostile message.
        position = len(first)
        for piece in rest[:-1]:
            found = message.find(piece, position)
            if found < 0:
                return False
            position = found + len(piece)
        return message.startswith(first) and message[position:].endswith(rest[-1])
