"""The fingerprint that an event carries, with its variables as Sentry's servers resolve them.

The names are documented; what replaces a missing value is in the servers' source:
https://docs.sentry.io/concepts/data-management/event-grouping/fingerprint-rules/#variables
https://github.com/getsentry/sentry/blob/master/src/sentry/grouping/fingerprinting/utils.py
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kit.reading.event import as_pair
from kit.reading.payload import (
    as_list,
    as_mapping,
    as_str,
    event_message,
    event_threads,
    exceptions,
    grouping_frames,
)
from kit.reading.server.limits import RESERVED_TAGS, TAG_CHARS
from kit.reading.server.messages import without_values

DEFAULT = "{{ default }}"

Raw = Mapping[str, Any]
Read = Callable[[Raw], Any]

# A quoted name is a different one, which the servers do not know.
_VARIABLE = re.compile(r"\{\{\s*(\S+)\s*\}\}")
_TAG = "tags."
_FOLDERS = re.compile(r"[/\\]")
_FIELDS_AS_TAGS = ("level", "logger", "environment", "transaction", "server_name")


def fingerprint_of(event: Raw) -> list[str]:
    """Return the fingerprint that an event carries, as it was sent; empty if it has none."""
    parts = [lenient_text(part) for part in as_list(event.get("fingerprint"))]
    return [DEFAULT if _name(part) == "default" else part for part in parts if part is not None]


def is_variable(part: str) -> bool:
    """Return whether a part of a fingerprint is a variable other than the default grouping."""
    return _name(part) not in ("", "default")


def resolve(part: str, event: Raw) -> str:
    """Return a part of a fingerprint as the server resolves it: the value of a variable.

    ``{{ default }}`` stays as it is. A variable without a value, or one that Sentry does not know,
    becomes a text that says so, and is the same for all such events.
    """
    name = _name(part)
    if name in ("", "default"):
        return part
    if name.startswith(_TAG):
        tag = name.removeprefix(_TAG)
        return _tags(event).get(tag) or f"<no-value-for-tag-{tag}>"
    read, missing = _VARIABLES.get(name, (None, f"<unrecognized-variable-{name}>"))
    return (as_str(read(event)) if read else "") or missing


def _name(part: str) -> str:
    found = _VARIABLE.fullmatch(part)
    return found[1] if found else ""


def lenient_text(value: Any) -> str | None:
    """Return a value as Relay reads it where the protocol requires text; None if it does not."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if abs(value) < 2**53 else None
    return str(value) if isinstance(value, str | int) else None


# Where the values are


def _error(field: str) -> Read:
    return lambda event: (exceptions(event) or [{}])[-1].get(field)


def _message(event: Raw) -> str:
    return without_values(event_message(event) or as_str(_error("value")(event)), lines=None)


def _frame(*fields: str) -> Read:
    """Return a function that reads the first of these fields that the failed frame has."""

    def read(event: Raw) -> Any:
        frame = crash_frame(event)
        return next((frame[field] for field in fields if frame.get(field)), None)

    return read


def _package(event: Raw) -> str:
    return _FOLDERS.split(as_str(crash_frame(event).get("package")))[-1]


def crash_frame(event: Raw) -> Raw:
    """Return the in-app frame nearest to the crash, else the nearest of all; empty if none."""
    last = (exceptions(event) or [{}])[-1]
    alone = found if len(found := event_threads(event)) == 1 else []
    stacks = map(grouping_frames, (last, event, *alone))
    return next(filter(None, stacks), [{}])[-1]


def _tags(event: Raw) -> dict[str, str]:
    """Return an event's tags as the servers have them."""
    sent = {
        key.replace(" ", "-"): value.strip()
        for key, value in tag_pairs(event)
        if key not in RESERVED_TAGS and len(value) <= TAG_CHARS.most
    }
    fields = {name: as_str(event.get(name)) for name in _FIELDS_AS_TAGS}
    return {**sent, "level": "error", **{name: text for name, text in fields.items() if text}}


def tag_pairs(event: Raw) -> Iterator[tuple[str, str]]:
    """Yield the tags that were sent, a dict or a list of pairs, as texts."""
    tags = event.get("tags")
    sent = tags if isinstance(tags, list) else as_mapping(tags).items()
    for name, given in filter(None, map(as_pair, sent)):
        key, value = lenient_text(name), lenient_text(given)
        if key is not None and value is not None:
            yield key, value


_TRANSACTION: tuple[Read, str] = (lambda event: event.get("transaction"), "<no-transaction>")
_TYPE = (_error("type"), "<no-type>")
_VALUE = (_error("value"), "<no-value>")
_FUNCTION = (_frame("function"), "<no-function>")
_PATH = (_frame("abs_path", "filename"), "<no-abs-path>")
_MODULE = (_frame("module"), "<no-module>")
_PACKAGE = (_package, "<no-package>")
_LEVEL: tuple[Read, str] = (lambda event: event.get("level") or "error", "<no-level>")
_LOGGER: tuple[Read, str] = (lambda event: event.get("logger"), "<no-logger>")
_VARIABLES: dict[str, tuple[Read, str]] = {
    "transaction": _TRANSACTION,
    "message": (_message, "<no-message>"),
    "type": _TYPE,
    "error.type": _TYPE,
    "value": _VALUE,
    "error.value": _VALUE,
    "function": _FUNCTION,
    "stack.function": _FUNCTION,
    "path": _PATH,
    "stack.abs_path": _PATH,
    "stack.filename": (_frame("filename", "abs_path"), "<no-filename>"),
    "module": _MODULE,
    "stack.module": _MODULE,
    "package": _PACKAGE,
    "stack.package": _PACKAGE,
    "level": _LEVEL,
    "logger": _LOGGER,
}
