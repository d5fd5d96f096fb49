from typing import Any

import pytest
import sentry_sdk

from demo_services.game_engine.desk import Order
from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.context import QUESTIONS
from kit.experiments.context.switches import drop_event, redact_card
from kit.workshop import Workshop


@pytest.fixture
def which_switch(workshop: Workshop) -> Exercise:
    return workshop.exercise("which-switch", workshop.laboratory())


@pytest.fixture
def own_context(workshop: Workshop) -> Exercise:
    return workshop.exercise("own-context", workshop.laboratory())


def answer_of(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def test_every_switch_of_the_solution_decides(which_switch: Exercise) -> None:
    answer = answer_of(which_switch)
    assert tuple(answer) == QUESTIONS
    result = which_switch.check(answer)
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize(
    ("path", "wrong", "told"),
    [
        (QUESTIONS[0], "frame_context_lines", "vars.paid is there"),
        (QUESTIONS[2], "sample_rate", "or the whole event is lost"),
        (QUESTIONS[3], "before_send", "request.data.bet is there"),
        (QUESTIONS[4], "http_headers", "request.cookies.theme is there"),
        (QUESTIONS[5], "cookies", "request.query_string is there"),
        (QUESTIONS[6], "user", "request.env.REMOTE_ADDR is there"),
        (QUESTIONS[7], "user_info", "contexts.trace.op is missing"),
        (QUESTIONS[7], "locals", "not 'locals'"),
        (QUESTIONS[1], ..., "is still missing"),
    ],
)
def test_a_switch_that_does_not_decide_is_told(
    which_switch: Exercise, path: str, wrong: object, told: str
) -> None:
    result = which_switch.check({**answer_of(which_switch), path: wrong})
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def test_the_solution_tells_much_and_leaks_nothing(own_context: Exercise) -> None:
    result = own_context.check(answer_of(own_context))
    assert result.verdict is Verdict.PASS, result.message
    assert result.message.startswith("12 fields of your own")


def everything(order: Order) -> None:
    sentry_sdk.set_context("order", {**vars(order), "a": 1, "b": 2, "c": 3})


def constants(order: Order) -> None:
    sentry_sdk.set_context("order", {f"field_{number}": number for number in range(15)})


def little(order: Order) -> None:
    sentry_sdk.set_user({"username": order.player})


def without_spaces(order: Order) -> None:
    constants(order)
    sentry_sdk.set_tag("card", order.card_number.replace(" ", ""))


@pytest.mark.parametrize(
    "settings",
    [
        {"http_bodies": [], "stack_frame_variables": {"mode": "denylist", "terms": ["order"]}},
        {"max_request_body_size": "never", "before_send": redact_card},
    ],
)
def test_there_are_several_ways(own_context: Exercise, settings: dict[str, Any]) -> None:
    result = own_context.check({**answer_of(own_context), **settings})
    assert result.verdict is Verdict.PASS, result.message


LIGHT: dict[str, Any] = {"http_bodies": []}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "a dict of settings, as for lab.fire()"),
        ({"contexts": little}, "contexts: 1. Needed: 12"),
        ({"contexts": everything, **LIGHT}, "The card number is in contexts.order.card_"),
        ({"contexts": constants, **LIGHT}, "The card number is in exception.values[-1]"),
        ({"contexts": constants, "before_send": redact_card}, "leave out something"),
        ({"contexts": constants, "before_send": redact_card, **LIGHT}, "have the same context"),
        ({"contexts": without_spaces, **LIGHT}, "The card number is in tags.card"),
        (
            {"contexts": constants, "stack_frame_variables": False},
            "The local variables of the failing line",
        ),
        ({"contexts": constants, "before_send": drop_event}, "no event is sent"),
    ],
)
def test_a_context_that_may_not_leave_is_told_why(
    own_context: Exercise, wrong: object, told: str
) -> None:
    result = own_context.check(wrong)
    assert result.verdict is Verdict.FAIL, result.message
    assert told in result.message


def test_untouched_answers_are_not_called_wrong(
    which_switch: Exercise, own_context: Exercise
) -> None:
    assert which_switch.check().verdict is Verdict.UNATTEMPTED
    assert which_switch.check(dict.fromkeys(QUESTIONS, ...)).verdict is Verdict.UNATTEMPTED
    assert own_context.check().verdict is Verdict.UNATTEMPTED
    for untouched in ({}, {"contexts": ...}, {"contexts": lambda order: ...}):
        assert own_context.check(untouched).verdict is Verdict.UNATTEMPTED


def test_code_that_raises_is_told_its_error(own_context: Exercise) -> None:
    result = own_context.check({"contexts": lambda order: order.colour})
    assert result.verdict is Verdict.EXCEPTION
    assert result.message.startswith("AttributeError: ")
    assert "raised in <lambda>, line " in result.message
    result = own_context.check({"context": little})
    assert result.verdict is Verdict.FAIL
    assert "There is no switch 'context'" in result.message
