"""The error budget: what is spent, what is left, and for how long, against raw events."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.actionable import WorkshopError
from kit.reliability.slo.budget import measure_budget
from kit.reliability.slo.durations import read_length, say_length
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.policy import BudgetFrozen
from kit.reliability.slo.series import RecordedSeconds
from kit.reliability.slo.slo import Slo, make_slo

BEGAN = 1_790_000_000
# When a request was due, and whether it failed.
EVENTS = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=80)


def recorded(*seconds: tuple[int, int], start: int = BEGAN) -> RecordedSeconds:
    """Return ``(good, bad)`` of each second."""
    return RecordedSeconds((start + n, good, bad) for n, (good, bad) in enumerate(seconds))


def of_events(events: list[tuple[int, bool]]) -> RecordedSeconds:
    seconds = sorted({at for at, _ in events})
    return RecordedSeconds(
        (BEGAN + at, events.count((at, False)), events.count((at, True))) for at in seconds
    )


# Each example compares every second of it: 80 of them are 5,000 cases.
@settings(max_examples=80, deadline=None)
@given(EVENTS, st.sampled_from(["0.9", "0.95", "0.99", "0.999"]), st.integers(1, 50))
def test_a_budget_is_what_counting_by_hand_says(
    events: list[tuple[int, bool]], target: str, window: int
) -> None:
    objective = Objective("spins", float(target), window, rate=2)
    source = of_events(events)
    for now in range(62):
        budget = measure_budget(objective, source, BEGAN + now + 0.5)
        inside = [failed for at, failed in events if now - window < at <= now]
        began = min((at for at, _ in events if now - 2 * window <= at <= now), default=now + 1)
        planned = 2 * window if now + 1 - began < window else 0
        assert budget.spent == sum(inside)
        assert budget.requests == len(inside)
        allowed = (1 - Fraction(target)) * max(len(inside), planned)
        assert budget.total == pytest.approx(float(allowed))
        assert budget.is_gone == (sum(inside) > allowed)


@pytest.mark.parametrize(("bad", "is_gone"), [(24, False), (25, True)])
def test_the_budget_of_ten_minutes_at_four_a_second_is_24_exactly(bad: int, is_gone: bool) -> None:
    seconds = [(4, 0)] * (600 - bad) + [(3, 1)] * bad
    budget = make_slo("spins").measure(recorded(*seconds), BEGAN + 599)
    assert (budget.total, budget.requests, budget.is_gone) == (24, 2400, is_gone)
    assert budget.left == 24 - bad


def test_a_budget_says_when_the_rest_is_gone() -> None:
    # Nine failures, of which four in the last minute: 15 more at that pace take 3 min 45 s.
    seconds = [(4 - (n < 5), int(n < 5)) for n in range(240)]
    seconds += [(4 - (n % 15 == 0), int(n % 15 == 0)) for n in range(60)]
    budget = make_slo("spins").measure(recorded(*seconds), BEGAN + 299)
    assert budget.gone_in_s == pytest.approx(225)
    assert budget.sentence == (
        "9 of 24 allowed failures are spent; at this rate the rest is gone in 3 min 45 s."
    )
    assert repr(budget) == (
        "<ErrorBudget 24 failures: 9 spent, 15 left; at this rate gone in 3 min 45 s>"
    )
    assert budget.burn_rate == pytest.approx(4 / 60 * 600 / 24)


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        ([], "No requests have been counted yet."),
        ([(4, 0)] * 60, "No failures so far: all 24 are still allowed."),
        ([(3, 1), *[(4, 0)] * 119], "1 of 24 allowed failures is spent, none of them in the last"),
        (
            [(4, 0)] * 59 + [(3, 1)],
            "1 of 24 allowed failures is spent; at this rate the rest lasts",
        ),
        ([(0, 4)] * 7, "The budget is gone: 28 failures, 24 are allowed."),
    ],
)
def test_a_sentence_says_how_it_stands(seconds: list[tuple[int, int]], sentence: str) -> None:
    budget = make_slo("spins").measure(recorded(*seconds), BEGAN + max(len(seconds) - 1, 0))
    assert budget.sentence.startswith(sentence)


def test_what_has_left_the_window_is_not_spent() -> None:
    seconds = [(0, 4)] * 5 + [(4, 0)] * 700
    slo = make_slo("spins")
    assert slo.measure(recorded(*seconds), BEGAN + 300).spent == 20
    assert slo.measure(recorded(*seconds), BEGAN + 704).spent == 0


@pytest.mark.parametrize(
    "options",
    [{"target": 1.0}, {"target": 0.0}, {"window_s": 0.5}, {"rate": 0}, {"latency_s": 0}],
)
def test_an_objective_without_a_budget_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"budget|window|latency_s"):
        Objective("spins", **options)


def test_an_slo_without_traffic_says_what_to_do() -> None:
    with pytest.raises(WorkshopError, match=r"workshop\.traffic"):
        _ = make_slo("spins").budget


# Latency


class Timed:
    """Counts of one second with the times of its answers."""

    def __init__(self, *took: float, bad: int = 0) -> None:
        self._took = sorted(took)
        self.good, self.bad = len(took) - bad, bad

    def quantile(self, share: float) -> float:
        return self._took[max(math.ceil(share * len(self._took) - 1e-9) - 1, 0)]


class TimedSeconds:
    def __init__(self, *seconds: Timed) -> None:
        self._seconds = list(enumerate(seconds, BEGAN))

    def per_second(self, start: float, end: float) -> list[tuple[int, Timed]]:
        return [each for each in self._seconds if start <= each[0] < end]


def test_a_latency_objective_counts_late_answers() -> None:
    source = TimedSeconds(Timed(0.1, 0.2, 0.9), Timed(0.5, 0.5001, 2.0, 0.1, bad=2), Timed())
    budget = make_slo("spins", latency_s=0.5).measure(source, BEGAN + 2)
    assert (budget.spent, budget.requests) == (3, 7)


def test_counts_without_times_have_no_latency() -> None:
    with pytest.raises(WorkshopError, match="no times"):
        make_slo("spins", latency_s=0.5).measure(recorded((4, 0)), BEGAN)


# Policy


@pytest.mark.parametrize(("bad", "is_frozen"), [(0, False), (18, False), (19, True), (30, True)])
def test_a_release_waits_below_a_quarter_of_the_budget(bad: int, is_frozen: bool) -> None:
    source = recorded(*[(3, 1)] * bad, *[(4, 0)] * (100 - bad))
    slo = Slo(Objective("spins"), find_source=lambda: source, clock=lambda: BEGAN + 99)
    policy = slo.policy(freeze_below=0.25)
    assert policy.is_frozen == is_frozen
    assert policy.allows("bad-release") == (not is_frozen)
    assert policy.allows("payment-fails")
    assert policy.sentence.startswith("Frozen: " if is_frozen else "Open: ")
    policy.check("payment-fails")
    if is_frozen:
        with pytest.raises(BudgetFrozen, match="bad-release must wait"):
            policy.check("bad-release")
    else:
        policy.check("bad-release")


def test_a_service_that_nobody_uses_any_more_is_not_frozen() -> None:
    source = recorded((4, 0))
    slo = Slo(Objective("spins"), find_source=lambda: source, clock=lambda: BEGAN + 900)
    assert slo.policy().sentence.startswith("Open: 100 % of the error budget is left")


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_policy_is_about_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        make_slo("spins").policy(freeze_below=share)


# Lengths of time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("40 min", 2400), ("9 h", 32400), ("5m", 300), ("30 s", 30), ("3 d", 259_200), ("1.5h", 5400)],
)
def test_a_length_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert read_length(text) == seconds


@pytest.mark.parametrize("text", ["", "40", "40 parsecs", "-1 min", "1 min 2 s", "9" * 20 + " s"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a length of time"):
        read_length(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (250, "4 min 10 s"),
        (60, "1 min"),
        (32400, "9 h"),
        (259_200, "3 d"),
        (0.1, "0.1 s"),
        (3599.6, "1 h"),
        (90_061, "1 d 1 h"),
        (3605, "1 h"),
    ],
)
def test_a_length_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert say_length(seconds) == said
