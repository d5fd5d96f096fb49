"""Which exceptions of an event count for its issue: in a group, each different one, once.

Read in the source of Sentry's servers, ``filter_exceptions_for_exception_groups``:
https://github.com/getsentry/sentry/blob/master/src/sentry/grouping/strategies/newstyle.py
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

from kit.reading.payload import as_mapping, as_str, exceptions, get_path

Raw = Mapping[str, Any]
Signature = Callable[[Raw], tuple[str, ...]]


def counted_exceptions(event: Raw, signature: Signature) -> list[Raw]:
    """Return the exceptions by which an event is grouped.

    Those are all, unless the event has an exception group. If all members of the group have the
    same ``signature``, one of them stands for the group, with what caused it. Otherwise one of
    each signature counts, and the group itself.
    """
    errors = exceptions(event)
    children = {} if _is_exempt(event) else _children_by_id(errors)
    root = next((each for each in errors if _id(each, "exception_id") == 0), None)
    members = _members(root, children) if root is not None and children else []
    members.sort(key=lambda error: as_str(error.get("type")), reverse=True)
    different = [next(same) for _, same in groupby(members, key=signature)]
    if root is None or not different:
        return errors
    if len(different) == 1:
        return list(_first_path(different[0], children))
    return [*different, root]


def _is_exempt(event: Raw) -> bool:
    # So that old errors do not get new issues when the SDK is upgraded from 2 to 3.
    version = as_str(get_path(event, ("sdk", "version")))
    return event.get("platform") == "python" and version.startswith("3")


def _mechanism(error: Raw) -> Raw:
    return as_mapping(error.get("mechanism"))


def _children_by_id(errors: list[Raw]) -> dict[int, list[Raw]]:
    """Return the exceptions below each, by its id; empty if they are not a tree."""
    children: dict[int, list[Raw]] = {}
    # An event has the root last.
    for error in reversed(errors):
        own = _id(error, "exception_id")
        if own is None or own == _id(error, "parent_id") or own in children:
            return {}
        children[own] = []
    for error in reversed(errors):
        if (above := _id(error, "parent_id")) is not None:
            children.setdefault(above, []).append(error)
    return children


def _id(error: Raw, name: str) -> int | None:
    value = _mechanism(error).get(name)
    return value if type(value) is int else None


def _members(root: Raw, children: Mapping[int, list[Raw]]) -> list[Raw]:
    """Return the exceptions in a group and in groups inside it; empty if it has a cycle."""
    found: list[Raw] = []
    pending, seen = [root], set[int]()
    while pending:
        error = pending.pop()
        own = _mechanism(error)["exception_id"]
        if own in seen:
            return []
        seen.add(own)
        if _mechanism(error).get("is_exception_group") is True:
            pending += reversed(children[own])
        else:
            found.append(error)
    return found


def _first_path(error: Raw, children: Mapping[int, list[Raw]]) -> Iterator[Raw]:
    """Yield an exception, the first one below it, the first below that, and so on."""
    seen = set[int]()
    below = [error]
    while below and (own := _mechanism(below[0])["exception_id"]) not in seen:
        seen.add(own)
        yield below[0]
        below = children[own]
