"""A game day: the clock, what is measured, what is done by hand or asked for, and its end."""

from dataclasses import replace

import pytest

from kit.reliability.faults.catalogue import find_fault
from kit.reliability.game_day.environment import GameMark
from kit.reliability.game_day.script import KINDS, GameDayError, draw_script
from tests.reliability.drills import BEGAN
from tests.reliability.game_days import RULE, GameStage


@pytest.fixture
def stage() -> GameStage:
    return GameStage()


# What a seed draws


def test_the_same_seed_gives_the_same_day() -> None:
    prints = {draw_script(20261129, minutes=3).fingerprint() for _ in range(3)}
    assert len(prints) == 1
    assert draw_script(20261130, minutes=3).fingerprint() not in prints
    # The faults and the players depend on it, and on nothing else.
    one, other = draw_script(11, minutes=3), draw_script(12, minutes=3)
    assert one.faults.as_json() != other.faults.as_json()
    assert one.traffic.fingerprint() != other.traffic.fingerprint()
    assert replace(one, faults=other.faults).fingerprint() != one.fingerprint()
    assert replace(one, traffic=other.traffic).fingerprint() != one.fingerprint()


def test_ten_minutes_have_each_fault_once_and_two_no_ops() -> None:
    for seed in range(20):
        incidents = draw_script(seed).faults.incidents
        assert sorted(each.fault for each in incidents if each.fault) == sorted(KINDS)
        assert sum(each.is_no_op for each in incidents) == 2
        assert all(15 <= each.ends_at - each.starts_at <= 50 for each in incidents)


def test_each_fault_of_it_is_felt_by_players() -> None:
    for kind in KINDS:
        fault = find_fault(kind)
        assert {"refused", "broken"} & set(fault.shows) or (fault.slow_s or 0) >= 2


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"minutes": 31}, {"minutes": 0.1, "faults": 3}])
def test_what_does_not_fit_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="minutes"):
        draw_script(1, **wrong)  # type: ignore[arg-type]


def test_a_machine_without_any_fault_is_told() -> None:
    with pytest.raises(GameDayError, match="None can be injected here"):
        draw_script(1, kinds=[])


# The day


def test_nothing_runs_before_the_start(stage: GameStage) -> None:
    assert (stage.day.phase, stage.day.elapsed_s) == ("not started", 0)
    assert not any(stage.runs)
    for refused in (stage.day.kill, lambda: stage.day.turn_off("x")):
        with pytest.raises(GameDayError, match="not started"):
            refused()


def test_without_repair_each_incident_hurts_until_it_ends(stage: GameStage) -> None:
    stage.day.start()
    assert stage.traffic.is_running
    result = stage.play()
    assert not any(stage.runs)
    assert [each.fault for each in result.incidents].count(None) == 1
    for each in result.incidents:
        if each.fault is None:
            assert (each.failed, each.recovery_s) == (0, None)
        else:
            assert each.on_s == each.planned_s
            assert each.recovery_s == pytest.approx(each.planned_s, abs=1.1)
            assert each.failed == pytest.approx(2 * each.planned_s, abs=1)
    assert result.failed == sum(each.failed for each in result.incidents)
    assert result.budget_spent == pytest.approx(result.failed / (0.05 * 480), rel=0.01)
    assert (result.actions, result.wrong_actions, result.pages) == (0, 0, 0)
    assert stage.remembered == [result]
    assert stage.incidents.revealed == 1


def test_what_is_turned_off_in_time_hurts_less(stage: GameStage) -> None:
    first = stage.faults[0]
    stage.day.start()
    stage.wait(first.starts_s + 5)
    assert stage.day.turn_off(first.flag)
    result = stage.play()
    measured = next(each for each in result.incidents if each.starts_s == first.starts_s)
    assert measured.on_s == pytest.approx(5, abs=0.3)
    assert measured.recovery_s == pytest.approx(5, abs=1.1)
    assert (result.actions, result.wrong_actions) == (1, 0)


def test_turning_off_a_no_op_or_nothing_is_a_wrong_action(stage: GameStage) -> None:
    no_op = next(each for each in stage.incidents.played if each.fault is None)
    stage.day.start()
    stage.wait(no_op.starts_s + 2)
    assert stage.day.turn_off(no_op.flag)
    assert not stage.day.turn_off(no_op.flag)
    result = stage.play()
    assert (result.actions, result.wrong_actions) == (2, 2)


