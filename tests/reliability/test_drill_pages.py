"""What a drill shows at its end: a verdict, a post-mortem, a line in the progress journal."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kit.course.exercise import Verdict
from kit.course.progress import Journal, read_progress
from kit.reliability.drill.postmortem import BLANK, escape_markdown
from kit.reliability.drill.result import DrillResult, read_drill_result
from tests.reliability.drills import BEGAN, Stage, make_stage

EVIL = "<img src=x onerror=alert(1)> *bold* `x` [l](javascript:0)"


@pytest.fixture
def played() -> Stage:
    """A drill with two wrong answers, that was not diagnosed."""
    stage = make_stage()
    drill, truth = stage.drill, stage.drill.truth_for_judges()
    drill.start()
    stage.wait(truth.starts_at + 20)
    drill.detected()
    for number in range(12):
        stage.traffic.answer(BEGAN + truth.starts_at + number, "bad", f"p{number % 5}")
    drill.localised("gateway")
    drill.localised("payment")
    stage.wait(200)
    drill.update(EVIL)
    drill.mitigate(restart="analytics")
    drill.mitigate(turn_off=truth.flag)
    drill.give_up()
    return stage


def test_the_verdict_has_each_phase(played: Stage) -> None:
    verdict = played.drill.verdict
    html = verdict._repr_html_()
    detected, localised, diagnosed, mitigated = verdict.rows
    assert (detected.time, detected.state, detected.wrong) == ("0:20", "by you", "–")
    assert (localised.state, localised.wrong) == ("right", "1")
    assert (diagnosed.state, diagnosed.time) == ("missed", "–")
    assert (mitigated.wrong, mitigated.width) == ("1", pytest.approx(100))
    for text in (verdict.headline, "12 spins of 5 players failed", "62 %", "✗ missed"):
        assert text in html


def test_the_text_of_a_verdict_can_be_shared(played: Stage) -> None:
    text, truth = str(played.drill.verdict), played.drill.truth_for_judges()
    assert text.startswith(f"Drill {truth.seed}, 8 minutes\ndetected 0:20 · localised 0:20")
    assert "2 wrong answers · 12 failed spins · 62 % of the error budget" in text
    for spoiler in (truth.fault, truth.cause, truth.flag, "payment"):
        assert spoiler not in text


def test_a_postmortem_has_the_facts_of_the_timeline(played: Stage) -> None:
    text, truth = str(played.drill.postmortem()), played.drill.truth_for_judges()
    for heading in ("Summary", "Impact", "Timeline", "Cause", "What went well", "What went badly"):
        assert f"\n## {heading}\n" in text
    timeline = text.partition("## Timeline")[2].partition("## Cause")[0].strip().splitlines()
    assert len(timeline) == len(played.drill.timeline)
    assert "12 spins of 5 players failed while it lasted" in text
    assert f"behind the flag {truth.flag}" in text
    assert "- Detected after 0:20, without a wrong answer." in text
    assert "- 1 wrong answer until localised: gateway." in text
    assert "- The incident was not diagnosed." in text
    assert "- Localised after" not in text


def test_what_the_timeline_does_not_have_is_a_blank(played: Stage) -> None:
    text = str(played.drill.postmortem())
    assert text.count(BLANK) == 5
    assert "No spin failed" not in text
    unstarted = make_stage()
    unstarted.drill.start()
    unstarted.drill.give_up()
    text = str(unstarted.drill.postmortem())
    assert "ended before its incident began" in text
    assert f"## Cause\n\n{BLANK}" in text
    assert "No spin failed while it lasted" in text


def test_words_of_a_learner_are_no_markup(played: Stage, tmp_path: Path) -> None:
    postmortem = played.drill.postmortem()
    text = postmortem._repr_markdown_()
    assert "\\<img src=x onerror=alert(1)\\>" in text
    assert "\\[l\\](javascript" in text
    assert "<img" not in text.replace("\\<", "")
    assert postmortem.save(tmp_path / "draft.md").read_text("utf-8") == text
    assert escape_markdown("a\n\n# b") == "a \\# b"


def test_a_drill_is_a_line_of_the_progress_journal(played: Stage, tmp_path: Path) -> None:
    journal, [result] = Journal(tmp_path / "home"), played.remembered
    assert journal.record("one", Verdict.PASS) == ""
    assert journal.record_drill(result) == ""
    assert journal.record_drill(replace(result, seed=8)) == ""
    attempts, remark = journal.read()
    assert ([attempt.exercise for attempt in attempts], remark) == (["one"], "")
    progress = read_progress(journal, [], ["one"])
    assert progress.drills == (result, replace(result, seed=8))
    assert (progress.solved, progress.total) == (1, 1)
    report = json.loads(json.dumps(progress.as_json()))
    assert [read_drill_result(line) for line in report["drills"]] == list(progress.drills)


@pytest.mark.parametrize(
    "damage",
    [
        {"seed": "7"},
        {"seed": True},
        {"mitigated_s": "soon"},
        {"failed": None},
        {"budget_spent": float("nan")},
        {"failed": 1e300},
        {"failed": 10**400},
    ],
)
def test_a_damaged_drill_spoils_no_other(
    played: Stage, tmp_path: Path, damage: dict[str, object]
) -> None:
    journal, [result] = Journal(tmp_path / "home"), played.remembered
    journal.record_drill(result)
    journal._save({"drill": {**result.as_json(), **damage}})
    journal._save({"drill": 7})
    journal._save({"drill": {"seed": 7}})
    assert journal.read_drills() == [result]
    assert journal.read()[1].startswith("3 lines are damaged")


def test_a_result_stays_as_it_was_remembered(played: Stage) -> None:
    played.clock.seconds += 60
    assert [played.drill.result] == played.remembered


def test_a_result_says_how_long_the_diagnosis_took(played: Stage) -> None:
    [result] = played.remembered
    assert result.diagnosis_s is None
    assert replace(result, diagnosed_s=95.5).diagnosis_s == 75.5
    assert isinstance(read_drill_result(result.as_json()), DrillResult)
