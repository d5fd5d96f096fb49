"""A game day on the real system: real traffic, real faults, real webhooks and a real repair."""

import threading
from functools import partial

import pytest

from kit.reliability.faults.leases import LeaseClient
from kit.reliability.game_day.game_day import GameDay
from kit.reliability.game_day.result import RepairMode
from kit.workshop import Workshop
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
wait_for = partial(wait_until, seconds=20.0)

# Draws payment-fails and bad-release, half of the requests each: both leave error events.
SEED = 50


def make_day(workshop: Workshop, repair: RepairMode) -> GameDay:
    return workshop.game_day(SEED, 0.9, repair, rate=2, faults=2, no_ops=0, hold=(20, 20))


def threads_of_game_days() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("game-day", "traffic", "fault-schedule"))]


def test_repair_off_and_on_are_compared(own_workshop: Workshop) -> None:
    workshop = own_workshop
    without = make_day(workshop, "off").wait()
    repaired = make_day(workshop, "auto").wait()
    assert without.truth_for_judges() == repaired.truth_for_judges()
    found = repaired.against(without)
    for each in found.incidents:
        assert each.without.failed > 5
        assert each.without.on_s == pytest.approx(each.without.planned_s, abs=2)
        # How many requests that saves depends on how busy this machine is.
        assert each.with_repair.on_s < each.without.on_s - 2
    assert without.result.actions == 0
    assert repaired.result.actions > repaired.result.wrong_actions
    assert any("did turn the flag off" in note.text for note in repaired.journal)
    assert repaired.alerts
    assert_nothing_is_left(workshop)
    assert workshop.progress().game_days == (without.result, repaired.result)
    assert [row.number for row in workshop.game_board().rows] == [1, 2]


def assert_nothing_is_left(workshop: Workshop) -> None:
    for _, states in LeaseClient(workshop._gateway).read_all():
        assert isinstance(states, tuple)
        assert all(state.ended_at for state in states)
    wait_for(lambda: not threads_of_game_days())


def test_it_ends_with_the_next_one_and_with_the_workshop(own_workshop: Workshop) -> None:
    first = make_day(own_workshop, "auto").start()
    second = make_day(own_workshop, "ask").start()
    assert first.phase == "stopped"
    own_workshop.stop()
    assert second.phase == "stopped"
    wait_for(lambda: not threads_of_game_days())
