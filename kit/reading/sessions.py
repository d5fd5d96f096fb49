"""Sessions: how requests and runs of programs ended, counted by the SDKs, by release.

An SDK sends them in two forms: https://develop.sentry.dev/sdk/telemetry/sessions/. An item
``sessions`` counts finished ones, by minute. An item ``session`` is the state of one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kit.ingest.store import StoredItem
from kit.reading.payload import as_mapping, as_mappings, as_str, get_path, truncate

MAX_NAME = 60
# More than all sessions of a workshop: a larger count is not meant.
MAX_COUNT = 10**12

Ended = tuple["SessionGroup", "SessionCounts"]


@dataclass(frozen=True)
class SessionGroup:
    """The group by which sessions are counted: the service that sent them, and its release."""

    service: str
    release: str


@dataclass(frozen=True)
class SessionCounts:
    """How many sessions ended in which way; each counts once.

    ``exited`` without an error, ``errored`` after a handled error, ``crashed`` with an unhandled
    one, ``abnormal`` without a regular end.
    """

    exited: int = 0
    errored: int = 0
    crashed: int = 0
    abnormal: int = 0

    @property
    def total(self) -> int:
        """How many there were."""
        return self.exited + self.errored + self.crashed + self.abnormal

    @property
    def crash_free(self) -> float | None:
        """The share that did not crash, from 0 to 1; None without sessions."""
        return 1 - self.crashed / self.total if self.total else None

    def __add__(self, other: "SessionCounts") -> "SessionCounts":
        return SessionCounts(
            self.exited + other.exited,
            self.errored + other.errored,
            self.crashed + other.crashed,
            self.abnormal + other.abnormal,
        )


def count_sessions(items: Iterable[StoredItem]) -> dict[SessionGroup, SessionCounts]:
    """Return how the sessions of all items ended. If one was sent again, its last state counts.

    ``items`` are in the order in which they were received.
    """
    counts: dict[SessionGroup, SessionCounts] = {}
    for group, ended in _each(items):
        counts[group] = counts.get(group, SessionCounts()) + ended
    return counts


def _each(items: Iterable[StoredItem]) -> Iterator[Ended]:
    single: dict[str, Ended] = {}
    for item in items:
        payload = as_mapping(item.payload)
        group = SessionGroup(item.project, _release(payload))
        if item.type == "sessions":
            for aggregate in as_mappings(payload.get("aggregates")):
                yield group, _of_aggregate(aggregate)
        elif item.type == "session":
            single[as_str(payload.get("sid")) or f"item {item.id}"] = group, _of_one(payload)
    yield from single.values()


def _release(payload: Mapping[str, Any]) -> str:
    return truncate(as_str(get_path(payload, ("attrs", "release"))), MAX_NAME) or "no release"


def _of_aggregate(aggregate: Mapping[str, Any]) -> SessionCounts:
    names = ("exited", "errored", "crashed", "abnormal")
    return SessionCounts(**{name: as_count(aggregate.get(name)) for name in names})


def _of_one(session: Mapping[str, Any]) -> SessionCounts:
    """Count one session; an open one counts as if it ended now."""
    match session.get("status"):
        case "crashed":
            return SessionCounts(crashed=1)
        case "abnormal":
            return SessionCounts(abnormal=1)
    return SessionCounts(errored=1) if as_count(session.get("errors")) else SessionCounts(exited=1)


def as_count(value: Any) -> int:
    """Return a count that was sent; 0 for anything else."""
    return min(value, MAX_COUNT) if type(value) is int and value > 0 else 0
