"""The exercises of 26 · Repair by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.repair import (
    LOOK_ALIKE_SOLUTION,
    NIGHT_SOLUTION,
    read_the_night,
    tell_look_alikes_apart,
)
from kit.reliability.remediation.journal import (
    CaseState,
    Decision,
    DecisionStep,
    RemediationJournal,
    RepairCase,
)

Precondition = Callable[[float, int | None], Any]


def solved(code: str, name: str, **names: Any) -> Any:
    exec(code, names)
    return names[name]


# tell-look-alikes-apart


@pytest.fixture
def alike() -> Exercise:
    return tell_look_alikes_apart()


def test_the_solution_tells_them_apart(alike: Exercise) -> None:
    result = alike.check(solved(LOOK_ALIKE_SOLUTION, alike.answer_name))
    assert result.verdict is Verdict.PASS, result.message


WRONG: list[tuple[str, Precondition, str]] = [
    ("always", lambda bad, status: True, "path to it is broken"),
    ("by spins alone", lambda bad, status: bad >= 0.05, "path to it is broken"),
    ("by payment alone", lambda bad, status: (status or 500) >= 500, "No spin fails"),
    ("500 only", lambda bad, status: bad >= 0.05 and status in (500, None), "answers 503"),
    ("any spin", lambda bad, status: bad > 0 and (status or 500) >= 500, "the limit is 5 %"),
    ("any error", lambda bad, status: bad >= 0.05 and (status or 500) >= 400, "too few coins"),
    (
        "no answer",
        lambda bad, status: bad >= 0.05 and (status or 0) >= 500,
        "Payment does not answer: a restart is right",
    ),
    ("never", lambda bad, status: False, "the known error"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG, ids=[each[0] for each in WRONG])
def test_each_slip_is_told(alike: Exercise, name: str, answer: Precondition, says: str) -> None:
    result = alike.check(answer)
    assert result.verdict is Verdict.FAIL
    assert says in result.message


def test_none_that_is_compared_is_an_error_of_the_answer(alike: Exercise) -> None:
    result = alike.check(lambda bad, status: bad >= 0.05 and status >= 500)
    assert result.verdict is Verdict.EXCEPTION


@pytest.mark.parametrize("answer", [..., lambda bad, status: ..., lambda bad, status: None])
def test_a_precondition_that_was_not_tried_is_no_mistake(alike: Exercise, answer: Any) -> None:
    assert alike.check(answer).verdict is Verdict.UNATTEMPTED


def test_what_is_no_function_is_wrong(alike: Exercise) -> None:
    assert alike.check(True).verdict is Verdict.FAIL


# read-the-night

CASES: list[tuple[CaseState, list[tuple[DecisionStep, str]]]] = [
    ("proved", [("did", "did restart payment in 1 s"), ("proved", "proved after 5 s")]),
    ("escalated", [("did", "did it"), ("not proved", "not proved"), ("escalated", "escalated")]),
    ("proved", [("did", "did restart payment in 1 s"), ("proved", "proved after 5 s")]),
    ("escalated", [("refused", "refused: rate: 3 runs within an hour"), ("escalated", "x")]),
    ("ticket", [("matched", "matched payment"), ("ticket", "ticket: back after 3 repairs")]),
    ("escalated", [("refused", "refused: kill switch: the flag is off"), ("escalated", "x")]),
]
RIGHT = {"repaired": 2, "rate": 4, "kill_switch": 6, "ticket": 5}


def make_journal() -> RemediationJournal:
    cases = []
    for number, (state, steps) in enumerate(CASES, 1):
        made = [Decision(0.0, number, step, text) for step, text in steps]
        cases.append(RepairCase(number, str(number), "payment failed", state=state, decisions=made))
    return RemediationJournal(cases)


class Night:
    journal = make_journal()


@pytest.fixture
def night() -> Exercise:
    return read_the_night(make_journal())


def test_the_solution_reads_the_night(night: Exercise) -> None:
    answer = solved(NIGHT_SOLUTION, night.answer_name, night=Night())
    assert answer == RIGHT
    assert night.check(answer).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("repaired", 6, "all cases"),
        ("repaired", 3, "not every one was proved"),
        ("repaired", 1, "end with “proved”"),
        ("rate", 6, "refused: kill switch"),
        ("kill_switch", 4, "refused: rate"),
        ("ticket", 1, "ended as proved"),
        ("ticket", 99, "1 to 6"),
        ("ticket", "5", "whole number"),
    ],
)
def test_each_wrong_part_is_told(night: Exercise, name: str, value: object, says: str) -> None:
    result = night.check(RIGHT | {name: value})
    assert result.verdict is Verdict.FAIL
    assert says in result.message
    assert len(result.message.splitlines()) == 1


@pytest.mark.parametrize("answer", [..., dict.fromkeys(RIGHT, ...)])
def test_a_night_that_was_not_read_is_no_mistake(night: Exercise, answer: Any) -> None:
    assert night.check(answer).verdict is Verdict.UNATTEMPTED
