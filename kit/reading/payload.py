"""Reads payloads of any shape, and turns their values into text for a page.

A payload comes from outside: what should be a dict may be None, a list or a number. These
functions return something empty instead of raising.
"""

import json
import math
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
# More bytes than any memory or file has.
MAX_BYTES = 2**64
# An earlier or later time is from a clock that was not set, or is not in seconds.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Key = str | int
Path = tuple[Key, ...]

# What SDKs called the parts of an event before 2018. Sentry still reads these names.
LEGACY_NAMES = {
    "exception": "sentry.interfaces.Exception",
    "logentry": "sentry.interfaces.Message",
    "stacktrace": "sentry.interfaces.Stacktrace",
    "threads": "sentry.interfaces.Threads",
    "breadcrumbs": "sentry.interfaces.Breadcrumbs",
    "request": "sentry.interfaces.Http",
    "user": "sentry.interfaces.User",
    "contexts": "sentry.interfaces.Contexts",
    "debug_meta": "sentry.interfaces.DebugMeta",
    "template": "sentry.interfaces.Template",
}
_EMPTY: tuple[Any, ...] = (None, "", [], {}, {"values": None}, {"values": []})
# They reorder the text around them, so that code reads as something else.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Under it the ingest stores what comes to /stream.
_NO_PROJECT = "spotlight"
_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
# Only these: a width or a precision could make a text of gigabytes.
_PLACEHOLDER = re.compile(
    r"%(?P<percent>%)|%(?:\((?P<name>[^()]*)\))?[sdifr]|\{(?P<field>[^{}]*)\}"
)


@dataclass(frozen=True)
class Text:
    """A value as it is shown: cut to a readable length, with remarks on what was cut."""

    text: str
    remarks: tuple[str, ...] = ()


def get_path(value: Any, path: Sequence[Key]) -> Any:
    """Return what is at the path; None if there is nothing."""
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
    """Return the path of every value inside that is not a container, or an empty one.

    What is nested deeper than ``MAX_LEAF`` keys counts as one value.
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


def get_part(event: Any, name: str) -> Any:
    """Return a part of an event, by its current name or else its legacy one."""
    present = get_path(event, (name,))
    legacy = get_path(event, (LEGACY_NAMES.get(name, name),))
    return legacy if present in _EMPTY and legacy is not None else present


def as_entries(value: Any) -> list[Mapping[str, Any]]:
    """Return the entries of a list of the protocol, without those that are null.

    It may be written as ``{"values": […]}``, as a plain list, or as its only entry.
    """
    if isinstance(value, Mapping) and "values" in value:
        value = value["values"]
    if isinstance(value, Mapping):
        return [value] if value else []
    return as_mappings(value)


def exceptions(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the exceptions of an event, the last one raised at the end."""
    return as_entries(get_part(event, "exception"))


