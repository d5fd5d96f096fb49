"""What context is worth: no figure without a source, no ratio from few, no effect from chance."""

import random
from dataclasses import fields, replace
from statistics import median

import pytest

from kit.reliability.drill.worth import (
    NO_EFFECT,
    Assumptions,
    CaseForSentry,
    coverage,
    make_case,
    median_interval,
)
from tests.reliability.test_drill_board import BASE

CLEAR = [(600.0, 200.0), (500.0, 200.0), (400.0, 200.0), (900.0, 200.0), (300.0, 200.0)]
# Detected after 20 s, diagnosed after 140: two minutes of diagnosis.
DRILLS = [replace(BASE, diagnosed_s=140.0)]


def case(pairs: list[tuple[float, float]], **assumed: float) -> CaseForSentry:
    return make_case(pairs, DRILLS, Assumptions(**assumed))


@pytest.mark.parametrize("count", range(5))
def test_fewer_than_five_pairs_have_no_ratio(count: int) -> None:
    found = case(CLEAR[:count])
    assert (found.ratio, found.interval, found.break_even) == (None, None, None)
    for text in (repr(found), found._repr_html_()):
        assert "Too few measurements" in text
        assert "3.0" not in text
        assert "break-even" not in text


def test_five_pairs_have_one() -> None:
    found = case(CLEAR)
    assert (found.ratio, found.interval) == (2.5, (1.5, 4.5))
    assert found.is_effect_shown
    # Two minutes of diagnosis: half of it saved at least, 3.5 times at most.
    assert found.minutes_saved == pytest.approx((1.0, 7.0))


def test_the_break_even_is_that_of_a_hand() -> None:
    found = case(CLEAR, people=2, cost_an_hour=60, price_a_month=80, care_hours_a_month=1)
    # 140 a month; a minute of two people is 2; so 2 to 14 are saved an incident.
    assert found.break_even == pytest.approx((10.0, 70.0))
    assert "It breaks even at 10 to 70 incidents a month." in found.sentence
    assert found.sentence.endswith("it does not pay.")
    even = case(
        CLEAR,
        people=2,
        cost_an_hour=60,
        price_a_month=80,
        care_hours_a_month=1,
        incidents_a_month=70,
    )
    assert even.sentence.endswith("it pays.")


@pytest.mark.parametrize(
    "pairs",
    [
        [(100.0, 100.0)] * 9,
        [(100.0, 101.0), (101.0, 100.0)] * 4,
        [(600.0, 200.0)] * 4 + [(100.0, 400.0)],
    ],
    ids=["equal", "nearly", "one against four"],
)
def test_no_effect_is_said(pairs: list[tuple[float, float]]) -> None:
    found = case(pairs)
    assert not found.is_effect_shown
    assert (found.minutes_saved, found.break_even) == (None, None)
    for text in (repr(found), found._repr_html_(), found.sentence):
        assert NO_EFFECT in text


def test_context_that_makes_it_slower_does_not_pay() -> None:
    found = case([(card, logs) for logs, card in CLEAR])
    assert found.is_effect_shown
    assert found.break_even is None
    assert "it took longer" in found.sentence


def test_no_drill_no_saving() -> None:
    found = make_case(CLEAR, [replace(BASE, diagnosed_s=None)], Assumptions())
    assert (found.is_effect_shown, found.minutes_saved) == (True, None)
    assert "No drill is diagnosed yet" in found.sentence


def test_an_experiment_without_a_ratio_is_no_pair() -> None:
    class Result:
        ratio: float | None = None

    with_ratio = Result()
    with_ratio.ratio = 2.0
    assert make_case([Result(), with_ratio], [], Assumptions()).ratios == (2.0,)
    with pytest.raises(ValueError, match="more than 0 seconds"):
        make_case([(0.0, 3.0)], [], Assumptions())


def test_every_figure_says_where_it_comes_from() -> None:
    found = case(CLEAR)
    for figure in (*found.measured, *found.outcomes):
        assert figure.source.startswith(("measured: ", "computed: "))
    for figure, each in zip(found.assumptions, fields(Assumptions), strict=True):
        assert figure.source == f"{each.name}={getattr(found.assumed, each.name):g}"
        # An assumption that is changed is shown as such, and changes what follows.
        changed = case(CLEAR, **{each.name: 17.0})
        assert f"{each.name}=17" in changed._repr_html_()
        assert (changed.sentence, changed.outcomes) != (found.sentence, found.outcomes)
    assert all(text in repr(found) for text in found.not_measured)


def test_an_assumption_is_a_number_from_zero_on() -> None:
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="people must be a number"):
            Assumptions(people=wrong)


@pytest.mark.parametrize("count", [5, 8, 13, 20])
def test_the_interval_has_the_true_median_as_often_as_it_says(count: int) -> None:
    chance = random.Random(count)
    rounds, hits = 2000, 0
    for _ in range(rounds):
        low, high = median_interval([chance.lognormvariate(0.7, 0.5) for _ in range(count)])
        hits += low <= 2.718281828**0.7 <= high
    said = coverage([0.0] * count)
    assert said >= 0.9
    assert hits / rounds == pytest.approx(said, abs=0.025)


@pytest.mark.parametrize("count", [5, 8, 12])
def test_equal_times_show_an_effect_at_most_as_often_as_it_says(count: int) -> None:
    chance = random.Random(count)
    shown = 0
    for _ in range(1000):
        pairs = [
            (chance.lognormvariate(5, 0.4), chance.lognormvariate(5, 0.4)) for _ in range(count)
        ]
        shown += case(pairs).is_effect_shown
    assert shown / 1000 <= 1 - coverage([0.0] * count) + 0.03
    assert median(median_interval([1.0, 2.0, 3.0, 4.0, 5.0])) == 3
