"""The simulated month: when Google's rules page in it, and what other rules make of it."""

import statistics
import time
import tracemalloc

import pytest

from kit.reliability.slo.burn import GOOGLE, BurnRule
from kit.reliability.slo.month import HISTORY, MINUTES, MonthIncident
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.slo import Slo

SLO = Slo(Objective("spins", 0.999))
# The last one is below what any rule that pages waits for.
INCIDENTS = [(1.0, "10 min"), (0.1, "40 min"), (0.02, "3 h"), (0.01, "9 h"), (0.0005, "9 h")]
QUICK, SLOW = GOOGLE.of("page")


def detections(seeds: range) -> tuple[list[list[int | None]], int]:
    """Return after how many minutes each incident was paged for, and the number of false pages."""
    found: list[list[int | None]] = [[] for _ in INCIDENTS]
    false = 0
    for seed in seeds:
        comparison = SLO.month(seed, INCIDENTS).compare(GOOGLE)
        false += comparison.false_pages[GOOGLE.name]
        for index, outcome in enumerate(comparison):
            found[index].append(outcome.paged_after)
    return found, false


@pytest.mark.parametrize("seeds", [range(5), pytest.param(range(100), marks=pytest.mark.slow)])
def test_pages_come_when_the_formula_says(seeds: range) -> None:
    found, false = detections(seeds)
    assert false == 0
    for (share, _), minutes in zip(INCIDENTS, found, strict=True):
        assert isinstance(QUICK, BurnRule)
        assert isinstance(SLOW, BurnRule)
        formula = [rule.detects_after(SLO.objective, share) for rule in (QUICK, SLOW)]
        expected = min((each / 60 for each in formula if each is not None), default=None)
        if expected is None:
            assert minutes == [None] * len(seeds)
            continue
        seen = [each for each in minutes if each is not None]
        assert len(seen) == len(seeds)
        assert statistics.median(seen) == pytest.approx(expected, abs=max(1, 0.1 * expected))


def test_a_month_is_quick() -> None:
    began = time.process_time()
    SLO.month(3, INCIDENTS).compare()
    assert time.process_time() - began < 0.5


@pytest.mark.slow
def test_a_month_is_small() -> None:
    tracemalloc.start()
    SLO.month(3, INCIDENTS).compare()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * 1024 * 1024


def test_the_same_seed_is_the_same_month() -> None:
    one, same, other = (SLO.month(seed, INCIDENTS) for seed in (3, 3, 4))
    assert one.series.bad == same.series.bad
    assert one.incidents == same.incidents
    assert one.series.bad != other.series.bad
    assert one.incidents != other.incidents


def test_a_month_has_its_minutes_and_its_incidents_in_it() -> None:
    month = SLO.month(7, INCIDENTS)
    assert len(month.series) == HISTORY + MINUTES
    assert month.total == pytest.approx(0.001 * 240 * MINUTES)
    before = 0
    for incident, (share, _) in zip(month.incidents, INCIDENTS, strict=True):
        assert before < incident.starts < incident.ends <= MINUTES
        before = incident.ends
        failed = month.series.bad_between(HISTORY + incident.starts, HISTORY + incident.ends)
        assert failed / (240 * incident.lasts) == pytest.approx(share, rel=0.15)
        assert month.spent(incident.starts, incident.ends) == pytest.approx(failed / month.total)


def test_rules_are_compared_by_what_they_cost() -> None:
    month = SLO.month(3, [(1.0, "3 min"), (0.009, "12 h"), (0.02, "6 min")])
    comparison = month.compare()
    google, threshold = (comparison.of(name) for name in comparison.false_pages)
    # A total failure of three minutes is over before the threshold has seen five of them.
    assert [each.paged_after for each in google] == [1, google[1].paged_after, None]
    assert threshold[0].paged_after is None
    assert threshold[0].is_missed
    # A slow burn that never reaches one per cent for long: the six-hour rule sees it.
    assert google[1].paged_after == pytest.approx(240, rel=0.15)
    assert google[1].cost > 0.1
    # Six minutes at 2 % cost a quarter of a per cent: nothing to be woken for, and none is missed.
    assert google[2].cost < 0.005
    assert not google[2].is_missed
    assert google[0].spent_until == pytest.approx(1 / (0.001 * MINUTES), rel=0.05)
    assert "Google's workbook pages for 2 of 3 incidents, with no false page." in repr(comparison)
    assert repr(comparison).startswith("<MonthComparison, simulated, seed 3>")
    assert "simulated month" in repr(month)


def test_a_page_ends_after_its_incident() -> None:
    (outcome,) = SLO.month(5, [(0.1, "2 h")]).compare(GOOGLE)
    # The short window of the slow page is half an hour.
    assert outcome.reset_after is not None
    assert 20 <= outcome.reset_after <= 30
    assert outcome.ticket_after is not None


def test_at_low_traffic_a_single_failure_pages() -> None:
    rare = Slo(Objective("requests", 0.999, rate=10 / 3600))
    month = rare.month(2, ordinary=0.0005)
    comparison = month.compare("errors > 1 % for 1 min", GOOGLE)
    assert sum(month.series.bad[HISTORY:]) > 0
    assert comparison.false_pages[GOOGLE.name] > 0


@pytest.mark.parametrize(
    "incidents",
    [[(0.1, "31 d")], [(0.1, "1 min")] * 21, [(0.0, "1 h")], [(1.5, "1 h")], [(0.1, "soon")]],
)
def test_incidents_that_cannot_be_are_refused(incidents: list[tuple[float, str]]) -> None:
    with pytest.raises(ValueError, match=r"month|share|length"):
        SLO.month(1, incidents)


def test_an_incident_says_what_happens() -> None:
    assert MonthIncident(0.015, 10, 90).sentence == "1.5 % fail for 1 h 30 min"