def event_threads(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the threads of an event."""
    return as_entries(get_part(event, "threads"))


def stack_frames(raised: Any) -> list[Mapping[str, Any]]:
    """Return the frames of an exception, a thread or an event, the newest at the end."""
    return as_mappings(get_path(get_part(raised, "stacktrace"), ("frames",)))


def grouping_frames(raised: Any) -> list[Mapping[str, Any]]:
    """Return the frames by which Sentry groups: the in-app ones, or all if there are none."""
    frames = stack_frames(raised)
    # Standard library frames have no in_app at all: the SDK leaves it to Sentry to decide.
    return [frame for frame in frames if frame.get("in_app") is True] or frames


def is_javascript(event: Mapping[str, Any]) -> bool:
    """Return whether the SDK for JavaScript made the event."""
    return as_str(get_path(event, ("sdk", "name"))).startswith("sentry.javascript")


def service(event: Mapping[str, Any], project: str = "") -> str:
    """Return the name of the service that an event is about; empty if it names none.

    It is the ``project`` whose DSN was used. Events sent to /stream, without a DSN, have no
    project: there the event's own fields decide, which differ between SDKs.
    """
    named = as_str(event.get("server_name")) or as_str(event.get("release")).partition("@")[0]
    return named or project if project in ("", _NO_PROJECT) else project


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
    """Return the trace that an event or transaction belongs to; empty if it names none."""
    found = as_str(get_path(get_part(event, "contexts"), ("trace", "trace_id")))
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
    """Return text as one line of at most ``room`` characters."""
    # Only the part that can fit: a text may be megabytes long.
    line = " ".join(text[: 4 * room].split())
    return line if len(line) <= room else f"{line[:room].rstrip()}…"


def event_message(event: Mapping[str, Any]) -> str:
    """Return the message of an event: of its log entry, else its own; empty without one."""
    texts = map(_message_text, (get_part(event, "logentry"), event.get("message")))
    return next(filter(None, texts), "")


def message_template(event: Mapping[str, Any]) -> str:
    """Return the message before its parameters were filled in, if the SDK sent it."""
    entries = (as_mapping(each) for each in (get_part(event, "logentry"), event.get("message")))
    templates = (as_str(entry.get("message")) for entry in entries)
    return next(filter(None, templates), "") or event_message(event)


def _message_text(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return "" if entry in _EMPTY else as_str(entry)
    template = as_str(entry.get("message"))
    return as_str(entry.get("formatted")) or _with_params(template, entry.get("params"))


def _with_params(template: str, params: Any) -> str:
    """Return a message with its parameters filled in, as Sentry does if no SDK has done it.

    A placeholder without a parameter stays as it is.
    """
    if not isinstance(params, Mapping | list) or not params:
        return template
    waiting = iter(params if isinstance(params, list) else ())

    def fill(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        name = found["name"] or found["field"]
        if not name:
            return as_text(next(waiting, found[0]))
        key: Key = int(name) if len(name) < 4 and name.isdecimal() else name
        value = get_path(params, (key,)) if isinstance(params, list) else params.get(name)
        return found[0] if value is None else as_text(value)

    return _PLACEHOLDER.sub(fill, template)


def escape_bidi(text: str) -> str:
    """Return text with characters that reorder it written as JSON escapes them."""
    return _BIDI.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def to_json(value: Any) -> str:
    """Return a value as complete, readable JSON that can be encoded as UTF-8."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=repr)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=2, default=repr)
    except RecursionError:
        return "This value is nested too deeply to be printed."
    except ValueError:
        return "This value contains a number too long to be printed."
    return text


def parse_time(value: Any) -> datetime | None:
    """Return a time of the protocol, ISO 8601 or Unix seconds; None if it is neither."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str):
            return _parse_text(value)
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _parse_text(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(float(text), UTC)
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)


def plausible_time(value: Any) -> datetime | None:
    """Return a time of the protocol at which something can have happened; None for others."""
    then = parse_time(value)
    return then if then is not None and EARLIEST <= then < LATEST else None


def describe_time(value: Any) -> Text:
    """Return a time as text, with a remark if it is not plausible; anything else as it is."""
    then = parse_time(value)
    if then is None:
        given = shorten(as_str(value), 60).text
        return Text(given, ("not a time",) if given else ())
    text = f"{then:%d %b} {then.year:04}, {then:%H:%M:%S}.{then.microsecond // 1000:03} UTC"
    return Text(text, () if plausible_time(value) else ("not a plausible time",))


def format_bytes(number: float) -> str:
    """Return a number of bytes in the unit that reads best; an impossible size as it is."""
    if not 0 <= number < MAX_BYTES:
        return f"{shorten(as_text(number), 60).text} bytes"
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f} {unit}"
    return f"{number} bytes"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that reads best; NaN or infinity as it is."""
    if not _is_finite(seconds):
        return f"{shorten(as_text(seconds), 60).text} s"
    if seconds < 0:
        return "−" + duration(-seconds)
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond those that a float can hold
        return False


def offset(value: Any, error: Any) -> str:
    """Return how long before (minus) or after (plus) the error something happened.

    If the time of the error is unknown, return the time of day; anything but a time as it is.
    """
    then, crashed = plausible_time(value), plausible_time(error)
    if then is None:
        return describe_time(value).text or "?"
    if crashed is None:
        return f"{then:%H:%M:%S}"
    seconds = (then - crashed).total_seconds()
    if not round(seconds, 4):
        return "0 ms"
    return ("−" if seconds <= 0 else "+") + duration(abs(seconds))
