"""Events in any form that the protocol allows, read into the form that the SDK for Python sends.

https://develop.sentry.dev/sdk/event-payloads/ lists the forms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from kit.reading.payload import (
    LEGACY_NAMES,
    as_str,
    event_message,
    exceptions,
    get_part,
    get_path,
    truncate,
)

NO_MESSAGE = "Event without a message"
MAX_NAME = 120

LEVELS = ("fatal", "error", "warning", "info", "debug")
# What else Relay accepts as a level: names of other libraries, and Python's logging numbers.
_OTHER_LEVELS: dict[str | int, str] = {
    "critical": "fatal",
    "log": "info",
    50: "fatal",
    40: "error",
    30: "warning",
    20: "info",
    10: "debug",
}
# The logger that these SDKs name if no logger was used.
_DEFAULT_LOGGERS = {"raven-ruby": "ruby", "raven-js": "javascript"}

_LISTS = ("exception", "threads", "breadcrumbs")
_PAIRED = ("headers", "cookies", "query_string", "env")
# The keys of an entry with a name and a value: of tags, of modules.
_PAIR_KEYS = (("key", "value"), ("name", "version"))


@dataclass(frozen=True)
class Headline:
    """The headline of an event: ``type`` and ``message`` of the last exception raised.

    An event without an exception has no ``type``; ``message`` is then its own. ``kind`` says what
    it is instead.
    """

    type: str
    message: str
    kind: str

    @property
    def name(self) -> str:
        """The type of the exception, or the message of an event without one."""
        return self.type or truncate(self.message, MAX_NAME) or NO_MESSAGE

    @property
    def title(self) -> str:
        """Type and the beginning of the message, like the title of an issue."""
        told = truncate(self.message)
        return f"{self.type}: {told}" if self.type and told else self.name

    @property
    def words(self) -> str:
        """Type and message in one."""
        return ": ".join(filter(None, (self.type, self.message))) or NO_MESSAGE


def headline(event: Mapping[str, Any]) -> Headline:
    """Return the headline of an event."""
    raised = exceptions(event)
    if not raised or is_message(event):
        value = as_str(raised[-1].get("value")) if raised else ""
        kind = "Log record" if _is_log_record(event) else "Message"
        return Headline("", event_message(event) or value, kind)
    kind, value = as_str(raised[-1].get("type")), as_str(raised[-1].get("value"))
    # Titled by its value where it has no type.
    return Headline(kind or ("" if value else "Exception"), value, kind or "Exception")


def is_message(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a message whose exception only carries the stack trace.

    Version 11 of the SDKs for JavaScript sends messages that way.
    """
    raised = exceptions(event)
    return (
        len(raised) == 1
        and not as_str(raised[0].get("type"))
        and get_path(raised[0], ("mechanism", "synthetic")) is True
    )


def event_level(event: Mapping[str, Any]) -> str:
    """Return the level of an event: one of ``LEVELS``; error without one."""
    return read_level(event.get("level")) or "error"


def read_level(level: Any) -> str:
    """Return a level as Relay reads it: one of ``LEVELS``; empty for any other."""
    if not isinstance(level, str | int):
        return ""
    name = _OTHER_LEVELS.get(level, level)
    return name if isinstance(name, str) and name in LEVELS else ""


def _is_log_record(event: Mapping[str, Any]) -> bool:
    logger = as_str(event.get("logger"))
    return bool(logger) and logger != _DEFAULT_LOGGERS.get(as_str(get_path(event, ("sdk", "name"))))


def canonical(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event with each part in one form, its values as they were.

    Legacy names become the present ones, lists of pairs become mappings, and lists of exceptions
    and of threads become ``{"values": […]}``. A part of another form stays as it is.
    """
    read = dict(event)
    for name, legacy in LEGACY_NAMES.items():
        part = get_part(event, name)
        if legacy in read and part is read[legacy]:
            read[name] = read.pop(legacy)
    for name in _LISTS:
        if name in read:
            read[name] = _wrap(name, read[name])
    for name in ("tags", "modules", "extra"):
        if name in read:
            read[name] = from_pairs(read[name])
    if isinstance(request := read.get("request"), Mapping):
        paired = {name: from_pairs(request[name]) for name in _PAIRED if name in request}
        read["request"] = {**request, **paired}
    return read


def find_value(event: Mapping[str, Any], path: str) -> Any:
    """Return what is at a JMESPath of the event's canonical form; None if there is nothing."""
    try:
        return jmespath.search(path, canonical(event))
    except JMESPathError:
        return None


def from_pairs(value: Any) -> Any:
    """Return a list of pairs as a mapping, and any other value as it is.

    A name that occurs more than once has the list of its values.
    """
    if not isinstance(value, list):
        return value
    pairs = [as_pair(each) for each in value if each is not None]
    found: dict[str, list[Any]] = {}
    for pair in pairs:
        if pair is None:
            return value
        found.setdefault(as_str(pair[0]), []).append(pair[1])
    return {name: each[0] if len(each) == 1 else each for name, each in found.items()} or value


def as_pair(entry: Any) -> tuple[Any, Any] | None:
    """Return the name and the value of an entry of a list of pairs; None if it is not a pair."""
    pair: tuple[Any, ...] = ()
    if isinstance(entry, list | tuple):
        pair = tuple(entry)
    elif isinstance(entry, Mapping):
        known = (keys for keys in _PAIR_KEYS if set(keys) == set(entry))
        pair = tuple(entry[key] for key in next(known, ()))
    if len(pair) != 2 or isinstance(pair[0], Mapping | list):
        return None
    return pair[0], pair[1]


def _wrap(name: str, part: Any) -> Any:
    is_wrapped = isinstance(part, Mapping) and isinstance(part.get("values"), list)
    if is_wrapped or (name == "breadcrumbs" and isinstance(part, list)):
        return part
    if isinstance(part, Mapping):
        part = part.get("values", part)
        return {"values": [part]} if isinstance(part, Mapping) and part else part
    return {"values": part} if isinstance(part, list) else part
