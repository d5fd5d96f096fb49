from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.database import FAILURES, REWORDED, reword
from kit.hosting.database import Database
from kit.outcome import Event
from kit.workshop import Workshop

WITHOUT = Database().unavailable
needs_database = pytest.mark.skipif(WITHOUT is not None, reason=str(WITHOUT))
RIGHT = {"stage": "$grooup", "position": 3, "written in": "group_by_symbol"}
CAUSES = {11000: "duplicate-key", 50: "max-time-expired", 40324: "unknown-stage"}


@pytest.fixture(scope="module")
def event(workshop: Workshop) -> Event:
    event = workshop.trigger("analytics/aggregation-error").event
    assert event is not None
    return event


@pytest.fixture
def misspelt_stage(workshop: Workshop, event: Event) -> Exercise:
    return workshop.exercise("misspelt-stage", event)


@pytest.fixture
def cause_by_code(workshop: Workshop) -> Exercise:
    return workshop.exercise("cause-by-code")


def answer_of(exercise: Exercise, **names: Any) -> Any:
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


@needs_database
def test_their_own_solutions_solve_them(
    misspelt_stage: Exercise, cause_by_code: Exercise, event: Event
) -> None:
    assert answer_of(misspelt_stage, event=event) == RIGHT
    assert misspelt_stage.check(RIGHT).verdict is Verdict.PASS
    assert cause_by_code.check(answer_of(cause_by_code)).verdict is Verdict.PASS
    assert "Hint" in cause_by_code.hint()._repr_html_()


@needs_database
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "needs a dict"),
        ({}, "'stage' is still missing"),
        ({**RIGHT, "stage": "$group"}, "'stage' is not '$group'"),
        ({**RIGHT, "position": 2}, "'position' is not 2"),
        ({**RIGHT, "written in": "run"}, "'written in' is not 'run'"),
    ],
)
def test_a_wrong_reading_is_told_why(misspelt_stage: Exercise, wrong: object, told: str) -> None:
    result = misspelt_stage.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


@needs_database
def test_an_untouched_reading_is_not_called_wrong(misspelt_stage: Exercise) -> None:
    assert misspelt_stage.check().verdict is Verdict.UNATTEMPTED
    assert misspelt_stage.check(dict.fromkeys(RIGHT, ...)).verdict is Verdict.UNATTEMPTED


@needs_database
def test_a_tag_is_as_good_as_a_context(cause_by_code: Exercise) -> None:
    def by_tag(event: Event) -> str:
        return CAUSES.get(event["tags"].get("mongodb.code"), "database-unreachable")

    assert cause_by_code.check(by_tag).verdict is Verdict.PASS


def by_message(event: Event) -> str:
    return "unknown-stage" if "Unrecognized" in str(event) else "duplicate-key"


def only_known_codes(event: Event) -> str | None:
    return CAUSES.get(event.find("contexts.database_error.code"))


@needs_database
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("duplicate-key", "the function itself"),
        (lambda event: None, "returned None"),
        (lambda event: "duplicate-key", "An error without a code is not 'duplicate-key'"),
        (lambda event: "database-unreachable", "Code 11000 is not 'database-unreachable'"),
        (by_message, "without a code is not 'duplicate-key'"),
        (only_known_codes, "returned None"),
        (lambda event: event.title, "Code 11000 is not 'PyMongoError'"),
    ],
)
def test_a_wrong_cause_is_told_why(cause_by_code: Exercise, wrong: object, told: str) -> None:
    result = cause_by_code.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


@needs_database
def test_a_function_is_judged_by_what_it_does(cause_by_code: Exercise) -> None:
    assert cause_by_code.check().verdict is Verdict.UNATTEMPTED
    assert cause_by_code.check(lambda event: ...).verdict is Verdict.UNATTEMPTED
    result = cause_by_code.check(lambda event: event["tags"]["mongodb.code "])
    assert result.verdict is Verdict.EXCEPTION
    assert result.message.startswith("KeyError: 'mongodb.code ', raised in <lambda>, line ")


@needs_database
@pytest.mark.parametrize("crash_id", FAILURES)
def test_only_codes_survive_the_rewording(workshop: Workshop, crash_id: str) -> None:
    event = workshop.trigger(crash_id).event
    assert event is not None
    code = event["tags"].get("mongodb.code")
    details = {"database_error": {"code": code, "message": REWORDED}} if code else {}
    assert reword(event) == {
        "exception": {"values": [{"type": "PyMongoError", "value": REWORDED}]},
        "tags": {"mongodb.code": code} if code else {},
        "contexts": details,
    }
