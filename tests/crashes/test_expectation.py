from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kit.crashes.catalogue import find_crash
from kit.crashes.crash_type import Captured, CrashType, ExpectedError, NotCaptured
from kit.crashes.expectation import (
    context_fields,
    exception_types,
    find_missing,
    find_unexpected,
    is_watchdog,
)
from kit.outcome import Outcome


@pytest.fixture
def outcome(recorded_crashes: Mapping[str, Outcome]) -> Outcome:
    return recorded_crashes["game-engine/crash"]


def lacks(outcome: Outcome, **changes: Any) -> list[str]:
    """What is missing when the crash type declared something else."""
    return find_missing(replace(outcome.crash, **changes), outcome.items)


def test_a_complete_outcome_lacks_nothing(outcome: Outcome) -> None:
    assert lacks(outcome) == []


def declared(**changes: Any) -> tuple[ExpectedError, ...]:
    crash, _ = find_crash("game-engine/crash", {})
    return (replace(crash.errors[0], **changes),)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"errors": declared(chain=("KeyError",))}, "error event KeyError"),
        ({"errors": declared() * 2}, "error event RuntimeError"),
        ({"errors": declared(mechanism="asgi")}, "mechanism 'asgi', found 'tornado'"),
        ({"errors": declared(handled=True)}, "handled True, found False"),
        ({"errors": declared(level="info")}, "level 'info', found 'error'"),
        ({"errors": declared(fingerprint=("a",))}, "fingerprint ('a',), found None"),
        ({"contexts": ("weather",)}, "context 'weather'"),
        ({"captured": (Captured("contexts.spin.luck", ""),)}, "value at contexts.spin.luck"),
        ({"not_captured": (NotCaptured("", "", "", "user.id"),)}, "absence of user.id"),
        ({"spans": ("db.query",)}, "span db.query"),
        ({"profiled": "nowhere"}, "profile with nowhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_declared_and_absent_is_named(
    outcome: Outcome, changes: dict[str, Any], phrase: str
) -> None:
    found = lacks(outcome, **changes)
    assert any(phrase in each for each in found), found


@pytest.mark.parametrize("service", ["frontend", "gateway", "game-engine"])
def test_a_service_span_that_did_not_arrive_is_named(outcome: Outcome, service: str) -> None:
    others = [i for i in outcome.items if not (i.has_segment and i.project == service)]
    crash = replace(outcome.crash, spans=())
    assert find_missing(crash, others) == [f"service span of {service}"]


def test_an_event_with_too_little_context_is_named(outcome: Outcome) -> None:
    bare = [
        replace(item, payload=item.payload | {"contexts": {}, "request": {}})
        if item.type == "event"
        else item
        for item in outcome.items
    ]
    crash: CrashType = replace(outcome.crash, contexts=(), captured=())
    assert find_missing(crash, bare) == ["RuntimeError: 20 context fields, found 6"]


def test_an_undeclared_event_is_named(outcome: Outcome) -> None:
    assert find_unexpected(outcome.crash, outcome.items) == []
    assert find_unexpected(replace(outcome.crash, errors=()), outcome.items) == [
        "undeclared error event RuntimeError of game-engine"
    ]


def in_other_forms(event: Any) -> dict[str, Any]:
    """Return an event as older SDKs would have sent it."""
    modern = ("exception", "contexts", "user", "request", "tags", "breadcrumbs")
    request = event["request"]
    return {
        **{name: value for name, value in event.items() if name not in modern},
        "sentry.interfaces.Exception": [None, *event["exception"]["values"]],
        "sentry.interfaces.Contexts": event["contexts"],
        "sentry.interfaces.User": event["user"],
        "sentry.interfaces.Breadcrumbs": event["breadcrumbs"],
        "request": {**request, "headers": [list(pair) for pair in request["headers"].items()]},
        "tags": [{"key": name, "value": value} for name, value in event["tags"].items()],
    }


def test_another_form_of_the_protocol_lacks_nothing(outcome: Outcome) -> None:
    items = tuple(
        replace(item, payload=in_other_forms(item.payload)) if item.type == "event" else item
        for item in outcome.items
    )
    assert find_missing(outcome.crash, items) == []
    assert find_unexpected(outcome.crash, items) == []
    assert replace(outcome, items=items).events[0].title == "RuntimeError"
    assert outcome.event is not None
    assert context_fields(in_other_forms(outcome.event)) == context_fields(outcome.event)


@pytest.mark.parametrize(
    ("part", "types"),
    [
        (
            {"values": [{"type": "KeyError"}, None, {"type": "SpinFailed"}]},
            ["SpinFailed", "KeyError"],
        ),
        ([{"type": "KeyError"}, {"value": "no type"}], ["", "KeyError"]),
        ({"type": "KeyError"}, ["KeyError"]),
        ({"values": None}, []),
        ([None], []),
        (None, []),
        ("KeyError", []),
    ],
    ids=str,
)
def test_the_types_of_exceptions_are_read_in_any_form(part: Any, types: list[str]) -> None:
    assert exception_types({"exception": part}) == types


def test_the_watchdog_is_known_in_any_form() -> None:
    assert is_watchdog({"exception": [{"type": "ApplicationNotResponding"}]})


def test_a_message_nobody_declared_is_named_by_its_text(outcome: Outcome) -> None:
    event = next(item for item in outcome.items if item.type == "event")
    message = replace(event, payload={"logentry": {"message": "%s left", "params": [2]}})
    assert find_unexpected(outcome.crash, [message]) == [
        "undeclared error event 2 left of game-engine"
    ]
    assert "captured 2 left" in repr(replace(outcome, items=(message,)))


def test_context_fields_are_leaves() -> None:
    event = {
        "contexts": {"a": {"b": 1, "c": [2, 3], "d": None}},
        "tags": {"e": "4"},
        "user": {},
        "request": {"headers": {"f": "5"}},
        "exception": {"values": [{}]},
    }
    assert context_fields(event) == 5
