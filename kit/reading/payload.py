"""Reads payloads of any shape, and turns their values into text for a page.

A payload comes from outside: what should be a dict may be None, a list or a number. These
functions answer with something empty instead of raising.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

# On screen only; the raw JSON is complete.
MAX_TEXT = 600
MAX_ROWS = 60
MAX_DEPTH = 5
MAX_LEAF = 20

Key = str | int
Path = tuple[Key, ...]

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True)
class Text:
    """A value as it is shown: cut to a readable length, with remarks on what is missing."""

    text: str
    remarks: tuple[str, ...] = ()


def get_path(value: Any, path: Sequence[Key]) -> Any:
    """Return what is at the path; None if nothing."""
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return those items of a list that are mappings."""
    return [each for each in as_list(value) if isinstance(each, Mapping)]


def as_str(value: Any) -> str:
    """Return the value as text; empty for None."""
    return "" if value is None else as_text(value)


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Return the path of every value inside that is no container, or an empty one.

    What lies deeper than ``MAX_LEAF`` keys counts as one value.
    """
    children: Iterable[tuple[Key, Any]] = ()
    if isinstance(value, Mapping):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    if not isinstance(value, Mapping | list) or not value or len(path) >= MAX_LEAF:
        yield path
        return
    for key, child in children:
        yield from leaves(child, (*path, key))


def exceptions(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the exceptions of an event, the one raised last at the end."""
    return as_mappings(get_path(event, ("exception", "values")))


def is_javascript(event: Mapping[str, Any]) -> bool:
    """Return whether the SDK for JavaScript made the event."""
    return as_str(get_path(event, ("sdk", "name"))).startswith("sentry.javascript")


def service(event: Mapping[str, Any]) -> str:
    """Return the name of the service that an event is about; empty when it names none."""
    return as_str(event.get("server_name")) or as_str(event.get("release")).partition("@")[0]


def crumbs_path(event: Mapping[str, Any]) -> Path:
    """Return where the breadcrumbs of an event are: SDKs differ."""
    is_list = isinstance(event.get("breadcrumbs"), list)
    return ("breadcrumbs",) if is_list else ("breadcrumbs", "values")


def short_path(file: str) -> str:
    """Return the path of a source file without the folders that only this machine has."""
    file = file.replace("\\", "/")
    for folder in ("node_modules", "demo_services"):
        _, found, rest = file.rpartition(f"/{folder}/")
        if found:
            return f"{folder}/{rest}"
    return file


def trace_id(event: Mapping[str, Any]) -> str:
    """Return the trace that an event or transaction belongs to; empty when it names none."""
    found = as_str(get_path(event, ("contexts", "trace", "trace_id")))
    return found if _TRACE_ID.fullmatch(found) else ""


def as_text(value: Any, depth: int = 0) -> str:
    """Return a value as one line of text; strings as they are."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping | list):
        return to_json(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        pairs = islice(value.items(), MAX_ROWS)
        return "{" + ", ".join(f"{key}: {as_text(each, depth + 1)}" for key, each in pairs) + "}"
    return "[" + ", ".join(as_text(each, depth + 1) for each in value[:MAX_ROWS]) + "]"


def shorten(text: str, longest: int = MAX_TEXT) -> Text:
    """Cut text to a length, with a remark that says so."""
    if len(text) <= longest:
        return Text(text)
    rest = len(text) - longest
    return Text(text[:longest] + "…", (f"{rest:,} more characters in the raw JSON",))


def truncate(text: str, room: int = 80) -> str:
    """Return text as one line of so many characters at most."""
    # Only what can be part of it: a text may be megabytes long.
    line = " ".join(text[: 4 * room].split())
    return line if len(line) <= room else f"{line[:room].rstrip()}…"


def event_message(event: Mapping[str, Any]) -> str:
    """Return the message of an event: of its log entry, else its own; empty without one."""
    entry = event.get("logentry") or event.get("message")
    if isinstance(entry, Mapping):
        entry = entry.get("formatted") or entry.get("message")
    return as_str(entry)


def to_json(value: Any) -> str:
    """Return a value as readable JSON, complete and fit to be sent as UTF-8."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=repr)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=2, default=repr)
    except RecursionError:
        return "This value is nested too deeply to be printed."
    return text


def parse_time(value: Any) -> datetime | None:
    """Return a time of the protocol, ISO 8601 or Unix seconds; None when it is neither."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def format_bytes(number: float) -> str:
    """Return a number of bytes in the unit that reads best."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f} {unit}"
    return f"{number} bytes"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that reads best."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def offset(value: Any, error: Any) -> str:
    """Return how long before (minus) or after (plus) the error something happened.

    When the time of the error is not known, return the time of day.
    """
    then, crashed = parse_time(value), parse_time(error)
    if then is None:
        return "?"
    if crashed is None:
        return f"{then:%H:%M:%S}"
    seconds = (then - crashed).total_seconds()
    return ("−" if seconds <= 0 else "+") + duration(abs(seconds))
