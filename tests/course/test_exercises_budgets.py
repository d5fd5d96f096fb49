"""The exercises on error budgets: what solves them, and what is said of what does not."""

from collections.abc import Callable
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises import budgets
from kit.course.exercises.budgets import (
    LEFT_SOLUTION,
    RULE_SOLUTION,
    budget_left,
    rule_that_pages,
)

History = list[tuple[int, int, int]]
RIGHT = {"burn": 6, "long": "1 h", "short": "10 min", "at_least": 6}


@pytest.fixture
def few_months(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate fewer of them; those that are left say the same."""
    monkeypatch.setattr(budgets, "BAD_MONTHS", range(3, 6))
    monkeypatch.setattr(budgets, "QUIET_MONTHS", range(100, 103))


def solved(exercise: Exercise, solution: str) -> Any:
    names: dict[str, Any] = {}
    exec(solution, names)
    return names[exercise.answer_name]


def left(
    until: Callable[[int], int] = lambda window: window,
    bad: Callable[[int, int], int] = lambda bad, not_valid: bad,
    valid: Callable[[int, int, int], int] = lambda good, bad, not_valid: good + bad,
    least: float = float("-inf"),
) -> Callable[[History, float, int], object]:
    """Return a solution, with parts of it replaced."""

    def budget_left(history: History, target: float, window: int) -> object:
        counted = history[-until(window) :]
        failed = sum(bad(each[1], each[2]) for each in counted)
        return max((1 - target) * sum(valid(*each) for each in counted) - failed, least)

    return budget_left


@pytest.mark.parametrize(
    ("make", "solution"), [(budget_left, LEFT_SOLUTION), (rule_that_pages, RULE_SOLUTION)]
)
def test_its_own_solution_solves_it(make: Callable[[], Exercise], solution: str) -> None:
    exercise = make()
    result = exercise.check(solved(exercise, solution))
    assert result.verdict is Verdict.PASS, result.message


def test_floats_are_near_enough() -> None:
    result = budget_left().check(left())
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("make", [budget_left, rule_that_pages])
def test_untouched_is_not_called_wrong(make: Callable[[], Exercise]) -> None:
    assert make().check().verdict is Verdict.UNATTEMPTED


def test_dots_are_not_called_wrong() -> None:
    assert budget_left().check(lambda *given: ...).verdict is Verdict.UNATTEMPTED
    assert rule_that_pages().check(RIGHT | {"burn": ...}).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("budget_left", "the function itself"),
        (lambda *given: None, "is a return statement missing?"),
        (lambda *given: "much", "return the number of failures still allowed"),
        (lambda *given: float("nan"), "nan, but"),
        (left(until=lambda window: 10**6), "outside the window no longer count"),
        (
            left(bad=lambda bad, not_valid: bad + not_valid),
            "A request that is not valid says nothing",
        ),
        (
            left(
                bad=lambda bad, not_valid: bad + not_valid,
                valid=lambda good, bad, not_valid: good + bad + not_valid,
            ),
            "A request that is not valid says nothing",
        ),
        (
            left(valid=lambda good, bad, not_valid: good + bad + not_valid),
            "A request that is not valid",
        ),
        (left(valid=lambda good, bad, not_valid: good), "Failed requests are requests, too"),
        (left(least=0.0), "leaves a negative number"),
        (left(until=lambda window: window + 1), "budget_left([("),
    ],
)
def test_a_wrong_budget_is_told_why(answer: object, told: str) -> None:
    result = budget_left().check(answer)
    assert result.verdict is Verdict.FAIL, result.message
    assert told in result.message


def test_an_error_of_the_answer_is_called_one() -> None:
    assert budget_left().check(lambda history: 1).verdict is Verdict.EXCEPTION


@pytest.mark.usefixtures("few_months")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"more": 1}, "a dict with burn, long, short, at_least"),
        ({"burn": "6"}, "but must be a number"),
        ({"burn": True}, "but must be a number"),
        ({"burn": 0}, "more than zero"),
        ({"at_least": 5.5}, "a whole number of failures"),
        ({"long": "an hour"}, "is not a length of time"),
        ({"long": 3600}, "is not a length of time"),
        ({"burn": 101}, "this rule cannot fire"),
        ({"at_least": 1, "burn": 1}, "one failure fires it"),
        ({"short": "1 h"}, "is not shorter than the long one"),
        ({"at_least": 4}, "quiet months it pages"),
        ({"at_least": 9}, "the page comes after 9 min"),
        ({"burn": 90}, "no page comes"),
        ({"long": "30 min", "at_least": 7}, "When a quarter fails"),
        ({"short": "30 min"}, "Which of the two windows"),
    ],
)
def test_a_wrong_rule_is_told_why(change: dict[str, object], told: str) -> None:
    result = rule_that_pages().check(RIGHT | change)
    assert result.verdict is Verdict.FAIL, result.message
    assert told in result.message


@pytest.mark.usefixtures("few_months")
def test_what_stands_in_the_workbook_is_too_slow_for_this_traffic() -> None:
    result = rule_that_pages().check({"burn": 14.4, "long": "1 h", "short": "5 min", "at_least": 1})
    assert result.verdict is Verdict.FAIL
    assert "the page comes after 9 min" in result.message


@pytest.mark.usefixtures("few_months")
def test_another_way_is_as_good() -> None:
    """A shorter window and a higher burn rate."""
    rule = {"burn": 10, "long": "30 min", "short": "5 min", "at_least": 5}
    result = rule_that_pages().check(rule)
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("answer", [None, [], "burn", 14.4])
def test_what_is_no_rule_is_refused(answer: object) -> None:
    result = rule_that_pages().check(answer)
    assert result.verdict is Verdict.FAIL
    assert "a dict with" in result.message
