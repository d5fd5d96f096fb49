import re
from collections.abc import Callable
from typing import Any

import pytest
import sentry_sdk

from demo_services.redaction import redact_event
from kit.course.exercise import Exercise, Verdict
from kit.course.exercises import leaking_shop as shop
from kit.course.exercises.privacy import KEPT, REST, SOLUTION
from kit.outcome import Event
from kit.workshop import Workshop

Answer = Callable[[dict[str, Any], dict[str, Any]], Any]


@pytest.fixture
def exercise(workshop: Workshop) -> Exercise:
    return workshop.exercise("keep-it-in")


@pytest.fixture(scope="module")
def right() -> Answer:
    names: dict[str, Any] = {}
    exec(SOLUTION, names)
    answer: Answer = names["before_send"]
    return answer


def test_its_own_solution_lets_none_through(exercise: Exercise, right: Answer) -> None:
    result = exercise.check(right)
    assert result.verdict is Verdict.PASS, result.message
    assert "Hint" in exercise.hint()._repr_html_()


def test_untouched_is_not_called_wrong(exercise: Exercise) -> None:
    assert exercise.check().verdict is Verdict.UNATTEMPTED
    assert exercise.check(lambda event, hint: ...).verdict is Verdict.UNATTEMPTED


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password": "[Filtered]"}, "the function itself"),
        (lambda event, hint: None, "drops the event"),
        (lambda event, hint: [event], "a dict, not a list"),
        (lambda event, hint: event, "10 of 14 secrets got through"),
        (lambda event, hint: {}, "Too much is gone: the exception's type"),
        (lambda event, hint: redact_event(event, hint), "2 of 14 secrets got through"),
    ],
)
def test_a_wrong_hook_is_told_why(exercise: Exercise, wrong: object, told: str) -> None:
    result = exercise.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


def without(section: str, right: Answer) -> Answer:
    """Return a right answer that drops a section of the event as well."""

    def answer(event: dict[str, Any], hint: dict[str, Any]) -> Any:
        return {key: value for key, value in right(event, hint).items() if key != section}

    return answer


@pytest.mark.parametrize("section", ["user", "contexts", "breadcrumbs", "request", "exception"])
def test_a_hook_that_takes_too_much_is_told_so(
    exercise: Exercise, right: Answer, section: str
) -> None:
    result = exercise.check(without(section, right))
    assert result.verdict is Verdict.FAIL
    assert "Too much is gone" in result.message


def test_of_a_text_only_the_secret_goes(exercise: Exercise, right: Answer) -> None:
    def blunt(event: dict[str, Any], hint: dict[str, Any]) -> Any:
        clean = right(event, hint)
        clean["exception"]["values"][-1]["value"] = "[Filtered]"
        return clean

    assert "has lost 'was refused for 12'" in exercise.check(blunt).message


def test_code_that_raises_is_told_its_error(exercise: Exercise) -> None:
    result = exercise.check(lambda event, hint: event["extra"]["nothing"]["of it"])
    assert result.verdict is Verdict.EXCEPTION


def test_each_checkout_has_new_secrets_where_they_are_said_to_be() -> None:
    (first, event), (second, _) = shop.rehearse(), shop.rehearse()
    assert set(first.values) == set(second.values) == set(shop.PLACES)
    assert not set(first.values.values()) & set(second.values.values())
    for path in (*shop.PLACES.values(), *KEPT.values(), *(path for path, _ in REST.values())):
        assert Event(event).find(path) is not None, path


@pytest.fixture
def dsn(workshop: Workshop) -> str:
    with workshop.reporting():
        dsn = sentry_sdk.get_client().dsn
    assert dsn
    return dsn


def test_a_checkout_tells_what_leaked_and_where(workshop: Workshop, dsn: str) -> None:
    default = shop.check_out(dsn, workshop.store)
    bare = shop.check_out(dsn, workshop.store, max_request_body_size="never")
    assert default.state("header X-Api-Key") == default.state("query string") == "filtered"
    assert default.leaked_in("local") == ["event"]
    assert default.leaked_in("nested body") == ["event", "span"]
    assert bare.state("nested body") == "not sent"
    html = shop.LeakTable({"default": default, "<b>no body": bare})._repr_html_()
    assert "&lt;b&gt;no body" in html
    assert len(re.findall("✗ leaked", html)) == 18


def raises(span: Any, hint: Any) -> Any:
    raise LookupError("not this way")


@pytest.mark.parametrize(
    ("hook", "leaked"),
    [(redact_event, []), (lambda span, hint: None, ["span"]), (raises, ["span"])],
)
def test_a_hook_for_spans_that_fails_lets_them_through(
    workshop: Workshop, dsn: str, hook: Answer, leaked: list[str]
) -> None:
    checkout = shop.check_out(dsn, workshop.store, before_send=redact_event, before_send_span=hook)
    assert checkout.leaked_in("nested body") == leaked
