"""Where the pattern library gets its events: fired for it, or stored before."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from kit.actionable import ActionableError
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType, ExpectedError
from kit.crashes.expectation import exception_types
from kit.ingest.store import Store, StoredItem
from kit.outcome import Event, Outcome, make_event
from kit.reading.payload import as_list, as_mapping, exceptions, get_path
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.fault import Fault
from kit.reliability.patterns.evidence import flags_of

Found = Sequence[Event | None]
Report = Callable[[str], None]
# The service that reports an error, and the declaration of the error.
Wanted = tuple[str, ExpectedError]

# How many of a service's newest events are searched: parsing them takes most of the time.
RECENT = 150
FAULT_S, FLAG_DEADLINE_S, SPINS = 20.0, 8.0, 3


class Recordings(Protocol):
    """Recorded events of crash types and faults."""

    def events_of(self, crash: CrashType) -> Found:
        """Return an event for each error that a crash type declares; None if it is missing."""

    def events_of_fault(self, fault: Fault) -> Found:
        """Return an event for each error that a fault declares; None if it is missing.

        For a fault that declares an event but no error, it is any event with the flag.
        """


@dataclass(frozen=True)
class FreshRecordings:
    """The events of crash types and faults that were fired for the library."""

    items: Mapping[str, Sequence[StoredItem]] = field(default_factory=dict)
    faults: Mapping[str, Sequence[StoredItem]] = field(default_factory=dict)

    def events_of(self, crash: CrashType) -> Found:
        """See ``Recordings``."""
        return _as_events(_match(_wanted(crash), self.items.get(crash.full_id, ())))

    def events_of_fault(self, fault: Fault) -> Found:
        """See ``Recordings``."""
        return _as_events(_match_fault(fault, self.faults.get(fault.name, ())))


class StoredRecordings:
    """The events that a store already holds, from any run: the newest of each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str | None, list[StoredItem]] = {}

    def events_of(self, crash: CrashType) -> Found:
        """See ``Recordings``. Raises StoreError."""
        if not crash.errors:
            return ()
        # An event that a fault caused is no evidence of a crash type.
        found = self._recent(crash.reporter(crash.errors[0]))
        candidates = [item for item in found if not any(flags_of(item.payload).values())]
        return self._complete(_match(_wanted(crash), candidates), _wanted(crash))

    def events_of_fault(self, fault: Fault) -> Found:
        """See ``Recordings``. Raises StoreError."""
        return self._complete(_match_fault(fault, self._recent(None)), _wanted_of_fault(fault))

    def _complete(self, found: Sequence[StoredItem | None], wanted: Sequence[Wanted]) -> Found:
        """Return the first event, with the others of its trace: services report a call together."""
        if not wanted:
            return _as_events(found)
        if (first := found[0]) is None:
            return [None] * len(wanted)
        trace = get_path(first.payload, ("contexts", "trace", "trace_id"))
        same = self._store.items(trace_id=trace, type="event") if isinstance(trace, str) else []
        others = [item for item in same if item.id != first.id]
        return _as_events([first, *_match(wanted[1:], others)])

    def _recent(self, project: str | None) -> list[StoredItem]:
        if project not in self._read:
            self._read[project] = self._store.items(type="event", project=project, limit=RECENT)
        return self._read[project]


def _wanted(crash: CrashType) -> list[Wanted]:
    return [(crash.reporter(error), error) for error in crash.errors]


def _wanted_of_fault(fault: Fault) -> list[Wanted]:
    return [((error.service or fault.service).name, error) for error in fault.errors]


def _as_events(items: Iterable[StoredItem | None]) -> list[Event | None]:
    return [None if item is None else make_event(item) for item in items]


def _match(wanted: Iterable[Wanted], items: Iterable[StoredItem]) -> list[StoredItem | None]:
    """Return, for each declared error, its first event in ``items``; each is used once."""
    left = [item for item in items if item.type == "event"]
    found: list[StoredItem | None] = []
    for project, error in wanted:
        item = next((each for each in left if _is_event_of(project, error, each)), None)
        if item is not None:
            left.remove(item)
        found.append(item)
    return found


