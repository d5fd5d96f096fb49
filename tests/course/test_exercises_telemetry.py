from collections.abc import Callable
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.traces import start_span

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.telemetry import SOLUTION, right_kind

Order = dict[str, Any]
Bank = Callable[[Order], str]
Do = Callable[..., object]


@pytest.fixture
def exercise() -> Exercise:
    # It starts everything that it needs: no workshop.
    return right_kind()


def nothing(*_: object) -> None:
    pass


def count(order: Order) -> None:
    sentry_sdk.metrics.count("orders.refused", 1, attributes={"tier": order["tier"]})


def log(order: Order) -> None:
    sentry_sdk.logger.info("order {id} refused", id=order["id"])


def capture(error: Exception) -> None:
    sentry_sdk.capture_exception(error)


def in_span(bank: Bank, order: Order) -> str:
    with start_span(name="ask the bank"):
        return bank(order)


def settle(
    count: Do = count, log: Do = log, capture: Do = capture, ask: Do = in_span
) -> Callable[[Order, Bank], object]:
    """Return a solution, with parts of it replaced."""

    def settle(order: Order, bank: Bank) -> object:
        if order["amount"] > order["balance"]:
            count(order)
            log(order)
            return "refused"
        try:
            return ask(bank, order)
        except Exception as error:
            capture(error)
            return "failed"

    return settle


def test_its_own_solution_solves_it(exercise: Exercise) -> None:
    names: dict[str, Any] = {}
    exec(SOLUTION, names)
    result = exercise.check(names[exercise.answer_name])
    assert result.verdict is Verdict.PASS, result.message
    assert "4 refusals" in result.message


def test_an_id_in_the_template_of_a_log_is_an_attribute_too(exercise: Exercise) -> None:
    result = exercise.check(settle())
    assert result.verdict is Verdict.PASS, result.message


def test_untouched_is_not_called_wrong(exercise: Exercise) -> None:
    assert exercise.check().verdict is Verdict.UNATTEMPTED
    untouched = settle(nothing, nothing, nothing, lambda bank, order: bank(order))
    assert exercise.check(untouched).verdict is Verdict.UNATTEMPTED


def counted_with_id(order: Order) -> None:
    attributes = {"tier": order["tier"], "order.id": order["id"]}
    sentry_sdk.metrics.count("orders.refused", 1, attributes=attributes)


def measured(order: Order) -> None:
    attributes = {"tier": order["tier"]}
    sentry_sdk.metrics.distribution("orders.refused", 1, attributes=attributes)


def counted_as_vip(order: Order) -> None:
    sentry_sdk.metrics.count("orders.refused", 1, attributes={"tier": "vip"})


def logged_as_text(order: Order) -> None:
    sentry_sdk.logger.info(f"order {order['id']} refused")


def captured_refusal(order: Order) -> None:
    log(order)
    sentry_sdk.capture_message("order refused")


def span_of_what_went_well(bank: Bank, order: Order) -> str:
    return in_span(bank, order) if order["amount"] > 0 else bank(order)


def span_after_the_call(bank: Bank, order: Order) -> str:
    result = bank(order)
    with start_span(name="too late"):
        return result


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("settle", "the function itself"),
        (lambda order, bank: count(order) or "paid", "must not change what a function does"),
        (settle(count=nothing), "No metric orders.refused arrived"),
        (settle(count=counted_with_id), "tier, order.id. Give it only tier"),
        (settle(count=measured), "is not a counter"),
        (settle(count=counted_as_vip), "were refused."),
        (settle(log=nothing), "Which orders were refused?"),
        (settle(log=logged_as_text), "only in the text of a log"),
        (settle(log=captured_refusal), "nothing is broken"),
        (settle(capture=nothing), "0 events report it"),
        (settle(ask=lambda bank, order: bank(order)), "You have no span"),
        (settle(ask=span_of_what_went_well), "even when it fails"),
        (settle(ask=span_after_the_call), "You have no span"),
    ],
)
def test_a_wrong_answer_is_told_why(exercise: Exercise, answer: object, told: str) -> None:
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL, result.message
    assert told in result.message
