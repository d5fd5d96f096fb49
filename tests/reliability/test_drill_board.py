"""The board of a class: the same seed side by side, whatever the reports hold."""

from dataclasses import replace
from typing import Any

import pytest

from kit.reliability.drill.board import DrillBoard, draw_board, read_board
from kit.reliability.drill.result import DrillResult

BASE = DrillResult(
    seed=7,
    fault="payment-fails",
    minutes=8,
    at="2026-11-29T09:00:00+00:00",
    detected_s=20,
    localised_s=50,
    diagnosed_s=90,
    mitigated_s=120,
    wrong=1,
    budget_spent=1.4,
    failed=31,
    players=28,
)


def rows(board: DrillBoard, seed: int = 7) -> list[str]:
    [group] = [group for group in board.groups if group.seed == seed]
    return [row.learner for row in group.rows]


def report(*drills: Any) -> dict[str, Any]:
    return {
        "solved": 1,
        "drills": [d.as_json() if isinstance(d, DrillResult) else d for d in drills],
    }


def test_the_first_to_mitigate_comes_first_and_who_did_not_last() -> None:
    board = read_board(
        {
            "ada": report(BASE),
            "bob": report(replace(BASE, mitigated_s=None)),
            "cleo": report(replace(BASE, mitigated_s=60)),
            "dan": report(replace(BASE, mitigated_s=None, diagnosed_s=None)),
        }
    )
    assert rows(board) == ["cleo", "ada", "bob", "dan"]
    assert board.sentence == "4 drills of 4 learners, 1 seed."


def test_each_seed_has_a_table_of_its_own() -> None:
    board = read_board({"ada": report(BASE, replace(BASE, seed=3)), "bob": report(BASE)})
    assert [group.seed for group in board.groups] == [3, 7]
    assert (rows(board, 3), rows(board, 7)) == (["ada"], ["ada", "bob"])
    assert board._repr_html_().count("<table>") == 2


def test_a_second_try_is_marked_and_leads_no_table() -> None:
    again = report(BASE, replace(BASE, mitigated_s=30))
    board = read_board({"ada": again, "bob": report(replace(BASE, mitigated_s=None))})
    [group] = board.groups
    assert [(row.learner, row.number) for row in group.rows] == [("ada", 1), ("bob", 1), ("ada", 2)]
    assert group.medians == ()
    assert "try 2: the incident was known" in board._repr_html_()


def test_a_median_takes_three_and_counts_those_who_missed_it() -> None:
    times = (60, 90, None)
    results = {str(t): [replace(BASE, mitigated_s=t)] for t in times}
    assert draw_board({"a": [BASE], "b": [BASE]}).groups[0].medians == ()
    assert draw_board(results).groups[0].medians[-1] == "1:30"
    results["x"] = [replace(BASE, mitigated_s=None)]
    assert draw_board(results).groups[0].medians[-1] == "–"


def test_a_machine_with_another_incident_is_said() -> None:
    board = read_board({"ada": report(BASE), "bob": report(replace(BASE, fault="bad-release"))})
    assert "Not everyone had the same incident" in board._repr_html_()
    assert "Not everyone had" not in read_board({"ada": report(BASE)})._repr_html_()


@pytest.mark.parametrize("damaged", [7, None, {"seed": 7}, "x", {**BASE.as_json(), "failed": "x"}])
def test_what_cannot_be_read_is_counted(damaged: object) -> None:
    board = read_board({"ada": report(BASE, damaged), "bob": {"solved": 3}})
    assert rows(board) == ["ada"]
    assert board.remark == "1 result could not be read."
    assert board.remark in board._repr_html_()


@pytest.mark.parametrize("damaged", [None, 7, [], {"drills": "x"}])
def test_a_report_that_is_none_breaks_nothing(damaged: object) -> None:
    board = read_board({"ada": damaged, "bob": report(BASE)})
    assert (rows(board), board.remark) == (["bob"], "1 result could not be read.")


def test_names_and_faults_of_others_are_escaped() -> None:
    html = read_board({"<script>x</script>": report(replace(BASE, fault="<b>"))})._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_an_empty_board_says_so() -> None:
    assert repr(read_board({})) == "No drill has been played yet."
    assert "No drill has been played yet." in read_board({})._repr_html_()
