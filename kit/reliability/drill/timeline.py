"""What happened in a drill and when, and how its times and shares are written."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

EntryKind = Literal["drill", "incident", "noise", "message", "update", "phase", "mitigation"]
# What the seed did stays hidden while the drill runs.
HIDDEN: frozenset[EntryKind] = frozenset({"incident", "noise"})


@dataclass(frozen=True)
class DrillEntry:
    """One thing that happened, ``at`` seconds into the drill."""

    at: float
    kind: EntryKind
    text: str


class DrillTimeline:
    """The entries of a drill, in the order of their times."""

    def __init__(self) -> None:
        self._entries: list[DrillEntry] = []
        self._lock = threading.Lock()
        self.is_open = True

    def add(self, at: float, kind: EntryKind, text: str) -> None:
        """Add an entry, ``at`` seconds into the drill."""
        with self._lock:
            self._entries.append(DrillEntry(at, kind, text))
            self._entries.sort(key=lambda entry: entry.at)

    def of(self, *kinds: EntryKind) -> tuple[DrillEntry, ...]:
        """Return all entries of these kinds, including hidden ones."""
        with self._lock:
            return tuple(entry for entry in self._entries if entry.kind in kinds)

    def __iter__(self) -> Iterator[DrillEntry]:
        """Iterate over what may be seen: everything once the drill is over."""
        with self._lock:
            entries = tuple(self._entries)
        return iter([e for e in entries if not self.is_open or e.kind not in HIDDEN])

    def __len__(self) -> int:
        return len(list(iter(self)))


def minutes_and_seconds(seconds: float | None) -> str:
    """Return a time as a clock shows it, such as ``2:05``; a dash for None."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def as_whole_percent(share: float) -> str:
    """Return a share as a percentage without decimals, such as ``41 %``."""
    return f"{100 * share:.0f} %"
