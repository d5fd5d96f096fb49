import html
import re
from dataclasses import replace

import psutil
import pytest

from kit.experiments.blind_spots.blind_spot import Line, Miss
from kit.experiments.blind_spots.catalogue import MISSES
from kit.experiments.blind_spots.run import Finding, FiringError, Shot
from kit.experiments.blind_spots.table import Findings, select
from kit.workshop import Workshop
from tests.processes import command_line

IDS = [miss.id for miss in MISSES]


@pytest.fixture(scope="module")
def findings(workshop: Workshop) -> Findings:
    """All failures, fired once for all tests here."""
    return workshop.misses()


# What is declared, fired


@pytest.mark.parametrize("name", IDS)
def test_it_is_captured_as_declared(findings: Findings, name: str) -> None:
    finding = findings[name]
    assert finding.unavailable is None
    shots = [finding.before, *([finding.after] if finding.miss.line else [])]
    told = [shot and (shot.captured, shot.event) for shot in shots]
    assert finding.holds, told


def test_there_are_enough_of_each_kind(findings: Findings) -> None:
    proven = [each for each in findings if each.after is not None]
    assert len(proven) >= 20
    assert len(findings.captured) >= 5
    assert {each.miss.runtime for each in proven} == {
        *("python", "tornado", "fastapi", "node", "notebook")
    }
    assert not findings.surprising


def test_no_event_is_of_two_runs(findings: Findings) -> None:
    shots = [shot for each in findings for shot in (each.before, each.after) if shot]
    ids = [event["event_id"] for shot in shots for event in shot.events]
    assert len(ids) == len(set(ids))
    assert all(event["release"] == shot.release for shot in shots for event in shot.events)


def test_the_frames_are_of_the_code_that_is_shown(findings: Findings) -> None:
    shots = [shot for each in findings for shot in (each.before, each.after) if shot]
    lines = {
        (shot.miss.id, frame["context_line"].strip() in shot.code)
        for shot in shots
        for event in shot.events
        for error in event.get("exception", {}).get("values", [])
        for frame in error.get("stacktrace", {}).get("frames", [])
        if shot.release in frame.get("abs_path", "") and frame["function"] != "fail"
    }
    assert len(lines) >= 20
    assert {is_shown for _, is_shown in lines} == {True}


def test_what_a_process_ended_with_is_kept(findings: Findings) -> None:
    for name in ("python/exit", "python/too-fast", "node/exit"):
        assert findings[name].before.ended == "exit code 1"
    assert findings["tornado/http-error"].before.ended == "HTTP 500"
    assert findings["fastapi/refused"].before.ended == "HTTP 422"
    assert findings["fastapi/background"].before.ended == "HTTP 200"


def test_no_process_is_left(workshop: Workshop, findings: Findings) -> None:
    names = [" ".join(command_line(each)) for each in psutil.Process().children(recursive=True)]
    assert not [name for name in names if "fire." in name]


# How it is declared


@pytest.mark.parametrize("miss", MISSES, ids=IDS)
def test_it_differs_in_one_line(miss: Miss) -> None:
    marks = [line.mark for line in miss.lines]
    assert set(marks) <= {" ", "+", "-"}
    assert marks.count("+") <= 1
    assert marks.count("-") <= marks.count("+")
    assert len(miss.lines) <= 9
    assert max(len(line.text) for line in miss.lines) <= 92
    assert miss.fails
    assert miss.why.endswith(".")


def test_ids_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)


CAUGHT = Miss(
    "python/mine",
    "Mine",
    """
      try:
          1 / 0
      except ZeroDivisionError:
    -     pass
    +     ...
    """,
    "Caught.",
    error="ZeroDivisionError",
)


def test_a_difference_is_two_pieces_of_code() -> None:
    assert CAUGHT.before == "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass\n"
    assert CAUGHT.after == "try:\n    1 / 0\nexcept ZeroDivisionError:\n    ...\n"
    assert CAUGHT.line == "..."
    other = CAUGHT.with_line("raise")
    assert other.lines[-1] == Line("+", "    raise")
    assert other.before == CAUGHT.before


def test_code_without_a_line_is_one_piece() -> None:
    miss = Miss("python/mine", "Mine", "\n    if True:\n        1 / 0\n", "Raised.")
    assert miss.before == "if True:\n    1 / 0\n"
    assert miss.line is None


