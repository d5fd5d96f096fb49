"""Who sends what and when: the same for the same seed, wherever it is drawn."""

import itertools
import statistics
from collections import Counter
from itertools import islice, pairwise
from typing import Any

import pytest

from kit.reliability.traffic.plan import PLAYERS, TrafficPlan

# Of Python 3.11 on Linux. Another value elsewhere means another plan.
SEED_7 = "7d55833b8ba65e949ff3fdfbd6c1f843d28d2639574f477c65b35a6e67856421"


def test_the_same_seed_gives_the_same_plan_on_every_machine() -> None:
    assert {TrafficPlan(seed=7).fingerprint() for _ in range(20)} == {SEED_7}


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"rate": 5.0}, {"shape": "day"}, {"shape": "spike"}, {"minutes": 1.0}]
)
def test_what_changes_the_plan_changes_its_hash(change: dict[str, Any]) -> None:
    assert TrafficPlan(**change).fingerprint(5000) != TrafficPlan().fingerprint(5000)


@pytest.mark.parametrize("seed", range(7, 12))
def test_the_rate_over_five_minutes_is_the_one_asked_for(seed: int) -> None:
    due = list(TrafficPlan(rate=10, seed=seed, minutes=5))
    assert len(due) == pytest.approx(3000, rel=0.05)
    assert all(earlier.due_s <= later.due_s for earlier, later in pairwise(due))


def test_the_default_plan_keeps_its_rate_within_five_percent() -> None:
    assert len(list(TrafficPlan(minutes=5))) == pytest.approx(1200, rel=0.05)


def test_arrivals_are_independent_of_each_other() -> None:
    """Of Poisson arrivals the waits deviate by as much as they last, on average."""
    due = [each.due_s for each in TrafficPlan(rate=10, minutes=30)]
    waits = [later - earlier for earlier, later in pairwise(due)]
    assert statistics.mean(waits) == pytest.approx(0.1, rel=0.05)
    assert statistics.stdev(waits) == pytest.approx(0.1, rel=0.05)


def test_players_bets_and_routes() -> None:
    plan = list(TrafficPlan(rate=10, minutes=60))
    assert {each.player for each in plan} == {f"p{number}" for number in range(PLAYERS)}
    assert {each.bet for each in plan} == {1, 2, 3, 4, 5}
    routes = Counter(each.route for each in plan)
    shares = {route: routes[route] / len(plan) for route in routes}
    assert shares == pytest.approx({"spin": 0.90, "stats": 0.08, "health": 0.02}, abs=0.01)


def test_one_request_in_fifty_is_sampled_and_the_first_is() -> None:
    plan = list(islice(TrafficPlan(), 500))
    assert [number for number, each in enumerate(plan) if each.is_sampled] == [*range(0, 500, 50)]
    assert not any(each.is_sampled for each in islice(TrafficPlan(sampled=0), 500))
    assert all(each.is_sampled for each in islice(TrafficPlan(sampled=1), 500))


def per_minute(plan: TrafficPlan) -> list[float]:
    due = Counter(int(each.due_s // 60) for each in plan)
    return [due[minute] / 60 for minute in range(int(plan.minutes))]


def test_a_day_has_a_night_and_a_noon() -> None:
    days = [per_minute(TrafficPlan(rate=5, shape="day", seed=seed)) for seed in range(20)]
    night, *_, noon, _, _, _, _ = (statistics.mean(minute) for minute in zip(*days, strict=True))
    assert night == pytest.approx(2.19, rel=0.05)
    assert noon == pytest.approx(7.81, rel=0.05)
    assert statistics.mean(map(statistics.mean, days)) == pytest.approx(5, rel=0.03)


def test_a_spike_is_in_the_middle() -> None:
    rates = per_minute(TrafficPlan(rate=4, shape="spike", minutes=20))
    assert statistics.mean(rates[9:11]) == pytest.approx(10, rel=0.15)
    assert statistics.mean(rates[:9] + rates[11:]) == pytest.approx(4, rel=0.1)


def test_it_is_never_faster_than_the_limit() -> None:
    plan = TrafficPlan(rate=10, shape="spike", minutes=10)
    assert {plan.rate_at(after_s) for after_s in range(600)} == {10}


def test_it_is_made_as_it_is_needed() -> None:
    class Counting(TrafficPlan):
        asked = 0

        def rate_at(self, after_s: float) -> float:
            Counting.asked += 1
            return super().rate_at(after_s)

    assert len(list(itertools.islice(Counting(rate=10, minutes=60), 3))) == 3
    assert Counting.asked == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rate": 0}, "rate must be above 0 and at most 10 a second"),
        ({"rate": 10.5}, "rate must be"),
        ({"rate": float("nan")}, "rate must be"),
        ({"minutes": 0}, "minutes must be above 0 and at most 60"),
        ({"minutes": 61}, "minutes must be"),
        ({"shape": "round"}, "shape must be flat, day or spike"),
        ({"sampled": 2}, "sampled must be a share from 0 to 1"),
    ],
)
def test_what_is_out_of_bounds_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrafficPlan(**given)
