"""The exercises of 27 · What can be predicted."""

from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.prediction import (
    CHANCE_SOLUTION,
    DETECT_SOLUTION,
    beat_the_threshold,
    no_better_than_chance,
)
from kit.reliability.prediction.judgement import ForecastJudgement, judge_forecast

Points = list[tuple[float, float]]


def lucky_number(points: Points, limit: float) -> bool:
    return int(points[-1][1] * 100) % 97 == 0


def five_in_a_row(points: Points, limit: float) -> bool:
    last = [value for _, value in points[-5:]]
    return len(points) > 5 and last == sorted(last)


@pytest.fixture(scope="module")
def table() -> ForecastJudgement:
    return judge_forecast(lucky_number, five_in_a_row)


@pytest.fixture
def chance(table: ForecastJudgement) -> Exercise:
    return no_better_than_chance(table)


RIGHT = {"chance": ["coin", "lucky_number", "five_in_a_row"], "best": "trend, guarded"}

# The table takes seconds.
pytestmark = pytest.mark.slow


def test_the_solution_is_right(chance: Exercise) -> None:
    names: dict[str, Any] = {}
    exec(CHANCE_SOLUTION, names)
    result = chance.check(names[chance.answer_name])
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("chance", ["coin", "five_in_a_row"], "lucky_number belongs in 'chance'"),
        ("chance", ["lucky_number", "five_in_a_row"], "The coin belongs in 'chance'"),
        ("chance", [*RIGHT["chance"], "over 86 %"], "over 86 % is better than chance"),
        ("chance", [*RIGHT["chance"], "oracle"], "no detector 'oracle'"),
        ("chance", "coin", "must be a list of names"),
        ("best", "over 86 %", "as precise and earlier"),
        ("best", "five_in_a_row", "precision comes first"),
        ("best", "oracle", "'best' must be one of"),
    ],
)
def test_each_mistake_is_told_apart(chance: Exercise, part: str, value: object, says: str) -> None:
    result = chance.check(RIGHT | {part: value})
    assert result.verdict is Verdict.FAIL
    assert says in result.message
    assert len(result.message.splitlines()) == 1


@pytest.mark.parametrize("answer", [..., {"chance": ..., "best": ...}])
def test_what_was_not_tried_is_no_mistake(chance: Exercise, answer: Any) -> None:
    assert chance.check(answer).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize("wrong", [3, None, ["a"], {}, {"chance": 3, "best": []}])
def test_what_is_no_table_breaks_nothing(chance: Exercise, wrong: Any) -> None:
    assert chance.check(wrong).verdict is Verdict.FAIL


def test_the_hint_does_not_name_them(chance: Exercise) -> None:
    assert not any(name in chance.hint_text for name in RIGHT["chance"][1:])


# beat-the-threshold


def always(points: Points, limit: float) -> bool:
    return True


def never(points: Points, limit: float) -> bool:
    return False


def high(points: Points, limit: float) -> bool:
    return points[-1][1] > 0.9 * limit


def grows(points: Points, limit: float) -> bool:
    (_, first), (_, last) = points[0], points[-1]
    return len(points) == 24 and last > first and limit - last < last - first


def number(points: Points, limit: float) -> Any:
    return 3


@pytest.mark.parametrize(
    ("detect", "says"),
    [
        (never, "finds nothing"),
        (high, "use the pace, not the level"),
        (grows, "Most false alarms are in series of the kind"),
        (always, "of its alarms are right"),
        (number, "True or False, not 3"),
    ],
)
def test_each_weak_detector_is_told_why(detect: Any, says: str) -> None:
    result = beat_the_threshold().check(detect)
    assert result.verdict is Verdict.FAIL
    assert says in result.message


def test_the_solution_beats_the_threshold() -> None:
    exercise, names = beat_the_threshold(), dict[str, Any]()
    exec(DETECT_SOLUTION, names)
    result = exercise.check(names["detect"])
    assert result.verdict is Verdict.PASS, result.message
    assert "ahead" in result.message


def test_dots_are_not_tried_and_what_fails_is_told() -> None:
    def dots(points: Points, limit: float) -> Any:
        return ...

    def fails(points: Points, limit: float) -> bool:
        return bool(points[40])

    assert beat_the_threshold().check(dots).verdict is Verdict.UNATTEMPTED
    result = beat_the_threshold().check(fails)
    assert result.verdict is Verdict.EXCEPTION
    assert "IndexError" in result.message
