from collections.abc import Callable
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.outcome import Event
from kit.workshop import Workshop


@pytest.fixture(params=["read-the-event", "triage"])
def exercise(request: pytest.FixtureRequest, workshop: Workshop) -> Exercise:
    if request.param == "read-the-event":
        return workshop.exercise(request.param, mystery(workshop))
    return workshop.exercise(request.param)


def mystery(workshop: Workshop) -> Event:
    event = workshop.trigger("game-engine/error", type="index").event
    assert event is not None
    return event


def test_its_own_solution_solves_it(workshop: Workshop) -> None:
    event = mystery(workshop)
    for exercise in (workshop.exercise("read-the-event", event), workshop.exercise("triage")):
        names: dict[str, Any] = {"mystery": event}
        exec(exercise.solution().text, names)
        assert exercise.check(names[exercise.answer_name]).verdict is Verdict.PASS


def test_an_untouched_answer_is_not_called_wrong(exercise: Exercise) -> None:
    assert exercise.check().verdict is Verdict.UNATTEMPTED
    assert exercise.check(...).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize("wrong", [None, 42, {}, "ada", lambda event: "ada", lambda event: None])
def test_a_wrong_answer_is_told_why(exercise: Exercise, wrong: object) -> None:
    result = exercise.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert result.message


def test_dots_inside_an_answer_count_as_not_tried(workshop: Workshop) -> None:
    untouched = {"player": ..., "bet": ..., "function": ...}
    exercise = workshop.exercise("read-the-event", mystery(workshop))
    assert exercise.check(untouched).verdict is Verdict.UNATTEMPTED
    started = exercise.check({**untouched, "player": "ada"})
    assert started.verdict is Verdict.FAIL
    assert "'bet' is still missing" in started.message


def returns_dots(event: Event) -> object:
    return ...


def raises(event: Event) -> str:
    raise KeyError("users")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(returns_dots, Verdict.UNATTEMPTED), (raises, Verdict.EXCEPTION)],
)
def test_a_function_is_judged_by_what_it_does(
    workshop: Workshop, answer: Callable[[Event], object], verdict: Verdict
) -> None:
    assert workshop.exercise("triage").check(answer).verdict is verdict


def test_an_answer_that_repeats_one_event_is_wrong(workshop: Workshop) -> None:
    line = "ada: RuntimeError at demo_services/game_engine/sidebets.py:24"
    result = workshop.exercise("triage").check(lambda event: line)
    assert result.verdict is Verdict.FAIL


def test_hint_and_solution_show_themselves(exercise: Exercise) -> None:
    assert "Hint" in exercise.hint()._repr_html_()
    assert "<pre>" in exercise.solution()._repr_html_()
    assert "Not tried yet" in exercise.check()._repr_html_()