def test_what_is_done_after_the_incident_ended_is_wrong(stage: GameStage) -> None:
    first = stage.faults[0]
    stage.day.start()
    stage.wait(first.starts_s + 3)
    stage.day.turn_off(first.flag)
    stage.wait(first.starts_s + 8)
    stage.day.turn_off(first.flag)
    result = stage.play()
    assert (result.actions, result.wrong_actions) == (2, 1)


def test_an_action_is_right_when_players_feel_nothing_any_more() -> None:
    """A breaker or shed load ends no fault, and helps."""
    stage = GameStage(repair="ask")
    first = stage.faults[0]
    stage.day.start()
    stage.wait(first.starts_s + 4)
    stage.made_up_desk.do = lambda: None
    stage.made_up_desk.ask()
    stage.day.approve("1")
    while stage.clock() < BEGAN + first.planned_end_s:
        stage.traffic.answer(stage.clock(), is_good=True)
        stage.clock.seconds += 0.25
    result = stage.play()
    assert (result.actions, result.wrong_actions) == (1, 0)


def test_pages_of_one_incident_are_one_and_a_page_of_a_no_op_is_another(stage: GameStage) -> None:
    first = stage.faults[0]
    no_op = next(each for each in stage.incidents.played if each.fault is None)
    stage.alerts.fired.append(GameMark(BEGAN - 1, RULE, "of what was before", is_page=True))
    stage.day.start()
    for at in sorted([first.starts_s + 4, first.starts_s + 5, no_op.starts_s + 14]):
        stage.wait(at)
        stage.page()
    result = stage.play()
    measured = next(each for each in result.incidents if each.starts_s == first.starts_s)
    assert measured.paged_s == pytest.approx(4, abs=0.3)
    assert result.pages == 2


def test_nothing_of_what_fires_later_changes_what_was_shown(stage: GameStage) -> None:
    stage.day.start()
    stage.play()
    before = stage.day.alerts
    stage.page()
    assert stage.day.alerts == before


# Repair


def test_the_responder_asks_and_does_what_is_approved() -> None:
    stage = GameStage(repair="ask")
    first = stage.faults[0]
    stage.day.start()
    assert stage.made_up_desk.is_running
    stage.wait(first.starts_s + 4)
    stage.made_up_desk.ask()
    [ask] = stage.day.asks
    stage.day.approve(ask.id)
    assert not stage.incidents.on()
    with pytest.raises(GameDayError, match="waits for an answer"):
        stage.day.approve(ask.id)
    result = stage.play()
    assert (result.repair, result.actions, result.wrong_actions) == ("ask", 1, 0)
    assert not stage.made_up_desk.is_running


def test_what_is_denied_is_no_action() -> None:
    stage = GameStage(repair="ask")
    stage.day.start()
    stage.wait(stage.faults[0].starts_s + 4)
    stage.made_up_desk.ask()
    stage.day.deny("1")
    assert stage.incidents.on()
    stage.day.kill()
    assert stage.made_up_desk.is_killed
    assert stage.play().actions == 0


# The end


def test_a_day_that_is_stopped_leaves_nothing_on_and_is_not_remembered(stage: GameStage) -> None:
    stage.day.start()
    stage.wait(stage.faults[0].starts_s + 2)
    stage.day.stop()
    stage.day.stop()
    assert stage.day.phase == "stopped"
    assert not any(stage.runs)
    assert stage.remembered == []
    with pytest.raises(GameDayError, match="stopped"):
        _ = stage.day.result
    assert "No result is saved" in stage.day._repr_html_()
    assert stage.incidents.revealed == 0


def test_it_runs_once(stage: GameStage) -> None:
    stage.day.start()
    stage.play()
    assert stage.day.start().phase == "over"
    assert len(stage.remembered) == 1


def test_what_cannot_be_remembered_is_said(stage: GameStage) -> None:
    stage.cannot_remember = "Could not save progress: no space."
    stage.day.start()
    stage.play()
    assert stage.cannot_remember in stage.day._repr_html_()


def test_a_day_that_was_never_started_can_be_stopped_and_starts_no_more(stage: GameStage) -> None:
    stage.day.stop()
    assert stage.day.start().phase == "stopped"
    assert not any(stage.runs)
    assert stage.day.wait() is stage.day