def _match_fault(fault: Fault, items: Sequence[StoredItem]) -> list[StoredItem | None]:
    """Return an event for each declared error of a fault, the one with the flag first."""
    hit = [item for item in items if item.type == "event"]
    if fault.makes_errors:
        hit = [item for item in hit if flags_of(item.payload).get(fault.name) is True]
        # Preferably an event for which no other flag was on.
        hit.sort(key=lambda item: sum(map(bool, flags_of(item.payload).values())))
    wanted = _wanted_of_fault(fault)
    if not wanted:
        return [*hit[:1]] if fault.makes_errors else []
    first = _match(wanted[:1], hit)
    others = [item for item in items if item is not first[0]]
    return [*first, *_match(wanted[1:], others)]


def _is_event_of(project: str, error: ExpectedError, item: StoredItem) -> bool:
    event = item.payload
    mechanism = as_mapping(get_path(exceptions(event), (-1, "mechanism")))
    return (
        item.project == project
        and tuple(exception_types(event)) == error.chain
        and (mechanism.get("type"), mechanism.get("handled")) == (error.mechanism, error.handled)
        and event.get("level") == error.level
        and (tuple(as_list(event.get("fingerprint"))) or None) == error.fingerprint
    )


class CrashableSystem(Protocol):
    """Fires crash types and faults: a ``Workshop``."""

    @property
    def store(self) -> Store:
        """Everything captured."""

    def trigger(self, crash_id: str) -> Outcome:
        """Fire a crash type."""

    def spin(self) -> object:
        """Play one spin."""

    def inject(
        self, name: str, share: float | None = None, seconds: float | None = None
    ) -> AbstractContextManager[Any]:
        """Switch a fault on for the block."""


def record_all(system: CrashableSystem, report: Report) -> FreshRecordings:
    """Fire each crash type, and each fault that leaves an event, once; return the events.

    ``report`` is called with what could not be recorded; its page then says so.
    """
    items = record_crashes(system.trigger, CRASHES, report)
    return FreshRecordings(items, record_faults(system, FAULTS, report))


def record_crashes(
    trigger: Callable[[str], Outcome], crashes: Sequence[CrashType], report: Report
) -> dict[str, Sequence[StoredItem]]:
    """Fire each crash type once; return the events. ``report`` gets what could not be recorded."""
    recorded: dict[str, Sequence[StoredItem]] = {}
    for crash in crashes:
        try:
            outcome = trigger(crash.full_id)
        except ActionableError as error:
            report(f"{crash.full_id}: {error}")
            continue
        recorded[crash.full_id] = outcome.items
        if outcome.missing:
            report(f"{crash.full_id}: missing {'; '.join(outcome.missing)}.")
    return recorded


def record_faults(
    system: CrashableSystem, faults: Iterable[Fault], report: Report
) -> dict[str, Sequence[StoredItem]]:
    """Inject each fault that leaves an error event into a few spins; return the events.

    ``report`` is called with the faults whose event is missing.
    """
    recorded: dict[str, Sequence[StoredItem]] = {}
    for fault in faults:
        if not fault.makes_errors and not fault.errors:
            continue
        try:
            with system.inject(fault.name, share=1.0, seconds=FAULT_S):
                recorded[fault.name] = _spin_until_hit(system.spin, system.store, fault)
        except ActionableError as error:
            report(f"{fault.name}: {error}")
            continue
        if not _is_complete(fault, recorded[fault.name]):
            report(f"{fault.name}: an error event that it declares did not arrive.")
    return recorded


def _is_complete(fault: Fault, items: Sequence[StoredItem]) -> bool:
    found = _match_fault(fault, items)
    return bool(found) and None not in found


def _spin_until_hit(spin: Callable[[], object], store: Store, fault: Fault) -> list[StoredItem]:
    """Play a few spins until all events that a fault declares are there; return the events."""
    arrived: list[StoredItem] = []
    with store.subscribe() as arrivals:
        for _ in range(SPINS):
            # A spin that the fault hits is refused.
            with suppress(ActionableError):
                spin()
            deadline = time.monotonic() + FLAG_DEADLINE_S / SPINS
            while not _is_complete(fault, arrived):
                try:
                    item = arrivals.get(max(0.0, deadline - time.monotonic()))
                except TimeoutError:
                    break
                arrived += [item] if item.type == "event" else []
            else:
                break
    return arrived
