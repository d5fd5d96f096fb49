"""Burn-rate rules: when they fire, against raw events, and on ten minutes of live traffic."""

import math
import random
import statistics
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.reliability.slo.burn import (
    GOOGLE,
    MONTH_S,
    BurnRule,
    SloRule,
    derive_rules,
    find_alerts,
)
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import Series
from kit.reliability.slo.threshold import threshold

SPINS = Objective("spins")
RUNS = 60
SECOND = st.tuples(st.integers(0, 6), st.integers(0, 3))


# Each example compares every second of it: 80 of them are some thousand cases.
@settings(max_examples=80, deadline=None)
@given(
    st.lists(SECOND, min_size=1, max_size=60),
    st.sampled_from(["0.9", "0.95", "0.99", "0.999"]),
    st.sampled_from(["1", "2", "6", "14.4"]),
    st.integers(2, 40),
    st.integers(1, 10),
    st.integers(1, 5),
)
def test_a_rule_fires_when_counting_by_hand_says_so(
    seconds: list[tuple[int, int]], target: str, burn: str, long: int, short: int, fewest: int
) -> None:
    rule = BurnRule("page", float(burn), long, short, fewest)
    series = Series([good for good, _ in seconds], [bad for _, bad in seconds])
    states = rule.states(series, Objective("spins", float(target)))
    for now in range(len(seconds)):
        burns = []
        for window in (long, short):
            inside = seconds[max(now + 1 - window, 0) : now + 1]
            bad, valid = sum(each[1] for each in inside), sum(map(sum, inside))
            rate = Fraction(bad, valid) / (1 - Fraction(target)) if valid else Fraction(0)
            burns.append(valid > 0 and rate >= Fraction(burn))
        failures = sum(each[1] for each in seconds[max(now + 1 - long, 0) : now + 1])
        assert states[now] == (all(burns) and failures >= fewest)


@settings(max_examples=60, deadline=None)
@given(st.lists(SECOND, max_size=40), st.sampled_from([1, 5, 10]), st.integers(1, 6))
def test_a_threshold_fires_when_counting_by_hand_says_so(
    seconds: list[tuple[int, int]], percent: int, lasts: int
) -> None:
    (rule,) = threshold(f"5xx > {percent} % for {lasts} min")
    series = Series([good for good, _ in seconds], [bad for _, bad in seconds], start=0, step=60.0)
    above = [bad * 100 > percent * (good + bad) for good, bad in seconds]
    wanted = [
        now + 1 >= lasts and all(above[now + 1 - lasts : now + 1]) for now in range(len(above))
    ]
    assert rule.states(series, SPINS) == wanted


def test_the_boundary_is_exact() -> None:
    # 5 of 250 are two per cent, exactly what the rule waits for; floats make it a bit less.
    rule = BurnRule("page", 2, 60, 60)
    assert rule.states(Series([245], [5]), SPINS) == [True]
    assert rule.states(Series([246], [5]), SPINS) == [False]


def test_an_alert_has_a_beginning_and_an_end() -> None:
    series = Series([4] * 10 + [0] * 3 + [4] * 20, [0] * 10 + [4] * 3 + [0] * 20, start=100)
    first, *others = find_alerts(series, SPINS, derive_rules(SPINS).of("page"))
    assert not others
    # Five failures are there with the second second; ten seconds after the last one it ends.
    assert (first.began, first.ended) == (112, 123)
    still = Series(series.good[:12], series.bad[:12], start=100)
    (alert,) = find_alerts(still, SPINS, derive_rules(SPINS).of("page"))
    assert alert.ended is None


# The workbook


@pytest.mark.parametrize(
    ("index", "spends", "long_s", "short_s"),
    [(0, 0.02, 3600, 300), (1, 0.05, 21_600, 1800), (2, 0.10, 259_200, 21_600)],
)
def test_googles_rules_are_those_of_the_workbook(
    index: int, spends: float, long_s: float, short_s: float
) -> None:
    rule = GOOGLE[index]
    assert isinstance(rule, BurnRule)
    monthly = replace(SPINS, window_s=MONTH_S)
    assert rule.spends(monthly) == pytest.approx(spends)
    assert (rule.long_s, rule.short_s) == (long_s, short_s)
    # What Sloth's windows for 30 days give: budget share times month, over the long window.
    assert rule.burn == pytest.approx(spends * MONTH_S / long_s)
    assert rule.long_s == 12 * rule.short_s


def test_the_quick_page_needs_18_failures_in_five_minutes() -> None:
    objective = Objective("spins", 0.999, MONTH_S)
    rule = GOOGLE[0]
    assert isinstance(rule, BurnRule)
    assert rule.needs_lately(objective) == 18
    assert rule.needs(objective) == 208
    minutes = [rule.detects_after(objective, share) for share in (1, 0.1, 0.02, 0.01)]
    assert minutes[-1] is None
    assert [each and each / 60 for each in minutes[:3]] == pytest.approx([0.864, 8.64, 43.2])


def test_at_low_traffic_one_failure_is_a_seventh_of_the_month() -> None:
    # 13.9 % is the number of the workbook, for ten requests an hour at 99.9 %.
    hourly = Objective("requests", 0.999, MONTH_S, rate=10 / 3600)
    assert 1 / hourly.allowed(hourly.planned) == pytest.approx(0.139, abs=0.001)
    assert Fraction(1, 10) / hourly.budget_share == 100


# Live: ten minutes at four a second


def live(seed: int, share: float, onset: int, seconds: int = 600) -> Series:
    """Return traffic with Poisson arrivals, with 0.2 % failures, ``share`` from ``onset`` on."""
    source = random.Random(seed)
    counts = ([0] * seconds, [0] * seconds)
    at = source.expovariate(SPINS.rate)
    while at < seconds:
        fails = source.random() < (share if at >= onset else 0.002)
        counts[fails][int(at)] += 1
        at += source.expovariate(SPINS.rate)
    return Series(*counts)


def pages(series: Series, *rules: SloRule) -> list[float]:
    rules = rules or derive_rules(SPINS).of("page")
    return [alert.began for alert in find_alerts(series, SPINS, rules)]


def test_quiet_runs_have_no_page_and_the_minimum_is_why() -> None:
    quiet = [live(seed, 0.002, 0) for seed in range(RUNS)]
    assert sum(bool(pages(series)) for series in quiet) == 0
    (page,) = derive_rules(SPINS).of("page")
    assert isinstance(page, BurnRule)
    without = replace(page, at_least=1)
    assert sum(bool(pages(series, without)) for series in quiet) >= 3


@pytest.mark.parametrize("onset", [20, 120])
@pytest.mark.parametrize(("share", "median"), [(0.25, 6), (0.10, 15), (0.05, 28)])
def test_every_incident_is_paged_for_in_time(share: float, median: float, onset: int) -> None:
    found = []
    for seed in range(RUNS):
        after = [page for page in pages(live(seed, share, onset, onset + 120)) if page > onset]
        found.append(after[0] - onset if after else math.inf)
    assert max(found) < math.inf
    # What five failures take, and the second in which they are counted.
    assert statistics.median(found) <= median
    assert statistics.median(found) >= 0.7 * 5 / (share * SPINS.rate)


@pytest.mark.parametrize("text", ["", "5xx > 1 %", "5xx > x % for 5 min", "p95 > 1 % for 5 min"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a threshold"):
        threshold(text)


@pytest.mark.parametrize("values", [(0, 60, 5), (2, 0, 5), (2, 60, 0), (math.nan, 60, 5)])
def test_a_rule_needs_a_rate_and_windows(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="more than zero"):
        BurnRule("page", *values)
