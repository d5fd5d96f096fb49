"""What a seed draws: the same for a class, and nothing that gives it away."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from demo_services.services import ANALYTICS
from kit.actionable import WorkshopError
from kit.crashes.catalogue import find_crash
from kit.reliability.drill.chance import Chance
from kit.reliability.drill.environment import missing_faults
from kit.reliability.drill.scenario import (
    FLAG_NAMES,
    NATURAL_ERRORS,
    NO_OP,
    SERVICES,
    Scenario,
    draw_scenario,
    seed_of_the_day,
)
from tests.reliability.drills import FAULTS, seed_of

SEEDS = range(300)
DRAWN: list[object] = [42, "a", [5, 7, 1]]


@pytest.fixture(scope="module")
def drawn() -> list[Scenario]:
    return [draw_scenario(seed, FAULTS) for seed in SEEDS]


def test_the_same_seed_is_the_same_drill() -> None:
    assert len({draw_scenario(20261129, FAULTS) for _ in range(20)}) == 1
    assert draw_scenario(7, FAULTS) == draw_scenario(7, FAULTS[::-1])


def test_a_draw_is_the_one_of_every_version() -> None:
    chance = Chance("drill 7")
    drawn = [chance.whole(1000), chance.pick("abcdef"), chance.sample(range(9), 3)]
    assert drawn == DRAWN


@pytest.mark.slow
def test_another_process_draws_the_same() -> None:
    program = (
        "from tests.reliability.drills import *;"
        "print([repr(draw_scenario(seed, FAULTS)) for seed in range(9)])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == str([repr(draw_scenario(seed, FAULTS)) for seed in range(9)])


def test_seeds_differ_and_each_fault_that_is_felt_comes_up(drawn: list[Scenario]) -> None:
    counted = Counter(scenario.fault for scenario in drawn)
    quiet = {"ledger-down", "ledger-slow", "mongo-down"}
    assert set(counted) == {fault.name for fault in FAULTS} - quiet
    assert min(counted.values()) > len(drawn) / len(counted) / 3
    assert len({scenario.starts_at for scenario in drawn}) == len(drawn)


def test_no_name_of_a_flag_gives_it_away(drawn: list[Scenario]) -> None:
    for scenario in drawn:
        assert len(set(scenario.flags)) == 3
        assert set(scenario.flags) <= set(FLAG_NAMES)
        for fault in FAULTS:
            assert not set(fault.name.split("-")) & set("-".join(scenario.flags).split("-"))
    # Nor its place in the list.
    places = Counter(scenario.flags.index(scenario.flag) for scenario in drawn)
    assert min(places.values()) > len(drawn) / 6


def test_one_decoy_is_where_the_incident_is_and_one_elsewhere(drawn: list[Scenario]) -> None:
    for scenario in drawn:
        near, far = (decoy.service for decoy in scenario.decoys)
        assert near == scenario.evaluated_by
        assert far in set(SERVICES) - {near}


def test_the_right_cause_is_one_of_five_at_any_place(drawn: list[Scenario]) -> None:
    titles = {fault.name: fault.title for fault in FAULTS}
    for scenario in drawn:
        assert len(set(scenario.causes)) == 5
        assert scenario.cause == titles[scenario.fault]
    places = Counter(scenario.causes.index(scenario.cause) for scenario in drawn)
    assert set(places) == set(range(5))


def test_people_write_within_the_drill_and_support_after_it_began(drawn: list[Scenario]) -> None:
    for scenario in drawn:
        times = [message.at for message in scenario.messages]
        assert times == sorted(times)
        assert times[0] > 0
        assert times[-1] < scenario.ends_at
        [status] = [message for message in scenario.messages if message.wants_status]
        assert status.at == 180


def test_minutes_stretch_the_times_and_change_nothing_else() -> None:
    long, short = (draw_scenario(4, FAULTS, minutes=minutes) for minutes in (8, 1))
    assert short.starts_at == pytest.approx(long.starts_at / 8)
    times = {"minutes": 0, "starts_at": 0, "natural_errors": (), "messages": ()}
    assert replace(short, **times) == replace(long, **times)  # type: ignore[arg-type]


def test_what_cannot_be_injected_here_is_passed_over() -> None:
    seed = seed_of("payment-fails")
    payments = {fault.name for fault in FAULTS if fault.name.startswith("payment")}
    assert not draw_scenario(seed, FAULTS, unavailable=payments).fault.startswith("payment")
    other = seed_of("bad-release")
    assert draw_scenario(other, FAULTS, unavailable=payments) == draw_scenario(other, FAULTS)
    with pytest.raises(WorkshopError, match="None can be injected here"):
        draw_scenario(seed, FAULTS, unavailable={fault.name for fault in FAULTS})


def test_a_fault_on_the_way_is_right_at_both_ends() -> None:
    assert set(draw_scenario(seed_of("payment-down"), FAULTS).services) == {
        "payment",
        "game-engine",
    }
    assert draw_scenario(seed_of("gateway-truncates"), FAULTS).services == ("gateway",)


@pytest.mark.parametrize(("crash_id", "variant"), NATURAL_ERRORS)
def test_an_error_of_every_day_refuses_no_spin(crash_id: str, variant: str) -> None:
    crash, _ = find_crash(crash_id, {"type": variant})
    assert crash.status == 200
    assert not crash.deadly
    assert crash.called is not ANALYTICS
    assert NO_OP not in crash_id


def test_what_needs_a_part_that_is_missing_cannot_be_injected() -> None:
    assert missing_faults(FAULTS, {"payment"}) == {"payment-fails", "payment-slow", "payment-down"}
    assert missing_faults(FAULTS, {"database"}) == {
        "ledger-down",
        "ledger-slow",
        "mongo-down",
    }
    assert missing_faults(FAULTS, ()) == frozenset()


@pytest.mark.parametrize("minutes", [0, 0.05, 11, -1, float("nan")])
def test_a_drill_is_no_longer_than_a_lease(minutes: float) -> None:
    with pytest.raises(ValueError, match=r"takes 0\.1 to 10 minutes"):
        draw_scenario(1, FAULTS, minutes=minutes)


def test_the_seed_of_the_day_is_its_date() -> None:
    assert re.fullmatch(r"20\d{6}", str(seed_of_the_day()))
