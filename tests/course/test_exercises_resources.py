from copy import deepcopy
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.outcome import Event, Profile
from kit.workshop import Workshop


@pytest.fixture
def profile(workshop: Workshop) -> Profile:
    outcome = workshop.trigger("game-engine/infinite-loop", seconds=1)
    assert not outcome.missing, outcome.missing
    assert outcome.profile is not None
    return outcome.profile


@pytest.fixture
def profile_exercise(workshop: Workshop, profile: Profile) -> Exercise:
    return workshop.exercise("guilty-function", profile)


@pytest.fixture
def leak_exercise(workshop: Workshop) -> Exercise:
    return workshop.exercise("leak-per-step")


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


# The guilty function


def test_the_profile_names_the_loop(profile_exercise: Exercise) -> None:
    answer = solved(profile_exercise)
    assert answer["function"] == "respin_until_jackpot"
    assert answer["called_by"] == "grant_jackpot"
    assert profile_exercise.check(answer).verdict is Verdict.PASS


def test_a_wrong_part_of_the_answer_is_named(profile_exercise: Exercise) -> None:
    right = solved(profile_exercise)
    for part, wrong in {
        "function": "grant_jackpot",
        "called_by": "respin_until_jackpot",
        "percent": right["percent"] - 50,
    }.items():
        result = profile_exercise.check({**right, part: wrong})
        assert result.verdict is Verdict.FAIL
        assert repr(part) in result.message


def test_what_is_no_answer_is_told_what_one_is(profile_exercise: Exercise) -> None:
    right = solved(profile_exercise)
    assert "dict" in profile_exercise.check("respin_until_jackpot").message
    assert "'percent' is still missing" in profile_exercise.check({**right, "percent": ...}).message
    assert profile_exercise.check({**right, "percent": "all"}).verdict is Verdict.FAIL
    untouched = dict.fromkeys(right, ...)
    assert profile_exercise.check(untouched).verdict is Verdict.UNATTEMPTED


def test_what_the_thread_did_before_the_request_does_not_count(
    workshop: Workshop, profile: Profile, profile_exercise: Exercise
) -> None:
    longer = deepcopy(profile)
    samples = longer["profile"]["samples"]
    assert longer.span is not None
    begin = longer.span.start
    first = samples[0]
    samples[:0] = [{**first, "timestamp": begin - step / 100} for step in range(500, 0, -1)]
    assert solved(workshop.exercise("guilty-function", longer)) == solved(profile_exercise)


# The leak


def test_the_breadcrumbs_measure_the_leak(leak_exercise: Exercise) -> None:
    assert leak_exercise.check(solved(leak_exercise)).verdict is Verdict.PASS


def sizes(event: Event) -> list[float]:
    found: list[float] = event.find("breadcrumbs.values[?category=='memory'].data.rss_mb")
    return found


def divides_by_breadcrumbs(event: Event) -> object:
    course = sizes(event)
    return {"breadcrumbs": len(course), "mb_per_step": (course[-1] - course[0]) / len(course)}


def knows_only_one_leak(event: Event) -> object:
    return {"breadcrumbs": 3, "mb_per_step": (sizes(event)[-1] - sizes(event)[0]) / 2}


def counts_only(event: Event) -> object:
    return {"breadcrumbs": len(sizes(event)), "mb_per_step": ...}


def says_in_words(event: Event) -> object:
    return {"breadcrumbs": len(sizes(event)), "mb_per_step": "8 MB"}


def returns_nothing(event: Event) -> object:
    return None


def test_a_wrong_measure_is_told_why(leak_exercise: Exercise) -> None:
    for wrong, word in (
        (8, "the function itself"),
        (divides_by_breadcrumbs, "count the steps"),
        (knows_only_one_leak, "'breadcrumbs' is not 3"),
        (counts_only, "'mb_per_step' is still missing"),
        (says_in_words, "a number"),
        (returns_nothing, "is a return statement missing?"),
        (lambda event: 42, "must return a dict"),
    ):
        result = leak_exercise.check(wrong)
        assert result.verdict is Verdict.FAIL
        assert word in result.message


def returns_dots(event: Event) -> object:
    return ...


def fills_dots_in(event: Event) -> object:
    return {"breadcrumbs": ..., "mb_per_step": ...}


def raises(event: Event) -> object:
    return event["breadcrumb"]


def test_an_untouched_measure_is_not_called_wrong(leak_exercise: Exercise) -> None:
    assert leak_exercise.check().verdict is Verdict.UNATTEMPTED
    assert leak_exercise.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert leak_exercise.check(fills_dots_in).verdict is Verdict.UNATTEMPTED
    assert leak_exercise.check(raises).verdict is Verdict.EXCEPTION
