from collections.abc import Callable
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.outcome import Event
from kit.workshop import Workshop


@pytest.fixture(scope="module")
def exercise(workshop: Workshop) -> Exercise:
    return workshop.exercise("log-line", workshop.time_to_fix(seed=1).cases)


def variables(event: Event) -> dict[str, Any]:
    return event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["vars"]


def message_only(event: Event) -> str:
    return f"{event['user']['username']}: {event['exception']['values'][-1]['value']}"


def without_the_player(event: Event) -> str:
    return " ".join(f"{name}={value}" for name, value in variables(event).items())[-150:]


def without_the_value(event: Event) -> str:
    return f"{event['user']['username']} {variables(event)['name']}"


def everything(event: Event) -> str:
    return f"{event['user']['username']} {dict(event)}"


def two_lines(event: Event) -> str:
    return f"{event['user']['username']}\n{variables(event)['name']}"


def test_the_solution_passes(exercise: Exercise) -> None:
    found: dict[str, Any] = {}
    exec(exercise.solution_code, found)
    result = exercise.check(found[exercise.answer_name])
    assert (result.verdict, "all 9 events" in result.message) == (Verdict.PASS, True)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (message_only, "does not say the loop's current item"),
        (without_the_player, "does not say who was hit"),
        (without_the_value, "does not say the value"),
        (everything, "at most 160 characters"),
        (two_lines, "one line"),
        (lambda event: None, "is a return statement missing?"),
        (lambda event: 42, "must return a string, not 42"),
        ("a line", "the function itself"),
    ],
)
def test_a_wrong_answer_is_told_why(
    wrong: Callable[[Event], object] | str, words: str, exercise: Exercise
) -> None:
    result = exercise.check(wrong)
    assert (result.verdict, words in result.message) == (Verdict.FAIL, True), result.message


def test_an_untouched_answer_is_not_called_wrong(exercise: Exercise) -> None:
    assert exercise.check().verdict is Verdict.UNATTEMPTED
    assert exercise.check(lambda event: ...).verdict is Verdict.UNATTEMPTED
    assert exercise.check(lambda event: event["none"]).verdict is Verdict.EXCEPTION
