"""Which events become one issue, and a fingerprint that decides it."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any
from uuid import uuid4

from pymongo.errors import DuplicateKeyError
from sentry_sdk.utils import event_from_exception

from kit.course.exercise import Exercise, FunctionExercise, Wrong, each_answer
from kit.outcome import Event
from kit.reading.grouping import simulated_issue
from kit.reading.server.fingerprint import DEFAULT

NO_OPINION: tuple[object, ...] = (None, [], [DEFAULT])


def one_issue(events: Mapping[str, Event]) -> Exercise:
    """Say which events become one issue, by giving them the same number."""

    def verify(answer: Mapping[str, Any]) -> str:
        given = dict(each_answer(answer, events))
        for one, other in combinations(events, 2):
            together = simulated_issue(events[one]) == simulated_issue(events[other])
            if (given[one] == given[other]) != together:
                raise Wrong(
                    f"Look again at {one} and {other}: are their fingerprints the same? And if "
                    "they have none, their exception types and their frames of ours?"
                )
        issues = len({simulated_issue(event) for event in events.values()})
        return f"{len(events)} events, {issues} issues."

    return Exercise(
        "one-issue",
        verify,
        "Look at the fingerprint first. Only where there is none compare exception type and frames "
        "of ours. Message, player and level do not count. Each service has its own issues.",
        "from kit import simulated_issue\n\n"
        "# Anything will do for a number that is the same for the same issue.\n"
        "answer = {name: simulated_issue(event) for name, event in events.items()}",
    )


def fingerprint() -> Exercise:
    """Write a function that groups duplicate keys by index, and leaves other errors alone."""

    def verify(answer: Callable[[Event], object]) -> str:
        given = [_fingerprint_of(answer, duplicate) for duplicate in (store, bring_in)]
        if given[0] != given[1]:
            raise Wrong(
                f"The same index, hit in two functions, gave {given[0]} and {given[1]}: "
                "one cause would become two issues."
            )
        if _fingerprint_of(answer, redeem) == given[0]:
            raise Wrong(f"Another index is another cause, and also gave {given[0]}.")
        other = answer(_event(misread, uuid4().hex))
        if other not in NO_OPINION:
            raise Wrong(f"A KeyError got the fingerprint {other}: leave it to Sentry with None.")
        return f"Tried on new duplicates: one index is one issue, {given[0]}, whatever the id."

    return FunctionExercise(
        "fingerprint",
        verify,
        "A duplicate key is told by the exception's type. The name of the index stands in the "
        'message behind "index:", and a regular expression finds it. The id must stay out.',
        "import re\n\n\n"
        "def answer(event):\n"
        '    error = event["exception"]["values"][-1]\n'
        '    if error["type"] != "DuplicateKeyError":\n'
        "        return None\n"
        '    index = re.search(r"index: (\\S+)", error["value"])[1]\n'
        '    return ["duplicate-key", index]',
        function="fingerprint",
        may_return_none=True,
    )


def _fingerprint_of(
    answer: Callable[[Event], object], duplicate: Callable[[str], None]
) -> list[str]:
    value = uuid4().hex
    given = answer(_event(duplicate, value))
    if given is None:
        raise Wrong("For a DuplicateKeyError the function returned None: does it end in a return?")
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise Wrong(f"A fingerprint is a list of strings, not {given!r}.")
    if value in " ".join(given):
        raise Wrong(f"{given} holds the id {value}: every event would be an issue of its own.")
    return given


def _event(fail: Callable[[str], None], value: str) -> Event:
    """Return what the SDK makes of the error that ``fail`` raises."""
    try:
        fail(value)
    except Exception as error:
        return Event(event_from_exception(error)[0])
    raise AssertionError(f"{fail.__name__} did not fail")


def store(spin_id: str) -> None:
    """Fail as the driver does when a spin is stored twice."""
    raise _duplicate("spins", "spin_id", spin_id)


def bring_in(spin_id: str) -> None:
    """Fail at the same index as ``store``, on another way there."""
    raise _duplicate("spins", "spin_id", spin_id)


def redeem(coupon: str) -> None:
    """Fail at another index."""
    raise _duplicate("coupons", "coupon", coupon)


def misread(spin_id: str) -> None:
    """Fail with an error that is no duplicate key."""
    raise KeyError(spin_id)


def _duplicate(collection: str, field: str, value: str) -> DuplicateKeyError:
    # Worded as the server words it.
    message = (
        f"E11000 duplicate key error collection: workshop.{collection} index: {field}_1 "
        f'dup key: {{ {field}: "{value}" }}'
    )
    return DuplicateKeyError(message, 11000, {"index": 0, "code": 11000, "errmsg": message})
