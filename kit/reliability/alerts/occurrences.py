"""The input of rules: error events with their issues, and what people do to issues."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from kit.ingest.store import Store, StoredItem
from kit.reading.event import headline
from kit.reading.grouping import simulated_issue
from kit.reading.payload import as_str, escape_bidi
from kit.reading.server.users import user_key

Raw = Mapping[str, Any]
IssueKey = tuple[str, ...]

# How many events are read from a store; each takes about half a millisecond.
LAST_EVENTS = 5000


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An error event as it arrived: when, for which issue and user, and the event itself."""

    at: float
    issue: IssueKey
    event: Raw
    event_id: str = ""
    project: str = ""
    user: str = ""

    @property
    def title(self) -> str:
        """The title of its issue."""
        return escape_bidi(headline(self.event).title)


@dataclass(frozen=True, slots=True)
class IssueChange:
    """What a person did to an issue, which no event records.

    An archived issue escalates with the ``until``-th event after that.
    """

    at: float
    issue: IssueKey
    to: Literal["resolved", "archived"]
    until: int = 1


def as_occurrence(item: StoredItem) -> Occurrence:
    """Return a stored error event with its issue. The grouping is simulated."""
    event = item.payload
    return Occurrence(
        at=item.received_at,
        issue=simulated_issue(event, item.project),
        event=event,
        event_id=as_str(item.event_id),
        project=item.project,
        user=user_key(event),
    )


def stored_occurrences(store: Store, last: int | None = None) -> Iterator[Occurrence]:
    """Yield the ``last`` stored error events, in order of arrival.

    Raises StoreError.
    """
    items = store.items(type="event", limit=last or LAST_EVENTS)
    while items:
        # Each is released once it has been read.
        yield as_occurrence(items.pop())


def issue_number(issue: IssueKey) -> str:
    """Return a number that identifies an issue, as Sentry's issues have one."""
    digest = sha256("\0".join(issue).encode("utf-8", "replace")).digest()
    return str(int.from_bytes(digest[:5], "big"))


def in_order(
    occurrences: Iterable[Occurrence], changes: Iterable[IssueChange]
) -> Iterator[Occurrence | IssueChange]:
    """Yield events and changes by time; at the same time, the change comes first."""
    waiting = sorted(changes, key=lambda change: change.at)
    for occurrence in occurrences:
        while waiting and waiting[0].at <= occurrence.at:
            yield waiting.pop(0)
        yield occurrence
    yield from waiting
