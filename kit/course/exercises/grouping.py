"""Which events become one issue, and a fingerprint that decides that."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any
from uuid import uuid4

from pymongo.errors import DuplicateKeyError
from sentry_sdk.utils import event_from_exception

from kit.course.answer_parts import raise_all, require_parts
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.outcome import Event
from kit.reading.grouping import simulated_issue
from kit.reading.server.fingerprint import DEFAULT

NO_OPINION: tuple[object, ...] = (None, [], [DEFAULT])

MAX_PAIRS = 8

Fail = Callable[[str], None]


def one_issue(events: Mapping[str, Event]) -> Exercise:
    """Give events that become one issue the same number."""

    def verify(answer: Mapping[str, Any]) -> str:
        given = require_parts(answer, events)
        keys = {name: simulated_issue(event) for name, event in events.items()}
        wrong = [
            f"{one} and {other}"
            for one, other in combinations(events, 2)
            if (given[one] == given[other]) != (keys[one] == keys[other])
        ]
        if wrong:
            if len(wrong) > MAX_PAIRS:
                wrong = [*wrong[:MAX_PAIRS], f"{len(wrong) - MAX_PAIRS} other pairs"]
            raise Wrong(
                f"Look again at {', '.join(wrong)}: are their fingerprints the same? If they have "
                "none, are their exception types and in-app frames (function and line) the same?"
            )
        issues = len(set(keys.values()))
        return f"{len(events)} events, {issues} issues."

    return Exercise(
        "one-issue",
        verify,
        "Check the fingerprint first. Only if there is none, compare the exception type and the "
        "in-app frames, each with its function and its line of code. Message, player and level do "
        "not count. Each service has its own issues.",
        "from kit import simulated_issue\n\n"
        "# Anything will do for a number that is the same for the same issue.\n"
        "answer = {name: simulated_issue(event) for name, event in events.items()}",
    )


def fingerprint() -> Exercise:
    """Write a function that groups duplicate keys by index, and leaves other errors alone."""

    def verify(answer: Callable[[Event], object]) -> str:
        given = {each: _fingerprint_of(answer, each) for each in DUPLICATES}
        other = answer(_event(misread, uuid4().hex))
        raise_all(_mistakes(given, other))
        return (
            f"Tried on new duplicates: one index of a collection is one issue, {given[store]}, "
            "whatever the id."
        )

    return FunctionExercise(
        "fingerprint",
        verify,
        "The exception's type tells you that it is a duplicate key. In the message, the index "
        'follows "index:" and the collection follows "collection:"; a regular expression finds '
        "both. Leave the id out.",
        "import re\n\n\n"
        "def fingerprint(event):\n"
        '    error = event["exception"]["values"][-1]\n'
        '    if error["type"] != "DuplicateKeyError":\n'
        "        return None\n"
        '    found = re.search(r"collection: (\\S+) index: (\\S+)", error["value"])\n'
        '    return ["duplicate-key", *found.groups()]',
        answer_name="fingerprint",
        may_return_none=True,
    )


def _mistakes(given: Mapping[Fail, list[str]], other: object) -> Iterator[str]:
    """Yield what is wrong with the fingerprints of duplicates and of another error."""
    if given[store] != given[bring_in]:
        yield (
            f"The same index, hit in two functions, gave {given[store]} and {given[bring_in]}: one "
            "cause would become two issues."
        )
    if given[redeem] == given[store]:
        yield f"Another index is another cause, but also gave {given[store]}."
    elif given[sign_up] == given[subscribe]:
        yield (
            "Two collections, players and newsletter, both have an index email_1, and both gave "
            f"{given[sign_up]}. An index name is only unique within its collection: include that."
        )
    if other not in NO_OPINION:
        yield f"A KeyError got the fingerprint {other}: leave it to Sentry with None."


def _fingerprint_of(answer: Callable[[Event], object], duplicate: Fail) -> list[str]:
    value = uuid4().hex
    given = answer(_event(duplicate, value))
    if given is None:
        raise Wrong("For a DuplicateKeyError the function returned None: is a return missing?")
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise Wrong(f"A fingerprint is a list of strings, not {given!r}.")
    if value in " ".join(given):
        raise Wrong(f"{given} contains the id {value}: every event would become a separate issue.")
    return given


def _event(fail: Callable[[str], None], value: str) -> Event:
    """Return the SDK's event for the error that ``fail`` raises."""
    try:
        fail(value)
    except Exception as error:
        return Event(event_from_exception(error)[0])
    raise AssertionError(f"{fail.__name__} did not fail")


def store(spin_id: str) -> None:
    """Fail as the driver does when a spin is stored twice."""
    raise _duplicate("spins", "spin_id", spin_id)


def bring_in(spin_id: str) -> None:
    """Fail at the same index as ``store``, in another function."""
    raise _duplicate("spins", "spin_id", spin_id)


def redeem(coupon: str) -> None:
    """Fail at another index."""
    raise _duplicate("coupons", "coupon", coupon)


def sign_up(email: str) -> None:
    """Fail at an index whose name also exists in another collection."""
    raise _duplicate("players", "email", email)


def subscribe(email: str) -> None:
    """Fail at the index of that other collection."""
    raise _duplicate("newsletter", "email", email)


def misread(spin_id: str) -> None:
    """Fail with an error that is not a duplicate key."""
    raise KeyError(spin_id)


DUPLICATES: tuple[Fail, ...] = (store, bring_in, redeem, sign_up, subscribe)


def _duplicate(collection: str, field: str, value: str) -> DuplicateKeyError:
    # The server's wording.
    message = (
        f"E11000 duplicate key error collection: workshop.{collection} index: {field}_1 "
        f'dup key: {{ {field}: "{value}" }}'
    )
    return DuplicateKeyError(message, 11000, {"index": 0, "code": 11000, "errmsg": message})
