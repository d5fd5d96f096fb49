from functools import cache
from typing import Any

import pytest
from sentry_sdk.consts import VERSION

from demo_services.sdk import GENERATION
from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.blind_spots import SIX_BLIND_SPOTS, predict_captured
from kit.experiments.blind_spots.catalogue import BLIND_SPOTS
from kit.workshop import Workshop

pytestmark = pytest.mark.slow


# Fired once for all answers: that takes seconds.
@pytest.fixture(scope="module")
def predictions(workshop: Workshop) -> Exercise:
    return predict_captured(cache(workshop.blind_spots))


@pytest.fixture
def line(workshop: Workshop) -> Exercise:
    return workshop.exercise("the-one-line", workshop.blind_spots)


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def fails(exercise: Exercise, answer: object, word: str) -> None:
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL, result
    assert word in result.message


# Captured or not


def test_the_right_predictions_agree_with_what_arrives(predictions: Exercise) -> None:
    result = predictions.check(solved(predictions))
    assert result.verdict is Verdict.PASS
    assert f"sentry-sdk {VERSION}" in result.message
    other = 2 if GENERATION >= 3 else 3
    said = f"the opposite for sentry-sdk {other}, not fired here: python/logged-exception."
    assert said in result.message


def test_one_of_them_goes_by_the_version_of_the_sdk(predictions: Exercise) -> None:
    flips = [spot for spot in SIX_BLIND_SPOTS if spot.flips]
    assert [spot.id for spot in flips] == ["python/logged-exception"]
    assert flips[0].captured is (GENERATION == 2)


@pytest.mark.parametrize("spot", SIX_BLIND_SPOTS, ids=lambda spot: spot.id)
def test_a_wrong_prediction_is_answered_with_what_arrived(predictions: Exercise, spot: Any) -> None:
    right = solved(predictions)
    arrived = f"{spot.error}" if spot.captured else "no event arrived"
    fails(
        predictions,
        {**right, spot.id: not right[spot.id]},
        f"{spot.id} was fired, and ",
    )
    fails(predictions, {**right, spot.id: not right[spot.id]}, arrived)


def test_nothing_is_fired_for_half_an_answer(workshop: Workshop) -> None:
    def fire(*blind_spots: object) -> Any:
        raise AssertionError("fired")

    exercise = predict_captured(fire)
    right = solved(exercise)
    fails(
        exercise,
        {**right, SIX_BLIND_SPOTS[-1].id: ...},
        f"{SIX_BLIND_SPOTS[-1].id!r} is still missing",
    )
    fails(
        exercise, {**right, SIX_BLIND_SPOTS[0].id: "yes"}, "must be one of True, False, not 'yes'"
    )
    fails(exercise, [True] * 6, "dict")
    assert exercise.check().verdict is Verdict.UNATTEMPTED
    assert exercise.check(dict.fromkeys(right, ...)).verdict is Verdict.UNATTEMPTED


def test_what_cannot_be_fired_is_no_mistake(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", "no-such-program")
    exercise = workshop.exercise("predict-captured", workshop.blind_spots)
    right = solved(exercise)
    result = exercise.check(right)
    assert result.verdict is Verdict.PASS
    assert "4 of 6 were fired" in result.message
    assert "Not fired here: node/parsed: " in result.message
    wrong = {**right, "python/suppressed": True, "node/parsed": True}
    fails(exercise, wrong, "python/suppressed was fired, and no event arrived")


def test_every_wrong_prediction_is_named(predictions: Exercise) -> None:
    wrong = {name: not given for name, given in solved(predictions).items()}
    for spot in SIX_BLIND_SPOTS:
        fails(predictions, wrong, f"{spot.id} was fired, and ")


def test_its_failures_are_not_in_the_table() -> None:
    assert not {spot.id for spot in SIX_BLIND_SPOTS} & {spot.id for spot in BLIND_SPOTS}
    assert {spot.captured for spot in SIX_BLIND_SPOTS} == {True, False}


# The one line


@pytest.mark.parametrize(
    "right",
    [
        "  sentry_sdk.capture_exception()  ",
        'sentry_sdk.capture_message(f"bad ticket {ticket!r}", level="error")',
    ],
)
def test_a_line_that_captures_every_bad_ticket_passes(line: Exercise, right: str) -> None:
    assert line.check(right).verdict is Verdict.PASS


@pytest.mark.parametrize(
    "logs", ['logging.exception("bad ticket")', 'logging.error("bad ticket", exc_info=True)']
)
def test_a_line_that_logs_is_judged_by_the_default_of_the_sdk(line: Exercise, logs: str) -> None:
    if GENERATION >= 3:
        fails(line, logs, "No event is about the ticket 'ten'. Arrived: nothing")
    else:
        assert line.check(logs).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ("raise", "No event is about the ticket 'eleven'. Arrived: ValueError"),
        ("pass", "No event is about the ticket 'ten'. Arrived: nothing"),
        ('print("bad ticket")', "Arrived: nothing"),
        ("capture_exception()", "Arrived: NameError"),
        ("sentry_sdk.capture_exception(", "not a valid line of Python"),
        (
            'sentry_sdk.capture_exception(); sentry_sdk.capture_message(f"no {ticket!r}")',
            "4 events arrived",
        ),
        ("pass\nsentry_sdk.capture_exception()", "more than one line"),
        (None, "as a string"),
    ],
)
def test_another_line_fails_with_what_arrived(line: Exercise, wrong: object, word: str) -> None:
    fails(line, wrong, word)


def test_an_untouched_line_is_not_tried(line: Exercise) -> None:
    for answer in (..., "...", "", "  "):
        assert line.check(answer).verdict is Verdict.UNATTEMPTED


def test_a_line_that_ends_the_process_is_an_error_of_its_own(line: Exercise) -> None:
    result = line.check("os._exit(0)")
    assert result.verdict is Verdict.EXCEPTION
    assert "python/tickets could not be fired" in result.message
