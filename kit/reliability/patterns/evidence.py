"""What a recorded event shows, line by line: nothing is written by hand.

All values come from outside: they are truncated to a readable length, and escaped on output.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kit.crashes.crash_type import Captured, NotCaptured
from kit.reading.event import canonical, event_level, find_value, headline
from kit.reading.payload import (
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    as_text,
    escape_bidi,
    exceptions,
    get_path,
    short_path,
    stack_frames,
    truncate,
)

Raw = Mapping[str, Any]

MAX_VALUE = 160
MAX_PARTS = 12
_RAISED = "exception.values[-1]"


@dataclass(frozen=True)
class EventFact:
    """One line of what an event shows: ``path`` is the JMESPath it was read from.

    ``code`` is the source line that belongs to it.
    """

    label: str
    value: str
    path: str
    code: str = ""


def as_line(value: Any) -> str:
    """Return a value of an event as one line of bounded length."""
    return escape_bidi(truncate(as_text(value), MAX_VALUE))


def facts(event: Raw) -> tuple[EventFact, ...]:
    """Return what identifies an event: its type, what captured it, where it was raised."""
    return tuple(fact for fact in _lines(canonical(event)) if fact.value)


def _lines(event: Raw) -> Iterator[EventFact]:
    named = headline(event)
    yield EventFact("Type", " ← ".join(_types(event)) or named.kind, "exception.values[].type")
    yield EventFact("Message", as_line(named.message), f"{_RAISED}.value")
    yield EventFact("Level", event_level(event), "level")
    yield EventFact("Mechanism", _mechanism(event), f"{_RAISED}.mechanism")
    yield _in_app_frame(event)
    yield EventFact("Fingerprint", _fingerprint(event), "fingerprint")
    yield EventFact("Transaction", as_line(event.get("transaction") or ""), "transaction")
    yield EventFact("Feature flags", _flags(event), "contexts.flags.values")
    yield EventFact("Release", as_line(event.get("release") or ""), "release")
    yield EventFact("SDK", _sdk(event), "sdk")


def _types(event: Raw) -> list[str]:
    raised = reversed(exceptions(event))
    return [as_line(each.get("type") or "?") for each in raised][:MAX_PARTS]


def _mechanism(event: Raw) -> str:
    mechanism = as_mapping(get_path(exceptions(event), (-1, "mechanism")))
    handled = {True: "handled", False: "not handled"}.get(mechanism.get("handled") or False)
    said = handled if isinstance(mechanism.get("handled"), bool) else "does not say if handled"
    kind = as_line(mechanism.get("type") or "")
    return f"{kind}, {said}" if kind else ""


def _in_app_frame(event: Raw) -> EventFact:
    raised = (exceptions(event) or [{}])[-1]
    frames = stack_frames(raised)
    ours = [frame for frame in frames if frame.get("in_app") is True]
    path = f"{_RAISED}.stacktrace.frames[?in_app] | [-1]"
    if not ours:
        return EventFact("In-app frame", "none" if frames else "no stack trace", path)
    frame = ours[-1]
    file = short_path(as_str(frame.get("abs_path") or frame.get("filename")))
    where = f"{as_str(frame.get('function')) or '?'} in {file}:{as_str(frame.get('lineno'))}"
    return EventFact("In-app frame", as_line(where), path, as_line(frame.get("context_line") or ""))


def _fingerprint(event: Raw) -> str:
    parts = [as_line(part) for part in as_list(event.get("fingerprint"))[:MAX_PARTS]]
    return " / ".join(parts) or "none"


def flags_of(event: Raw) -> dict[str, Any]:
    """Return the feature flags evaluated before an event, with their results."""
    values = as_mappings(get_path(canonical(event), ("contexts", "flags", "values")))
    return {as_str(each.get("flag")): each.get("result") for each in values}


def _flags(event: Raw) -> str:
    found = list(flags_of(event).items())[:MAX_PARTS]
    return ", ".join(f"{as_line(name)} = {as_line(result)}" for name, result in found)


def _sdk(event: Raw) -> str:
    sdk = as_mapping(event.get("sdk"))
    return as_line(" ".join(filter(None, (as_str(sdk.get("name")), as_str(sdk.get("version"))))))


@dataclass(frozen=True)
class Claim:
    """A declared value, with its value in a recorded event; None without such an event."""

    declared: Captured
    value: str | None

    @property
    def is_broken(self) -> bool:
        """Whether the declared value is missing from the event."""
        return self.value == ""


@dataclass(frozen=True)
class Absence:
    """A declared absence, with what a recorded event has there anyway.

    ``found`` is empty if there is nothing, and None if no event was searched.
    """

    declared: NotCaptured
    found: str | None

    @property
    def is_broken(self) -> bool:
        """Whether the event has what is declared absent."""
        return bool(self.found)


def read_claim(declared: Captured, event: Raw | None) -> Claim:
    """Return a declared value with its value in an event."""
    return Claim(declared, read_value(event, declared.path))


def read_absence(declared: NotCaptured, event: Raw | None) -> Absence:
    """Return a declared absence with what an event has there."""
    return Absence(declared, read_value(event, declared.path) if declared.path else None)


def read_value(event: Raw | None, path: str) -> str | None:
    """Return the value at a JMESPath as text: empty if there is none, None without an event."""
    if event is None:
        return None
    value = find_value(event, path)
    return "" if value is None else as_line(value) or "(empty)"