# Failures of one's own


def test_a_failure_of_ones_own_is_fired_too(workshop: Workshop) -> None:
    missed, found = workshop.misses(CAUGHT, CAUGHT.with_line("sentry_sdk.capture_exception()"))
    assert missed.after is not None
    assert not missed.after.captured
    assert missed.holds is False
    assert found.holds
    assert found.after is not None
    assert found.after.event is not None
    assert found.after.event.title == "ZeroDivisionError"


def test_another_error_than_the_declared_one_does_not_hold(workshop: Workshop) -> None:
    (finding,) = workshop.misses(CAUGHT.with_line("no_such_name"))
    assert finding.after is not None
    assert finding.after.captured
    assert finding.holds is False


def test_code_that_never_began_reports_nothing(workshop: Workshop) -> None:
    first, second = workshop.misses("python/thread", CAUGHT.with_line("no line of Python"))
    assert first.holds
    assert second.before is not None
    assert second.after is not None
    assert not second.before.events
    assert not second.after.events


def test_a_process_that_ends_on_its_own_is_an_error(workshop: Workshop) -> None:
    with pytest.raises(FiringError, match=r"python/mine could not be fired. last words"):
        workshop.misses(
            CAUGHT.with_line("sys.stderr.write('last words'); sys.stderr.flush(); os._exit(1)")
        )


def test_a_runtime_that_lacks_is_no_verdict(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", "no-such-program")
    here, not_here = workshop.misses("python/caught", "node/caught")
    assert here.holds
    assert not_here.before is not_here.after is not_here.holds is None
    assert "no-such-program" in str(not_here.unavailable)
    html = str(Findings([not_here])._repr_html_())
    assert "not available here" in html
    assert "not captured" not in html


def test_options_of_the_environment_do_not_count(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_ENVIRONMENT", "elsewhere")
    (finding,) = workshop.misses("python/thread")
    assert finding.before is not None
    assert finding.before.event is not None
    assert finding.before.event["environment"] == "production"


def test_unknown_names_are_refused(workshop: Workshop) -> None:
    with pytest.raises(KeyError, match="ruby"):
        workshop.misses("ruby")
    assert select(["tornado"]) == [miss for miss in MISSES if miss.runtime == "tornado"]


# On screen


def words(shown: str) -> str:
    """Return what is read of HTML: no elements, no styles."""
    bare = re.sub(r"<style>.*?</style>|<[^>]*>", " ", shown, flags=re.DOTALL)
    return " ".join(html.unescape(bare).split())


def test_the_table_says_all_of_it(findings: Findings) -> None:
    text = words(findings._repr_html_())
    for miss in MISSES:
        for said in (miss.fails, miss.id, miss.why, miss.line or ""):
            assert " ".join(said.split()) in text
    assert text.count("✗ not captured") == sum(
        1 for each in findings for shot in (each.before, each.after) if shot and not shot.captured
    )


def test_each_event_has_its_card(findings: Findings) -> None:
    shown = "".join(findings.of(name)._repr_html_() for name in ("python", "node"))
    for finding in (*findings.of("python"), *findings.of("node")):
        for shot in (finding.before, finding.after):
            if shot and shot.event:
                assert f'data-event-id="{shot.event["event_id"]}"' in shown


def test_its_tables_can_be_read_aloud(findings: Findings) -> None:
    # Without the cards, which have tables of their own.
    bare = [
        Finding(each.miss, each.before and replace(each.before, events=())) for each in findings
    ]
    shown = Findings(bare)._repr_html_()
    assert shown.count("<caption>") == shown.count("<table>") == 5
    assert shown.count('<th scope="row">') == len(findings)
    assert shown.count('<th scope="col">') == 20


def test_what_failures_hold_is_escaped() -> None:
    evil = Miss("python/<b>", "<script>x</script>", "\n  '<img>'\n", "<i>why</i>.")
    shown = Findings([Finding(evil, Shot(evil, "r", evil.before))])._repr_html_()
    for tag in ("<script>", "<img>", "<i>why", "<b>:"):
        assert tag not in shown.replace("<b>Python</b>:", "")


def test_what_went_otherwise_is_marked(workshop: Workshop) -> None:
    shown = words(workshop.misses(CAUGHT)._repr_html_())
    assert "1 otherwise than declared" in shown
