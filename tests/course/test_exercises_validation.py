import json
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.validation import MISTAKES
from kit.hosting.database import Database
from kit.workshop import Workshop

WITHOUT = Database().unavailable
needs_database = pytest.mark.skipif(WITHOUT is not None, reason=str(WITHOUT))
RIGHT = {
    "bad body": "nothing",
    "bad coupon": "an event with our frame",
    "bad response": "an event",
    "bad document": "an event with our frame",
    "slow report": "nothing",
}


@pytest.fixture
def captured_or_not(workshop: Workshop) -> Exercise:
    return workshop.exercise("captured-or-not")


@pytest.fixture
def without_values(workshop: Workshop) -> Exercise:
    return workshop.exercise("without-values")


def answer_of(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


@needs_database
def test_what_is_captured_is_found_by_making_it(captured_or_not: Exercise) -> None:
    assert answer_of(captured_or_not) == RIGHT
    assert captured_or_not.check(RIGHT).verdict is Verdict.PASS


@needs_database
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_prediction_counts(captured_or_not: Exercise, mistake: str) -> None:
    wrong = "an event" if RIGHT[mistake] == "nothing" else "nothing"
    result = captured_or_not.check({**RIGHT, mistake: wrong})
    assert result.verdict is Verdict.FAIL
    assert f"The {mistake} was triggered again" in result.message


@needs_database
@pytest.mark.parametrize(
    ("mistake", "wrong"),
    [("bad response", "an event with our frame"), ("bad document", "an event")],
)
def test_a_frame_of_ours_counts(captured_or_not: Exercise, mistake: str, wrong: str) -> None:
    assert captured_or_not.check({**RIGHT, mistake: wrong}).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "needs a dict"),
        ({}, "'bad body' is still missing"),
        ({**RIGHT, "slow report": ...}, "'slow report' is still missing"),
        ({**RIGHT, "bad body": "a warning"}, "not 'a warning'"),
        ({**RIGHT, "bad body": "an event"}, "answered 422"),
    ],
)
def test_a_wrong_prediction_is_told_why(
    captured_or_not: Exercise, wrong: object, told: str
) -> None:
    result = captured_or_not.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_untouched_answers_are_not_called_wrong(
    captured_or_not: Exercise, without_values: Exercise
) -> None:
    assert captured_or_not.check().verdict is Verdict.UNATTEMPTED
    assert captured_or_not.check(dict.fromkeys(MISTAKES, ...)).verdict is Verdict.UNATTEMPTED
    assert without_values.check().verdict is Verdict.UNATTEMPTED
    assert without_values.check(lambda errors: ...).verdict is Verdict.UNATTEMPTED


def test_its_own_solution_leaves_no_value(without_values: Exercise) -> None:
    assert without_values.check(answer_of(without_values)).verdict is Verdict.PASS
    assert "Hint" in without_values.hint()._repr_html_()


def kept(*keys: str) -> Any:
    """Return an answer that keeps these keys of each error."""
    return lambda errors: {"errors": [{key: error.get(key) for key in keys} for error in errors]}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"count": 1}, "the function itself"),
        (lambda errors: None, "returned None"),
        (lambda errors: [error["loc"] for error in errors], "takes a dict, not a list"),
        (lambda errors: {"errors": errors}, "It is in"),
        (kept("loc", "type", "input"), "It is in input"),
        (kept("loc", "type", "msg"), "It is in msg, input, ctx"),
        (kept("type"), "'spin_id' is missing from the context"),
        (kept("loc"), "'string_pattern_mismatch' is missing from the context"),
        (lambda errors: kept("loc", "type")(errors[:1]), "is missing from the context"),
        (lambda errors: {"count": len(errors)}, "is missing from the context"),
        (lambda errors: {"fields": {1, 2}}, "only accepts JSON values"),
    ],
)
def test_a_wrong_context_is_told_why(without_values: Exercise, wrong: object, told: str) -> None:
    result = without_values.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def fields(errors: list[dict[str, Any]]) -> list[Any]:
    return [[error["loc"], error["type"]] for error in errors]


def test_how_fields_are_written_does_not_matter(without_values: Exercise) -> None:
    assert without_values.check(kept("loc", "type")).verdict is Verdict.PASS
    as_text = without_values.check(lambda errors: {"errors": json.dumps(fields(errors))})
    assert as_text.verdict is Verdict.PASS


def test_code_that_raises_is_told_its_error(without_values: Exercise) -> None:
    result = without_values.check(lambda errors: {"fields": errors["loc"]})
    assert result.verdict is Verdict.EXCEPTION
    assert result.message.startswith("TypeError: ")
