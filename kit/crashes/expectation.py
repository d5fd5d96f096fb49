"""Compares what a trigger produced with what its crash type declares."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kit.crashes.crash_type import Assertion, CrashType, ExpectedError
from kit.ingest.store import StoredItem
from kit.reading.event import canonical, find_value, headline
from kit.reading.payload import as_list, as_mapping, as_str, exceptions, get_path
from kit.reading.profiles import profiled_functions
from kit.reading.spans import spans

Event = Mapping[str, Any]

# The contract of every error event: leaves of contexts, user, tags and request.
CONTEXT_FIELDS = 20
WATCHDOG = "ApplicationNotResponding"
CONTEXT_PARTS = ("contexts", "user", "tags", "request")


def find_missing(crash: CrashType, items: Sequence[StoredItem]) -> list[str]:
    """Return what ``crash`` declares but ``items`` do not contain, a phrase each."""
    return [*_missing_errors(crash, items), *_missing_performance(crash, items)]


def find_unexpected(crash: CrashType, items: Sequence[StoredItem]) -> list[str]:
    """Return the error events among ``items`` that ``crash`` does not declare, a phrase each.

    Reports of Node's watchdog are ignored: on a busy machine it may fire at any time.
    """
    _, left_over = _match(crash, items)
    undeclared = [item for item in left_over if not is_watchdog(item.payload)]
    return [
        f"undeclared error event {_chain(item.payload)} of {item.project}" for item in undeclared
    ]


def _chain(event: Event) -> str:
    return " ← ".join(exception_types(event)) or headline(event).name


def payloads(items: Sequence[StoredItem], item_type: str) -> list[Any]:
    """Return the payloads of one item type, in the order of their arrival."""
    return [item.payload for item in items if item.type == item_type]


def passed_through(item: StoredItem) -> str | None:
    """Return the service whose part of a trace, from request to response, is in this item."""
    return item.project if item.has_segment else None


def exception_types(event: Event) -> list[str]:
    """Return the exception types of an error event, the last one raised first."""
    return [as_str(raised.get("type")) for raised in reversed(exceptions(event))]


def is_watchdog(event: Event) -> bool:
    """Return whether Node's watchdog reported an event: on a busy machine it may at any time."""
    return exception_types(event) == [WATCHDOG]


def context_fields(event: Event) -> int:
    """Return the number of leaves under contexts, user, tags and request."""
    read = canonical(event)
    return sum(1 for part in CONTEXT_PARTS for _ in _leaves(read.get(part)))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        children: Any = value.values()
    elif isinstance(value, list):
        children = value
    else:
        if value is not None:
            yield value
        return
    for child in children:
        yield from _leaves(child)


def _match(
    crash: CrashType, items: Sequence[StoredItem]
) -> tuple[list[tuple[ExpectedError, Event | None]], list[StoredItem]]:
    """Pair each expected error with an event of its service and chain, and return the others."""
    left_over = [item for item in items if item.type == "event"]
    pairs: list[tuple[ExpectedError, Event | None]] = []
    for error in crash.errors:
        wanted = (crash.reporter(error), list(error.chain))
        item = next(
            (i for i in left_over if (i.project, exception_types(i.payload)) == wanted), None
        )
        if item is not None:
            left_over.remove(item)
        pairs.append((error, item.payload if item else None))
    return pairs, left_over


def _missing_errors(crash: CrashType, items: Sequence[StoredItem]) -> Iterator[str]:
    pairs, _ = _match(crash, items)
    for error, event in pairs:
        if event is None:
            yield f"error event {' ← '.join(error.chain)}"
        else:
            yield from (f"{error.type}: {lack}" for lack in _differences(crash, error, event))
    events = [event for _, event in pairs]
    if events and events[0] is not None:
        yield from _false_claims(crash, events[0])
    yield from _false_absences(crash, events)


def _differences(crash: CrashType, error: ExpectedError, event: Event) -> Iterator[str]:
    mechanism = as_mapping(get_path(exceptions(event), (-1, "mechanism")))
    found = {
        "mechanism": mechanism.get("type"),
        "handled": mechanism.get("handled"),
        "level": event.get("level"),
        "fingerprint": tuple(as_list(event.get("fingerprint"))) or None,
    }
    for name, value in found.items():
        declared = getattr(error, name)
        if value != declared:
            yield f"{name} {declared!r}, found {value!r}"
    for name in crash.contexts if error.service is None else ():
        if name not in as_mapping(canonical(event).get("contexts")):
            yield f"context {name!r}"
    if (count := context_fields(event)) < CONTEXT_FIELDS:
        yield f"{CONTEXT_FIELDS} context fields, found {count}"


def _false_claims(crash: CrashType, event: Event) -> Iterator[str]:
    for claim in crash.captured:
        if find_value(event, claim.path) is None:
            yield f"value at {claim.path}"


def _false_absences(crash: CrashType, events: Sequence[Event | None]) -> Iterator[str]:
    for absence in crash.not_captured:
        if absence.path and _is_there(events[absence.error], absence.path):
            yield f"absence of {absence.path}"


def _is_there(event: Event | None, path: str) -> bool:
    return event is not None and find_value(event, path) is not None


def _missing_performance(crash: CrashType, items: Sequence[StoredItem]) -> Iterator[str]:
    passed = set(filter(None, map(passed_through, items)))
    for service in crash.segments:
        if service not in passed:
            yield f"service span of {service}"
    is_silent = any(each.asserted is Assertion.NO_SERVICE_SPAN for each in crash.not_captured)
    if is_silent and crash.service.name in passed:
        yield f"absence of a service span of {crash.service.name}"
    operations = {span.op for span in spans(items)}
    for operation in crash.spans:
        if operation not in operations:
            yield f"span {operation}"
    if crash.profiled and not _is_profiled(crash.profiled, payloads(items, "profile_chunk")):
        yield f"profile with {crash.profiled}"


def _is_profiled(function: str, profiles: Sequence[Mapping[str, Any]]) -> bool:
    found = (name for profile in profiles for name in profiled_functions(profile))
    return any(name.rpartition(".")[2] == function for name in found)
