import re
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.grouping import one_issue as one_issue_of
from kit.course.exercises.grouping import simulated_issue
from kit.outcome import Event
from kit.workshop import Workshop

MADE = {
    "A": "game-engine/crash",
    "B": "game-engine/error?type=custom",
    "C": "gateway/panic",
    "D": "game-engine/crash",
    "E": "game-engine/error?type=zero-division",
    "F": "game-engine/error?type=custom",
}
RIGHT = {"A": 1, "B": 2, "C": 3, "D": 1, "E": 4, "F": 2}


@pytest.fixture(scope="module")
def events(workshop: Workshop) -> dict[str, Event]:
    made = {name: workshop.trigger(crash_id).event for name, crash_id in MADE.items()}
    return {name: event for name, event in made.items() if event is not None}


@pytest.fixture
def one_issue(workshop: Workshop, events: dict[str, Event]) -> Exercise:
    return workshop.exercise("one-issue", events)


@pytest.fixture
def fingerprint(workshop: Workshop) -> Exercise:
    return workshop.exercise("fingerprint")


def test_their_own_solutions_solve_them(
    one_issue: Exercise, fingerprint: Exercise, events: dict[str, Event]
) -> None:
    for exercise in (one_issue, fingerprint):
        names: dict[str, Any] = {"events": events}
        exec(exercise.solution().text, names)
        assert exercise.check(names[exercise.answer_name]).verdict is Verdict.PASS
        assert "Hint" in exercise.hint()._repr_html_()


def test_any_numbers_will_do(one_issue: Exercise) -> None:
    assert one_issue.check(RIGHT).message == "6 events, 4 issues."
    renamed = {name: "wxyz"[number - 1] for name, number in RIGHT.items()}
    assert one_issue.check(renamed).verdict is Verdict.PASS


def test_untouched_answers_are_not_called_wrong(one_issue: Exercise, fingerprint: Exercise) -> None:
    for exercise in (one_issue, fingerprint):
        assert exercise.check().verdict is Verdict.UNATTEMPTED
    assert one_issue.check(dict.fromkeys(MADE, ...)).verdict is Verdict.UNATTEMPTED
    assert fingerprint.check(lambda event: ...).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "needs a dict"),
        ({}, "'A' is still missing"),
        ({"A": 1, "B": 2}, "'C' is still missing"),
        (dict.fromkeys(MADE, 1), "A and B"),
        ({name: name for name in MADE}, "A and D"),
        ({**RIGHT, "E": 3}, "C and E"),
        ({**RIGHT, "F": 5}, "B and F"),
    ],
)
def test_a_wrong_grouping_is_told_where_to_look(
    one_issue: Exercise, wrong: object, told: str
) -> None:
    result = one_issue.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def message(event: Event) -> str:
    return str(event["exception"]["values"][-1]["value"])


def function(event: Event) -> str:
    return str(event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"])


def index(event: Event) -> str:
    found = re.search(r"index: (\S+)", message(event))
    return found[1] if found else "none"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("duplicate-key", "the function itself"),
        (lambda event: None, "returned None"),
        (index, "a list of strings"),
        (lambda event: [11000], "a list of strings"),
        (lambda event: [message(event)], "become a separate issue"),
        (lambda event: [index(event), function(event)], "two issues"),
        (lambda event: ["duplicate-key"], "Another index is another cause"),
        (lambda event: ["duplicate-key", index(event)], "A KeyError got the fingerprint"),
        (lambda event: ["duplicate-key", index(event)], "players and newsletter"),
    ],
)
def test_a_wrong_fingerprint_is_told_why(fingerprint: Exercise, wrong: object, told: str) -> None:
    result = fingerprint.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_code_that_raises_is_told_its_error(fingerprint: Exercise) -> None:
    result = fingerprint.check(lambda event: event["fingerprint"])
    assert result.verdict is Verdict.EXCEPTION
    assert "KeyError: 'fingerprint', raised in <lambda>, line " in result.message
    assert 'check(lambda event: event["fingerprint"])' in result.message
    assert result.message.endswith("It was called with the event DuplicateKeyError.")


def crashed(*functions: str, **fields: Any) -> dict[str, Any]:
    """Return an event with a stack of ours below a frame of the standard library."""
    frames: list[dict[str, Any]] = [
        {"module": "shop", "function": name, "in_app": True} for name in functions
    ]
    frames.append({"module": "json", "function": "loads"})
    error = {"type": "KeyError", "value": "x", "stacktrace": {"frames": frames}}
    return {"server_name": "shop", "exception": {"values": [error]}, **fields}


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (crashed("pay"), ("shop", "KeyError", "shop.pay")),
        (crashed(), ("shop", "KeyError", "json.loads")),
        (crashed("pay", fingerprint=["cause"]), ("shop", "cause")),
        (crashed("pay", fingerprint=[]), ("shop", "KeyError", "shop.pay")),
        (
            crashed("pay", fingerprint=["{{ default }}", "vip"]),
            ("shop", "KeyError", "shop.pay", "vip"),
        ),
        ({"server_name": "shop", "message": "refused"}, ("shop", "refused")),
    ],
)
def test_the_rule_takes_the_fingerprint_then_our_frames(
    event: dict[str, Any], key: tuple[str, ...]
) -> None:
    assert simulated_issue(event) == key


@pytest.mark.parametrize(
    ("change", "same"), [({"server_name": "till"}, False), ({"level": "fatal"}, True)]
)
def test_the_service_counts_and_the_level_does_not(change: dict[str, str], same: bool) -> None:
    assert (simulated_issue(crashed("pay") | change) == simulated_issue(crashed("pay"))) is same


def test_another_line_of_the_same_function_is_another_issue() -> None:
    def fails(line: str) -> Event:
        event = Event(crashed("pay"))
        event["exception"]["values"][0]["stacktrace"]["frames"][0]["context_line"] = line
        return event

    exercise = one_issue_of({"A": fails("return a[9]"), "B": fails("return b[9]")})
    assert exercise.check({"A": 1, "B": 1}).message.startswith("Look again at A and B")
    assert exercise.check({"A": 1, "B": 2}).verdict is Verdict.PASS


def test_a_far_miss_is_told_some_pairs() -> None:
    made = {name: Event(crashed(name)) for name in "ABCDE"}
    message = one_issue_of(made).check(dict.fromkeys(made, 1)).message
    assert "A and B, A and C" in message
    assert "2 other pairs" in message
