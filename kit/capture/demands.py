"""What an error event must contain, field by field, and how it differs if it does not."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kit.crashes.expectation import exception_types
from kit.reading.event import canonical, find_value, headline
from kit.reading.payload import (
    Path,
    as_entries,
    as_mapping,
    as_str,
    event_message,
    get_part,
    truncate,
)
from kit.reading.server.fingerprint import fingerprint_of
from kit.views.difference import jmespath_of

MAX_VALUE = 120
_HANDLED = "exception.values[-1].mechanism.handled"

Raw = Mapping[str, Any]
Check = Callable[[Raw, Any], Iterator["Mismatch"]]


class Mismatch(NamedTuple):
    """A field that is not as expected: its path in the event, the expected and the found value.

    ``found`` is None if the event does not have that part.
    """

    path: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        found = "nothing" if self.found is None else _as_line(self.found)
        return f"{self.path}: expected {_as_line(self.expected)}, found {found}"


def find_mismatches(event: Raw, demands: Mapping[str, Any]) -> list[Mismatch]:
    """Return what differs between an event and ``demands``, by the names in ``CHECKS``.

    Any other name is a plain field, such as ``level``. An expected value may be anything that can
    be compared, or a compiled regular expression to search for.
    """
    return [
        mismatch
        for name, expected in demands.items()
        for mismatch in CHECKS.get(name, _check_field(name))(event, expected)
    ]


def _is_as(found: Any, expected: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(found, str) and expected.search(found) is not None
    return bool(found == expected)


def _compare(path: str, expected: Any, found: Any) -> Iterator[Mismatch]:
    if not _is_as(found, expected):
        yield Mismatch(path, expected, found)


def _check_field(name: str) -> Check:
    def check(event: Raw, expected: Any) -> Iterator[Mismatch]:
        yield from _compare(name, expected, event.get(name))

    return check


def _check_type(event: Raw, expected: Any) -> Iterator[Mismatch]:
    """Compare the last exception raised; given several types, the whole chain, that one first."""
    types = exception_types(event)
    if isinstance(expected, list | tuple):
        yield from _compare("exception.values[].type, the last first", list(expected), types)
    else:
        yield from _compare("exception.values[-1].type", expected, types[0] if types else None)


def _check_message(event: Raw, expected: Any) -> Iterator[Mismatch]:
    if headline(event).type:
        yield from _compare("exception.values[-1].value", expected, headline(event).message)
    else:
        yield from _compare("the message", expected, event_message(event) or None)


def _check_handled(event: Raw, expected: Any) -> Iterator[Mismatch]:
    yield from _compare(_HANDLED, expected, find_value(event, _HANDLED))


def _check_fingerprint(event: Raw, expected: Any) -> Iterator[Mismatch]:
    yield from _compare("fingerprint", list(expected), fingerprint_of(event) or None)


def _check_part(name: str) -> Check:
    """Compare the entries that are expected; there may be others."""

    def check(event: Raw, expected: Any) -> Iterator[Mismatch]:
        yield from _compare_parts((name,), expected, canonical(event).get(name))

    return check


def _compare_parts(path: Path, expected: Any, found: Any) -> Iterator[Mismatch]:
    if isinstance(expected, Mapping) and (found is None or isinstance(found, Mapping)):
        for key, each in expected.items():
            yield from _compare_parts((*path, key), each, as_mapping(found).get(key))
    else:
        yield from _compare(jmespath_of(path), expected, found)


def _check_values(event: Raw, expected: Mapping[str, Any]) -> Iterator[Mismatch]:
    for path, each in expected.items():
        yield from _compare(path, each, find_value(event, path))


def _check_breadcrumbs(event: Raw, expected: Sequence[Any]) -> Iterator[Mismatch]:
    """Look for the steps in this order; there may be others between them."""
    told = [crumb_line(crumb) for crumb in as_entries(get_part(event, "breadcrumbs"))]
    left = iter(told)
    for number, step in enumerate(expected, 1):
        if not any(_is_step(line, step) for line in left):
            where = f"breadcrumbs, step {number} of the trail"
            yield Mismatch(where, step, told or None)
            return


def _is_step(line: str, step: Any) -> bool:
    return step.search(line) is not None if isinstance(step, re.Pattern) else str(step) in line


def crumb_line(crumb: Raw) -> str:
    """Return a breadcrumb as one line: category, message and data."""
    parts = (as_str(crumb.get(name)) for name in ("category", "message", "data"))
    return " ".join(filter(None, parts))


CHECKS: Mapping[str, Check] = {
    "type": _check_type,
    "message": _check_message,
    "handled": _check_handled,
    "fingerprint": _check_fingerprint,
    "user": _check_part("user"),
    "tags": _check_part("tags"),
    "contexts": _check_part("contexts"),
    "breadcrumbs": _check_breadcrumbs,
    "values": _check_values,
}
"""The names that can be demanded and are not plain fields."""


def _as_line(value: Any) -> str:
    text = f"a match of {value.pattern!r}" if isinstance(value, re.Pattern) else repr(value)
    return truncate(text, MAX_VALUE)
