import threading
from collections.abc import Iterator
from itertools import count

import pytest

from kit.experiments.time_to_fix.stopwatch import (
    GIVEN_UP,
    LIMIT_S,
    NOT_TRIED,
    SOLVED,
    NotRunning,
    Question,
    Stopwatch,
)
from kit.experiments.time_to_fix.stopwatch import clock as shown_as

QUESTION = Question(
    title="Round 1",
    text="Why <now>?",
    choices=("the moon", "the tide", "the wind"),
    right="the tide",
    evidence="<pre>wet shoes</pre>",
    debriefing="<p>It comes twice a day.</p>",
)


class Clock:
    """A clock that stands still until it is moved on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stopwatch(clock: Clock) -> Iterator[Stopwatch]:
    stopwatch = Stopwatch(QUESTION, now=clock)
    yield stopwatch
    stopwatch.stop()


def page(stopwatch: Stopwatch) -> str:
    """Return all HTML and all buttons that are shown."""
    parts = [*stopwatch.view.children]
    found = []
    for part in parts:
        if part.layout.display == "none":
            continue
        parts.extend(getattr(part, "children", ()))
        found.append(getattr(part, "value", getattr(part, "description", "")))
    return "\n".join(found)


def test_before_the_start_nothing_is_given_away(stopwatch: Stopwatch) -> None:
    assert stopwatch.attempt.state == NOT_TRIED
    for secret in ("Why", "wet shoes", "the moon", "twice a day", "Give up"):
        assert secret not in page(stopwatch)
    with pytest.raises(NotRunning, match="not tried yet"):
        stopwatch.answer("the tide")
    stopwatch.give_up_button.click()
    assert stopwatch.attempt.state == NOT_TRIED


def test_the_start_shows_the_evidence_and_no_solution(stopwatch: Stopwatch) -> None:
    stopwatch.start_button.click()
    for text in ("Why &lt;now&gt;?", "<pre>wet shoes</pre>", *QUESTION.choices, "Give up", "0:00"):
        assert text in page(stopwatch)
    assert "twice a day" not in page(stopwatch)


def test_the_right_answer_stops_the_clock(stopwatch: Stopwatch, clock: Clock) -> None:
    stopwatch.start_button.click()
    clock.seconds += 65
    assert stopwatch.answer("the tide")
    assert (stopwatch.attempt.state, stopwatch.attempt.seconds) == (SOLVED, 65)
    assert "Right, after 1:05, with no wrong answer." in page(stopwatch)
    assert "✓ the tide" in page(stopwatch)
    assert "twice a day" in page(stopwatch)


def test_after_a_wrong_answer_the_clock_goes_on(stopwatch: Stopwatch, clock: Clock) -> None:
    stopwatch.start_button.click()
    clock.seconds += 5
    assert not stopwatch.answer("the moon")
    assert not stopwatch.answer("the moon")
    assert "1 wrong answer so far" in page(stopwatch)
    clock.seconds += 5
    assert not stopwatch.answer("the wind")
    assert "✗ the moon" in page(stopwatch)
    clock.seconds += 5
    assert stopwatch.answer("the tide")
    assert (stopwatch.attempt.seconds, stopwatch.attempt.wrong) == (15, 2)


def test_giving_up_tells_the_answer_and_is_not_solved(stopwatch: Stopwatch, clock: Clock) -> None:
    stopwatch.start_button.click()
    clock.seconds += 7
    stopwatch.give_up_button.click()
    assert (stopwatch.attempt.state, stopwatch.attempt.seconds) == (GIVEN_UP, 7)
    assert "Given up after 0:07" in page(stopwatch)
    assert "It was: the tide" in page(stopwatch)


def test_what_has_ended_stays_as_it_is(stopwatch: Stopwatch, clock: Clock) -> None:
    stopwatch.start_button.click()
    stopwatch.answer("the tide")
    clock.seconds += 9
    stopwatch.start_button.click()
    stopwatch.choices["the moon"].click()
    stopwatch.give_up_button.click()
    assert (stopwatch.attempt.state, stopwatch.attempt.seconds) == (SOLVED, 0)
    with pytest.raises(NotRunning, match="solved"):
        stopwatch.answer("the tide")


def test_an_unknown_answer_is_an_error(stopwatch: Stopwatch) -> None:
    stopwatch.start_button.click()
    with pytest.raises(KeyError):
        stopwatch.answer("the sun")


def test_a_forgotten_clock_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.experiments.time_to_fix.stopwatch.TICK_S", 0.001)
    times = count(step=LIMIT_S / 4)
    stopwatch = Stopwatch(QUESTION, now=lambda: next(times))
    stopwatch.start_button.click()
    assert stopwatch.ended.wait(60)
    assert stopwatch.attempt.state == GIVEN_UP


def test_the_time_is_shown_while_it_runs(
    stopwatch: Stopwatch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.experiments.time_to_fix.stopwatch.TICK_S", 0.001)
    stopwatch.start_button.click()
    bar = stopwatch.view.children[1]
    seen: list[str] = []
    changed = threading.Event()
    bar.children[1].observe(lambda change: (seen.append(change["new"]), changed.set()), "value")
    clock.seconds += 61
    assert changed.wait(60)
    assert "1:01" in seen[-1]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (605, "10:05")])
def test_a_time_as_a_clock_shows_it(seconds: float, text: str) -> None:
    assert shown_as(seconds) == text
