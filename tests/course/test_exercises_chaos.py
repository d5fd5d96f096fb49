"""The exercises of 25 · Chaos experiments, on a result that is made up."""

from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.chaos import (
    HOLE_SOLUTION,
    RADIUS_SOLUTION,
    see_the_hole,
    smallest_blast,
)
from kit.reliability.chaos.result import ChaosResult
from tests.reliability.chaos_journals import make_journal


@pytest.fixture
def hole() -> Exercise:
    return see_the_hole(ChaosResult(make_journal("ledger-down", missing=23)))


@pytest.fixture
def radius() -> Exercise:
    return smallest_blast()


@pytest.mark.parametrize("at_most", [0, 1, 22])
def test_a_bound_below_what_was_missing_sees_it(hole: Exercise, at_most: int) -> None:
    found = hole.check({"probe": "missing_spins", "at_most": at_most})
    assert found.verdict is Verdict.PASS, found.message


@pytest.mark.parametrize(
    ("probe", "at_most", "says"),
    [
        ("success_rate", 99, "every spin succeeded"),
        ("p95_seconds", 1, "fast"),
        ("unaccounted_coins", 0, "balances"),
        ("missing_spins", 23, "would have held"),
        ("missing_spins", -1, "never begin"),
        ("missing_spins", True, "must be a number"),
        ("errors", 0, "must be one of"),
    ],
)
def test_wrong_bounds_are_told_apart(hole: Exercise, probe: str, at_most: Any, says: str) -> None:
    found = hole.check({"probe": probe, "at_most": at_most})
    assert found.verdict is Verdict.FAIL
    assert says in found.message
    assert len(found.message.splitlines()) == 1


def test_a_run_without_a_hole_has_no_answer() -> None:
    exercise = see_the_hole(ChaosResult(make_journal("ledger-down", missing=0)))
    found = exercise.check({"probe": "missing_spins", "at_most": 0})
    assert found.verdict is Verdict.FAIL
    assert "run the experiment again" in found.message


@pytest.mark.parametrize(("share", "seconds"), [(0.1, 10), (0.125, 10), (0.5, 2), (1, 1)])
def test_few_are_hit_and_seldom_none(radius: Exercise, share: float, seconds: float) -> None:
    found = radius.check({"share": share, "seconds": seconds})
    assert found.verdict is Verdict.PASS, found.message


@pytest.mark.parametrize(
    ("share", "seconds", "says"),
    [
        (0.5, 10, "Too wide: about 20.0 of 40"),
        (0.02, 10, "Too narrow: in 45% of the runs"),
        (0, 10, "'share' must be above 0"),
        (2, 1, "'share' must be above 0"),
        (0.1, 60, "'seconds' must be above 0"),
        ("much", 5, "'share' must be a number"),
    ],
)
def test_wrong_radii_are_told_apart(radius: Exercise, share: Any, seconds: Any, says: str) -> None:
    found = radius.check({"share": share, "seconds": seconds})
    assert found.verdict is Verdict.FAIL
    assert says in found.message


@pytest.mark.parametrize("answer", [..., {"probe": ..., "at_most": ...}])
def test_a_bound_that_was_not_tried_is_no_mistake(hole: Exercise, answer: Any) -> None:
    assert hole.check(answer).verdict is Verdict.UNATTEMPTED


def test_a_radius_that_was_not_tried_is_no_mistake(radius: Exercise) -> None:
    assert radius.check({"share": ..., "seconds": ...}).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize("wrong", [3, None, ["a"], {}])
def test_what_is_no_answer_breaks_nothing(hole: Exercise, radius: Exercise, wrong: Any) -> None:
    assert hole.check(wrong).verdict is Verdict.FAIL
    assert radius.check(wrong).verdict is Verdict.FAIL


def test_the_solutions_are_right(hole: Exercise, radius: Exercise) -> None:
    for exercise, solution in ((hole, HOLE_SOLUTION), (radius, RADIUS_SOLUTION)):
        names: dict[str, Any] = {}
        exec(solution, names)
        assert exercise.check(names[exercise.answer_name]).verdict is Verdict.PASS
