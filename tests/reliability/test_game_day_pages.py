"""What is shown of game days: the screen, the comparison, the board, and what is remembered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.course.progress import Journal, read_progress
from kit.reliability.game_day.board import draw_game_board, read_game_board, say_standing
from kit.reliability.game_day.comparison import compare_game_days
from kit.reliability.game_day.environment import GameMark
from kit.reliability.game_day.face import GameFace
from kit.reliability.game_day.picture import group_alerts
from kit.reliability.game_day.result import GameResult, read_game_result
from kit.reliability.game_day.script import GameDayError
from tests.reliability.game_days import INCIDENT, RESULT, RULE, GameStage
from tests.waiting import wait_until

REPAIRED = replace(
    RESULT,
    repair="auto",
    failed=8,
    budget_spent=0.333,
    actions=1,
    incidents=(replace(INCIDENT, failed=8, recovery_s=5.0, on_s=5.2), RESULT.incidents[1]),
)


# The screen


def test_the_truth_is_shown_at_the_end_only() -> None:
    stage = GameStage()
    names = {each.fault for each in stage.faults}
    stage.day.start()
    stage.wait(stage.script.seconds - 1)
    running = f"{stage.day._repr_html_()}{stage.day!r}"
    assert not any(name in running for name in names)
    assert "What really happened" not in running
    result = stage.play()
    over = stage.day._repr_html_()
    assert all(name in over for name in names)
    assert result.sentence in over
    # A still picture: nothing of it changes any more.
    stage.clock.seconds += 100
    assert stage.day._repr_html_() == over


def test_what_events_and_the_responder_say_is_escaped() -> None:
    stage = GameStage(repair="ask")
    stage.day.start()
    stage.wait(2)
    stage.page()
    stage.made_up_desk.ask()
    face = GameFace(stage.day)
    stage.day._face = face
    stage.day.show()
    shown = f"{stage.day._repr_html_()}{face._says.value}"
    assert "&lt;x&gt;" in shown
    assert "Turn &lt;b&gt;rollout" in shown
    assert "<x>" not in shown
    assert "<b>rollout" not in shown


def test_buttons_do_what_the_methods_do() -> None:
    stage = GameStage(repair="ask")
    stage.day._face = face = GameFace(stage.day)
    stage.day.show()
    assert _is_shown(face.start_button)
    assert not _is_shown(face.hand_row)
    face.start_button.click()
    stage.wait(stage.faults[0].starts_s + 4)
    assert stage.day.phase == "running"
    assert not _is_shown(face.approve_button)
    stage.made_up_desk.ask()
    stage.day.show()
    assert _is_shown(face.approve_button)
    face.approve_button.click()
    wait_until(lambda: not _is_shown(face.approve_button), seconds=30)
    assert not stage.incidents.on()
    face.flag_box.value = " no-such-flag "
    face.flag_button.click()
    wait_until(lambda: len(stage.day._by_hand) == 1, seconds=30)
    face.kill_button.click()
    wait_until(lambda: not _is_shown(face.kill_button), seconds=30)
    assert "the kill switch is thrown" in stage.day._repr_html_()
    face.stop_button.click()
    wait_until(lambda: not _is_shown(face.hand_row), seconds=30)
    assert stage.day.phase == "stopped"


def _is_shown(widget: Any) -> bool:
    return bool(widget.layout.display != "none")


def test_a_rule_that_fires_again_and_again_is_one_line() -> None:
    marks = [GameMark(at, RULE, f"error {at}", is_page=True) for at in (1, 2, 4, 20)]
    first, second = group_alerts(marks)
    assert (first.at, first.text, first.more) == (1, "error 1", 2)
    assert (second.at, second.more) == (20, 0)


# Two runs


def test_a_comparison_says_what_was_measured_and_what_chance_explains() -> None:
    found = compare_game_days(RESULT, REPAIRED)
    assert found.is_shown
    assert "32 fewer. Chance alone explains 14." in found.sentence
    assert found.incidents[0].cells == ("29.0 s", "5.0 s", "40", "8")
    page = found._repr_html_()
    for figure in ("167 %", "33 %", "Wrong actions", "29.0 s"):
        assert figure in page
    assert "Repair auto" in page


@pytest.mark.parametrize("failed", [40, 33, 47])
def test_a_difference_that_chance_explains_is_no_effect(failed: int) -> None:
    found = compare_game_days(RESULT, replace(REPAIRED, failed=failed))
    assert "no effect shown" in found.sentence
    assert "no effect shown" in str(found)


def test_what_failed_outside_of_incidents_is_told() -> None:
    busy = replace(RESULT, failed=52)
    assert "12 requests failed outside of any incident" in busy.done
    assert "outside" not in RESULT.done
    assert ("Failed outside of incidents", "0", "12") in compare_game_days(RESULT, busy).rows


def test_a_repair_that_harms_is_said() -> None:
    assert "60 more" in compare_game_days(RESULT, replace(REPAIRED, failed=100)).sentence


@pytest.mark.parametrize("other", [{"seed": 8}, {"minutes": 3.0}, {"incidents": (INCIDENT,)}])
def test_other_days_are_not_compared(other: dict[str, Any]) -> None:
    with pytest.raises(GameDayError, match="different incidents"):
        compare_game_days(RESULT, replace(REPAIRED, **other))


def test_a_day_is_put_against_another_run() -> None:
    without, repaired = GameStage(), GameStage(repair="auto")
    for stage in (without, repaired):
        stage.day.start()
        for each in stage.faults:
            stage.wait(each.starts_s + 4)
            if stage is repaired:
                stage.made_up_desk.ask()
                stage.day.approve("1")
        stage.play()
    found = repaired.day.against(without.day)
    assert found.is_shown
    assert all(
        pair.with_repair.recovery_s < pair.without.recovery_s
        for pair in found.incidents
        if pair.without.fault
    )


# What is remembered


def test_it_is_remembered_beside_drills_and_exercises(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.record_game_day(RESULT) == ""
    journal.path.write_bytes(journal.path.read_bytes() + b'\n{"game_day": {"seed": 1}}')
    journal.record_game_day(REPAIRED)
    progress = read_progress(journal, [], [])
    assert progress.game_days == (RESULT, REPAIRED)
    assert "1 line is damaged" in progress.remark
    report = progress.as_json()
    assert [read_game_result(line) for line in report["game_days"]] == [RESULT, REPAIRED]
    assert report["drills"] == []


def rows(reports: dict[str, Any]) -> list[str]:
    return [row.learner for row in read_game_board(reports).rows]


def report(*results: GameResult | object) -> dict[str, Any]:
    lines = [each.as_json() if isinstance(each, GameResult) else each for each in results]
    return {"game_days": lines}


def test_who_spent_least_comes_first_and_a_second_try_last() -> None:
    again = replace(REPAIRED, budget_spent=0.1)
    board = read_game_board({"ada": report(RESULT, again), "bob": report(REPAIRED)})
    assert [(row.learner, row.number) for row in board.rows] == [("bob", 1), ("ada", 1), ("ada", 2)]
    assert "try 2: the incidents were known" in board._repr_html_()
    assert board.sentence == "3 game days of 2 learners, 1 seed."


def test_each_seed_and_length_has_a_table_of_its_own() -> None:
    board = read_game_board({"ada": report(RESULT, replace(RESULT, seed=3))})
    assert [group.seed for group in board.groups] == [3, 7]
    longer = draw_game_board({"ada": [RESULT, replace(RESULT, minutes=10)]})
    assert [group.minutes for group in longer.groups] == [2, 10]


def test_a_machine_with_other_faults_is_said() -> None:
    other = replace(RESULT, incidents=(replace(INCIDENT, fault="bad-release"),))
    board = read_game_board({"ada": report(RESULT), "bob": report(other)})
    assert "Not everyone had the same incidents" in board._repr_html_()


NOT_FINITE = {**RESULT.as_json(), "budget_spent": float("nan")}
OTHER_MODE = {**RESULT.as_json(), "repair": "maybe"}
NO_LIST = {**RESULT.as_json(), "incidents": 7}
NO_INCIDENT = {**RESULT.as_json(), "incidents": [7]}


@pytest.mark.parametrize(
    "damaged", [7, None, {"seed": 7}, "x", NOT_FINITE, OTHER_MODE, NO_LIST, NO_INCIDENT]
)
def test_what_cannot_be_read_is_counted(damaged: object) -> None:
    board = read_game_board({"ada": report(RESULT, damaged), "bob": {}})
    assert rows({"ada": report(RESULT, damaged)}) == ["ada"]
    assert board.remark == "1 result could not be read."


def test_names_of_others_are_escaped() -> None:
    fault = replace(INCIDENT, fault="<b>x</b>")
    shown = read_game_board({"<i>": report(RESULT)})._repr_html_()
    shown += replace(RESULT, incidents=(fault,))._repr_html_()
    assert "<i>" not in shown
    assert "<b>x" not in shown


def test_one_is_compared_with_ones_own() -> None:
    better = replace(RESULT, budget_spent=0.5)
    assert say_standing(RESULT, []) == ""
    assert "your best yet" in say_standing(better, [RESULT])
    assert "50 % of the budget at best; not your best" in say_standing(RESULT, [better])
    yesterday = replace(RESULT, seed=6, at="2026-11-28T09:00:00+00:00", budget_spent=0.8)
    assert "On 2026-11-28: 80 % of the budget" in say_standing(RESULT, [yesterday])
