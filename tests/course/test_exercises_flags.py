from collections import Counter
from typing import Any

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.flags import NAMES, PLAYERS, crash_players, draw_rollout, suspect_flag
from kit.outcome import Event


@pytest.fixture
def exercise() -> Exercise:
    return suspect_flag()


def flags(event: Event) -> dict[str, bool]:
    return {each["flag"]: each["result"] for each in event["contexts"]["flags"]["values"]}


def test_its_own_solution_finds_it(exercise: Exercise) -> None:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    assert exercise.check(names[exercise.answer_name]).verdict is Verdict.PASS


@pytest.mark.parametrize("culprit", NAMES)
def test_only_the_culprit_was_on_for_all(culprit: str) -> None:
    rollout = draw_rollout(culprit)
    events = crash_players(rollout)
    # As the SDK sent them, each with the flags of its own player.
    assert [flags(event) for event in events] == rollout
    on = Counter(name for event in events for name, result in flags(event).items() if result)
    assert [name for name, count in on.items() if count == PLAYERS] == [culprit]


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [
        (lambda events: ..., Verdict.UNATTEMPTED),
        (..., Verdict.UNATTEMPTED),
        (lambda events: None, Verdict.FAIL),
        (lambda events: [*NAMES], Verdict.FAIL),
        (lambda events: events[0]["flags"], Verdict.EXCEPTION),
        ("new-reels", Verdict.FAIL),
        (lambda events: "new-reels", Verdict.FAIL),
    ],
)
def test_a_wrong_answer_is_told_so(exercise: Exercise, wrong: Any, verdict: Verdict) -> None:
    assert exercise.check(wrong).verdict is verdict
