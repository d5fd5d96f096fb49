"""Which events are one issue, by the rules that Sentry documents. Simulated: no server is involved.

An event's fingerprint decides; without one its exception types and stack traces do, and without a
stack trace its message. Sources (which parts of a frame count is from the server's own code):
https://docs.sentry.io/concepts/data-management/event-grouping/
https://github.com/getsentry/sentry/tree/master/src/sentry/grouping
"""

import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from kit.actionable import ActionableError
from kit.reading.event import headline
from kit.reading.payload import (
    as_str,
    event_threads,
    exceptions,
    get_path,
    grouping_frames,
    message_template,
    stack_frames,
    truncate,
)
from kit.reading.server.exception_groups import counted_exceptions
from kit.reading.server.fingerprint import DEFAULT, fingerprint_of, is_variable, resolve
from kit.reading.server.messages import without_values

# Longer lines are generated or minified code, and left out of the grouping.
MAX_LINE = 120

Raw = Mapping[str, Any]
Rule = Callable[[Any], Any]

_SHOWN_PART, _SHOWN_PARTS, _SHOWN_CALLS, _SHOWN_TYPES = 60, 6, 4, 3
_PLURAL = re.compile(r"\d|(in-app )?frames\b")
_FOLDERS = re.compile(r"[/\\]")


class FingerprintError(ActionableError, ValueError):
    """A rule failed or returned no fingerprint; the message is one line for its author."""


def simulated_issue(event: Raw, project: str = "") -> tuple[str, ...]:
    """Return a key that two events share if Sentry would make them one issue. Simulated.

    The documented rule: the fingerprint, else exception types and in-app frames. In a fingerprint
    ``{{ default }}`` stands for what the event would be grouped by without one, and a variable
    such as ``{{ transaction }}`` for its value.
    https://docs.sentry.io/concepts/data-management/event-grouping/
    """
    # Issues belong to a project; here every service has its own.
    key = [project or as_str(event.get("server_name"))]
    for part in fingerprint_of(event) or [DEFAULT]:
        value = resolve(part, event)
        key += by_default(event) if value == DEFAULT else [value]
    return tuple(key)


def by_default(event: Raw) -> Iterator[str]:
    """Yield what an event is grouped by without a fingerprint. Simulated.

    All exceptions of a chain count, each with its type and its frames, or without frames its
    message. In an exception group each different one counts once.
    """
    errors = counted_exceptions(event, _counted_parts)
    for error in errors:
        yield from _counted_parts(error)
    if not errors:
        yield from calls(_thread(event)) or [without_values(message_template(event))]


def _counted_parts(error: Raw) -> tuple[str, ...]:
    # An SDK makes a synthetic exception only to get a stack trace: its type says nothing.
    kind = [] if _is_synthetic(error) else [as_str(error.get("type"))]
    return (*kind, *(calls(error) or [without_values(as_str(error.get("value")))]))


def _is_synthetic(error: Raw) -> bool:
    return get_path(error, ("mechanism", "synthetic")) is True


def calls(raised: Raw) -> list[str]:
    """Return the frames that count, oldest first: in-app ones, or all if there are none."""
    # A function that calls itself counts once, however deep it went.
    return [call for call, _ in groupby(map(_call, grouping_frames(raised)))]


def ask(rule: Rule, event: Raw) -> list[str] | None:
    """Return the fingerprint that ``rule`` gives an event; None leaves it as it was sent.

    Raises FingerprintError if the rule raises, or returns something else.
    """
    try:
        given = rule(event)
    except Exception as error:
        kind, told = type(error).__name__, " ".join(str(error).split())
        raise FingerprintError(
            f"fingerprint() raised {kind}: {told}{_place(rule, error)}. "
            f"Its argument was the event “{headline(event).title}”."
        ) from error
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not all(isinstance(part, str) for part in given):
        raise FingerprintError(
            f"fingerprint() returned {truncate(repr(given))} for the event "
            f"“{headline(event).title}”. A fingerprint is a list of strings; None leaves the "
            "event as it was sent."
        )
    return list(given)


# Words


