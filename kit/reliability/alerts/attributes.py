"""Reads what filters compare in an event: tags and attributes, and whether a text matches."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

from kit.reading.event import event_level
from kit.reading.payload import (
    as_mapping,
    as_str,
    event_message,
    exceptions,
    get_part,
    get_path,
    stack_frames,
)
from kit.reading.server.fingerprint import tag_pairs
from kit.reading.server.users import user_key

Raw = Mapping[str, Any]
# As in the API: contains, equals, starts with, ends with, is set, and negations.
Match = Literal["co", "nc", "eq", "ne", "sw", "ew", "is", "ns"]
MATCHES: tuple[Match, ...] = get_args(Match)


def event_tag(event: Raw, name: str) -> str:
    """Return a tag of an event; for a tag that Sentry derives from a field, that field."""
    if (read := _TAGS_OF_FIELDS.get(name)) and (text := read(event)):
        return text
    return next((text for key, text in tag_pairs(event) if key == name), "")


def attribute_values(event: Raw, attribute: str) -> list[str]:
    """Return the values of one of ``ATTRIBUTES``; an attribute of frames may have several."""
    return [text for value in ATTRIBUTES[attribute](event) if (text := _text(value))]


def is_match(values: Iterable[str], match: Match, wanted: str) -> bool:
    """Return whether any of the values matches; for a negated match, whether all do."""
    found = [value.lower() for value in values]
    text = wanted.lower()
    if match in ("is", "ns"):
        return bool(found) is (match == "is")
    positive = {"nc": "co", "ne": "eq"}.get(match, match)
    is_any = any(_TESTS[positive](value, text) for value in found)
    return is_any is (match == positive)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "co": lambda value, text: text in value,
    "eq": lambda value, text: value == text,
    "sw": lambda value, text: value.startswith(text),
    "ew": lambda value, text: value.endswith(text),
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else as_str(value)


def _handled(event: Raw) -> Iterator[bool]:
    for error in reversed(exceptions(event)):
        if isinstance(value := get_path(error, ("mechanism", "handled")), bool):
            yield value


def _field(*path: str) -> Callable[[Raw], list[Any]]:
    return lambda event: [get_path(event, path)]


def _of_part(part: str, name: str) -> Callable[[Raw], list[Any]]:
    return lambda event: [as_mapping(get_part(event, part)).get(name)]


def _of_exceptions(name: str) -> Callable[[Raw], list[Any]]:
    return lambda event: [error.get(name) for error in exceptions(event)]


def _of_frames(name: str) -> Callable[[Raw], list[Any]]:
    return lambda event: [
        frame.get(name) for error in exceptions(event) for frame in stack_frames(error)
    ]


def _message(event: Raw) -> list[Any]:
    return [event_message(event), *(error.get("value") for error in exceptions(event))]


def _type(event: Raw) -> list[Any]:
    return ["error" if exceptions(event) else "default"]


def _is_unhandled(event: Raw) -> list[Any]:
    return [not handled for handled in _handled(event)][:1]


def _handled_tag(event: Raw) -> str:
    handled = next(_handled(event), None)
    return "" if handled is None else "yes" if handled else "no"


def _field_tag(name: str) -> Callable[[Raw], str]:
    return lambda event: as_str(event.get(name))


# Tags that Sentry sets by itself.
_TAGS_OF_FIELDS: dict[str, Callable[[Raw], str]] = {
    "level": event_level,
    "handled": _handled_tag,
    "user": user_key,
    "environment": _field_tag("environment"),
    "release": _field_tag("release"),
    "transaction": _field_tag("transaction"),
    "server_name": _field_tag("server_name"),
    "logger": _field_tag("logger"),
    "dist": _field_tag("dist"),
}


# Documented attributes that events of this system have; the others are refused by name.
ATTRIBUTES: dict[str, Callable[[Raw], list[Any]]] = {
    "message": _message,
    "platform": _field("platform"),
    "environment": _field("environment"),
    "type": _type,
    "error.handled": lambda event: list(_handled(event))[:1],
    "error.unhandled": _is_unhandled,
    "exception.type": _of_exceptions("type"),
    "exception.value": _of_exceptions("value"),
    "user.id": _of_part("user", "id"),
    "user.email": _of_part("user", "email"),
    "user.username": _of_part("user", "username"),
    "user.ip_address": _of_part("user", "ip_address"),
    "http.method": _of_part("request", "method"),
    "http.url": _of_part("request", "url"),
    "http.status_code": _field("contexts", "response", "status_code"),
    "sdk.name": _field("sdk", "name"),
    "stacktrace.code": _of_frames("context_line"),
    "stacktrace.module": _of_frames("module"),
    "stacktrace.filename": _of_frames("filename"),
    "stacktrace.abs_path": _of_frames("abs_path"),
    "stacktrace.package": _of_frames("package"),
}
