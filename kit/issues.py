"""Error events grouped as issues, as Sentry's issue list shows them. The grouping is simulated."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import overload

from markupsafe import Markup

from kit.grouping import Rule, ask, culprit, reason, simulated_issue, title
from kit.html import render
from kit.outcome import Event
from kit.payload import mapping, string
from kit.store import Store, StoredItem

LAST = 1000
# On screen only; as data all issues are there.
MAX_SHOWN = 20
MAX_CARD_CHARACTERS = 1_200_000
MAX_CHANGES = 6
BARS = 24

_LEVELS = ("fatal", "error", "warning", "info", "debug")
_USER = ("id", "email", "username", "ip_address")

Key = tuple[str, ...]
Load = Callable[[str], Event | None]


@dataclass(frozen=True)
class Seen:
    """What is kept of an event: the payloads of thousands would fill the memory.

    ``at`` is when it was received, in seconds since the epoch. ``sent`` is its issue as the SDK
    sent it, ``key`` the one that it is shown in.
    """

    event_id: str | None
    at: float
    user: str
    sent: Key
    key: Key


@dataclass(frozen=True, repr=False)
class Issue:
    """Events that are one problem.

    ``title``, ``culprit`` and ``level`` are those of the latest event. ``reason`` says why these
    events are one issue. ``times`` are when they were received, in seconds since the epoch, the
    latest first; ``users`` counts the different users among them.
    """

    key: Key
    title: str
    culprit: str
    service: str
    level: str
    reason: str
    users: int
    times: tuple[float, ...]
    event_ids: tuple[str, ...] = field(repr=False)
    load: Load = field(repr=False)

    @property
    def count(self) -> int:
        """How many events it has."""
        return len(self.times)

    @property
    def first_seen(self) -> float:
        """When its first event was received, in seconds since the epoch."""
        return min(self.times)

    @property
    def last_seen(self) -> float:
        """When its latest event was received, in seconds since the epoch."""
        return max(self.times)

    @property
    def events(self) -> list[Event]:
        """Its events, the latest first, read from the store again. Raises StoreError."""
        return [event for event in map(self.load, self.event_ids) if event is not None]

    @property
    def latest(self) -> Event | None:
        """Its latest event; None when the store has it no more. Raises StoreError."""
        return next(filter(None, map(self.load, self.event_ids[:1])), None)

    def __repr__(self) -> str:
        return f"<Issue {self.title} ({_counted(self.count, 'event')})>"


class Issues(Sequence[Issue]):
    """Issues, the one with the newest event first; shown in a notebook as a table.

    ``changes`` says what a fingerprint rule merged and split, a sentence each; it is None without
    a rule. ``events`` is how many events were grouped, and ``complete`` whether those are all.
    """

    def __init__(
        self, issues: Sequence[Issue], *, complete: bool = True, changes: list[str] | None = None
    ) -> None:
        self._issues = tuple(issues)
        self.complete = complete
        self.changes = changes
        self.events = sum(issue.count for issue in issues)

    @overload
    def __getitem__(self, index: int) -> Issue: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Issue]: ...
    def __getitem__(self, index: int | slice) -> Issue | Sequence[Issue]:
        return self._issues[index]

    def __len__(self) -> int:
        return len(self._issues)

    def __repr__(self) -> str:
        return f"<Issues {_counted(len(self), 'issue')} of {_counted(self.events, 'event')}>"

    def _repr_html_(self) -> str:
        return issue_list(self)


def read_issues(store: Store, rule: Rule | None = None, *, last: int = LAST) -> Issues:
    """Group the ``last`` error events that are stored; ``rule`` may give them fingerprints.

    ``rule`` is given each event, and returns its fingerprint or None to leave it as it was sent.
    Raises FingerprintError when it fails, ValueError when ``last`` is not positive, and StoreError.
    """
    if last < 1:
        raise ValueError(f"last is {last}; it is a number of events, at least 1.")

    def load(event_id: str) -> Event | None:
        items = store.items(event_id=event_id, type="event", limit=1)
        return Event(items[0].payload) if items else None

    items = store.items(type="event", limit=last)
    issues, seen = group(items, rule, load)
    made = changes(seen, {issue.key: issue.title for issue in issues}) if rule else None
    return Issues(issues, complete=len(items) < last, changes=made)


def group(
    items: Iterable[StoredItem], rule: Rule | None, load: Load
) -> tuple[list[Issue], list[Seen]]:
    """Return the issues of error events, and what each event was; items come newest first."""
    found: dict[Key, list[Seen]] = {}
    newest: dict[Key, tuple[StoredItem, Raw]] = {}
    for item in items:
        seen, event = _look(item, rule)
        found.setdefault(seen.key, []).append(seen)
        newest.setdefault(seen.key, event)
    