def culprit(event: Raw) -> str:
    """Return where it happened: the transaction, else the function that failed."""
    frames = grouping_frames((exceptions(event) or [_thread(event)])[-1])
    failed = as_str(frames[-1].get("function")) if frames else ""
    return truncate(as_str(event.get("transaction")), 120) or failed


def reason(event: Raw, count: int, *, by: str = "") -> str:
    """Return why ``count`` events like this one are one issue.

    ``by`` names what gave them their fingerprint, if not the code that reported them.
    """
    parts = fingerprint_of(event)
    if all(part == DEFAULT for part in parts):
        basis = _basis(event)
        this = "these" if _PLURAL.match(basis) else "this"
        return f"{'Same' if count > 1 else f'The only event with {this}'} {basis}."
    subject = f"All {count} were" if count > 1 else "Only this event was"
    given = f"{subject} given the fingerprint {_list_parts(parts, event)}{by and f' by {by}'}."
    return f"{given} {DEFAULT} stands for {_basis(event)}." if DEFAULT in parts else given


def _list_parts(parts: Sequence[str], event: Raw) -> str:
    shown = [_part(part, event) for part in parts[:_SHOWN_PARTS]]
    return " / ".join(shown) + (" / …" if len(parts) > _SHOWN_PARTS else "")


def _part(part: str, event: Raw) -> str:
    shown = truncate(part, _SHOWN_PART)
    if not is_variable(part):
        return shown
    return f"{shown} = {truncate(resolve(part, event), _SHOWN_PART)}"


def _basis(event: Raw) -> str:
    """Return what ``by_default`` used, as a noun."""
    counted = counted_exceptions(event, _counted_parts)
    errors = [each for each in exceptions(event) if any(each is one for one in counted)]
    stackless = {} if errors else _thread(event)
    raised = next((each for each in reversed(errors) if calls(each)), stackless)
    types = [as_str(each.get("type")) for each in reversed(errors) if not _is_synthetic(each)]
    what = f"{_types(types)} and " if types else ""
    if not calls(raised):
        message = as_str(errors[-1].get("value")) if errors else message_template(event)
        return f"{what}message, ignoring values: “{truncate(without_values(message), 120)}”"
    ours = any(frame.get("in_app") is True for frame in grouping_frames(raised))
    return f"{what}{'in-app frames' if ours else 'frames, none of them in-app'}: {_walk(raised)}"


def _types(types: list[str]) -> str:
    if len(types) == 1:
        return "exception type"
    more = ", …" if len(types) > _SHOWN_TYPES else ""
    return f"{len(types)} exception types ({', '.join(types[:_SHOWN_TYPES])}{more})"


def _walk(raised: Raw) -> str:
    names = [as_str(frame.get("function")) or "?" for frame in reversed(grouping_frames(raised))]
    steps = [name for name, _ in groupby(names)]
    return " ← ".join([*steps[:_SHOWN_CALLS], *["…"] * (len(steps) > _SHOWN_CALLS)])


# Reading events


def _call(frame: Raw) -> str:
    file = _FOLDERS.split(as_str(frame.get("filename")))[-1].lower()
    where = as_str(frame.get("module")) or file
    line = " ".join(as_str(frame.get("context_line")).split())
    code = f": {line}" if 0 < len(line) <= MAX_LINE else ""
    return f"{where}.{as_str(frame.get('function'))}{code}"


def _thread(event: Raw) -> Raw:
    """Return what has the stack trace of an event without an exception."""
    found = event_threads(event)
    # Of several threads none is to blame, unless only one crashed or was the current one.
    for name in ("crashed", "current"):
        marked = [each for each in found if each.get(name) is True]
        found = marked if len(marked) == 1 else found
    return found[0] if len(found) == 1 and stack_frames(found[0]) else event


def _place(rule: Rule, error: Exception) -> str:
    """Return the line of the rule that failed; empty if the rule is not a Python function."""
    file = getattr(getattr(rule, "__code__", None), "co_filename", None)
    inside = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == file]
    return f" in line {inside[-1].lineno}, {inside[-1].line}" if inside else ""
