import html
import re
from dataclasses import replace

import psutil
import pytest
from sentry_sdk.consts import VERSION

from demo_services.sdk import GENERATION
from kit.experiments.blind_spots.blind_spot import BlindSpot, DiffLine, SdkVerdict
from kit.experiments.blind_spots.catalogue import BLIND_SPOTS
from kit.experiments.blind_spots.finding import BlindSpotFinding, Firing
from kit.experiments.blind_spots.run import FiringError
from kit.experiments.blind_spots.table import Findings, select
from kit.outcome import Event
from kit.workshop import Workshop
from tests.processes import command_line

IDS = [spot.id for spot in BLIND_SPOTS]
OTHER = 2 if GENERATION >= 3 else 3
IN_OTHER_GENERATION = [
    spot.in_other_generation for spot in BLIND_SPOTS if spot.in_other_generation is not None
]
# Whether version 2 of the Python SDK captures it by default. Version 3 does the contrary.
CAPTURED_IN_2 = {
    "python/task-forgotten": True,
    "python/raw-thread": False,
    "python/del": False,
    "python/logged-error": True,
    "tornado/callback": True,
}


@pytest.fixture(scope="module")
def findings(workshop: Workshop) -> Findings:
    """All failures, fired once for all tests here."""
    return workshop.blind_spots()


# What is declared, fired


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_it_is_captured_as_declared(findings: Findings, name: str) -> None:
    finding = findings[name]
    assert finding.unavailable is None
    firings = [finding.before, *([finding.after] if finding.blind_spot.line else [])]
    told = [firing and (firing.captured, firing.event) for firing in firings]
    assert finding.holds, told


@pytest.mark.slow
def test_the_version_of_the_sdk_turns_five_verdicts_round(findings: Findings) -> None:
    fired = {each.blind_spot.id: bool(each.before and each.before.captured) for each in findings}
    expected = {id: captured is (GENERATION == 2) for id, captured in CAPTURED_IN_2.items()}
    assert {id: fired[id] for id in expected} == expected
    assert [each.blind_spot.id for each in findings.flips] == list(expected)


@pytest.mark.slow
def test_the_parts_of_the_sdk_that_are_named_have_noticed(findings: Findings) -> None:
    """The explanations name the logging integration and the unraisable hook."""
    noticed = {"task-forgotten": "logging", "raw-thread": "unraisablehook", "del": "unraisablehook"}
    for name, mechanism in noticed.items():
        finding = findings[f"python/{name}"]
        shown = [firing.event for firing in (finding.before, finding.after) if firing]
        (event,) = [event for event in shown if event]
        assert event.find("exception.values[-1].mechanism.type") == mechanism
    callback = findings["tornado/callback"]
    firing = callback.before if GENERATION == 2 else callback.after
    assert firing is not None
    assert firing.event is not None
    assert firing.event["logger"] == "tornado.application"


@pytest.mark.slow
def test_a_task_that_was_caught_is_reported_as_unhandled(findings: Findings) -> None:
    reported = findings["python/task-caught"].after
    assert reported is not None
    assert reported.event is not None
    mechanism = reported.event.find("exception.values[-1].mechanism")
    assert (mechanism["type"], mechanism["handled"]) == ("asyncio", False)


@pytest.mark.slow
def test_the_event_of_a_worker_has_its_stack_trace(findings: Findings) -> None:
    fired = findings["node/worker"].before
    assert fired is not None
    assert fired.event is not None
    frames = fired.event.find("exception.values[-1].stacktrace.frames")
    assert frames[-1]["filename"] == "[worker eval]"


@pytest.mark.slow
def test_a_start_that_is_logged_twice_makes_more_events_in_version_2(findings: Findings) -> None:
    start = findings["fastapi/start-up"].before
    assert start is not None
    assert [event.get("logger") for event in start.events].count("uvicorn.error") == (
        2 if GENERATION == 2 else 0
    )
    assert len(start.events) == (3 if GENERATION == 2 else 1)


@pytest.mark.slow
def test_there_are_enough_of_each_kind(findings: Findings) -> None:
    proven = [each for each in findings if each.after is not None]
    assert len(proven) >= 20
    assert len(findings.captured) >= 5
    assert {each.blind_spot.runtime for each in proven} == {
        *("python", "tornado", "fastapi", "node", "notebook")
    }
    assert not findings.surprising


@pytest.mark.slow
def test_no_event_is_of_two_runs(findings: Findings) -> None:
    firings = [firing for each in findings for firing in (each.before, each.after) if firing]
    ids = [event["event_id"] for firing in firings for event in firing.events]
    assert len(ids) == len(set(ids))
    assert all(event["release"] == firing.release for firing in firings for event in firing.events)


@pytest.mark.slow
def test_the_frames_are_of_the_code_that_is_shown(findings: Findings) -> None:
    firings = [firing for each in findings for firing in (each.before, each.after) if firing]
    lines = {
        (firing.blind_spot.id, frame["context_line"].strip() in firing.code)
        for firing in firings
        for event in firing.events
        for error in event.get("exception", {}).get("values", [])
        for frame in error.get("stacktrace", {}).get("frames", [])
        if firing.release in frame.get("abs_path", "") and frame["function"] != "fail"
    }
    assert len(lines) >= 20
    assert {is_shown for _, is_shown in lines} == {True}


@pytest.mark.slow
def test_what_a_process_ended_with_is_kept(findings: Findings) -> None:
    for name in ("python/exit", "python/too-fast", "node/exit"):
        assert findings[name].before.ended == "exit code 1"
    assert findings["tornado/http-error"].before.ended == "HTTP 500"
    assert findings["fastapi/refused"].before.ended == "HTTP 422"
    assert findings["fastapi/background"].before.ended == "HTTP 200"


@pytest.mark.slow
def test_no_process_is_left(workshop: Workshop, findings: Findings) -> None:
    names = [" ".join(command_line(each)) for each in psutil.Process().children(recursive=True)]
    assert not [name for name in names if "fire." in name]


# How it is declared


@pytest.mark.parametrize(
    "spot",
    [*BLIND_SPOTS, *IN_OTHER_GENERATION],
    ids=[*IDS, *(f"{spot.id}-in-{OTHER}" for spot in IN_OTHER_GENERATION)],
)
def test_it_differs_in_one_line(spot: BlindSpot) -> None:
    marks = [line.mark for line in spot.lines]
    assert set(marks) <= {" ", "+", "-"}
    assert marks.count("+") <= 1
    assert marks.count("-") <= marks.count("+")
    assert len(spot.lines) <= 9
    assert max(len(line.text) for line in spot.lines) <= 92
    assert spot.fails
    assert spot.why.endswith(".")


def test_ids_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)


def test_five_verdicts_differ_between_the_generations() -> None:
    other = {spot.id: spot.captured for spot in IN_OTHER_GENERATION}
    here = {spot.id: spot.captured for spot in BLIND_SPOTS if spot.in_other_generation}
    in_2, in_3 = (here, other) if GENERATION == 2 else (other, here)
    assert {id: captured for id, captured in in_2.items() if captured != in_3[id]} == CAPTURED_IN_2
    assert {spot.id for spot in BLIND_SPOTS if spot.flips} == set(CAPTURED_IN_2)


def test_the_code_for_the_other_generation_is_python() -> None:
    for spot in IN_OTHER_GENERATION:
        for code in (spot.before, spot.after):
            compile(code, spot.id, "exec")


CAUGHT = BlindSpot(
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
    assert other.lines[-1] == DiffLine("+", "    raise")
    assert other.before == CAUGHT.before


def test_code_without_a_line_is_one_piece() -> None:
    spot = BlindSpot("python/mine", "Mine", "\n    if True:\n        1 / 0\n", "Raised.")
    assert spot.before == "if True:\n    1 / 0\n"
    assert spot.line is None


def test_two_generations_are_declared_side_by_side() -> None:
    spot = BlindSpot.per_generation(
        "python/mine",
        "Mine",
        """
        + ...
          1 / 0
        """,
        in_2=SdkVerdict(captured=True, line="two()", why="Two."),
        in_3=SdkVerdict(captured=False, line="three()", why="Three."),
        error="ZeroDivisionError",
    )
    assert spot.flips
    assert spot.in_other_generation is not None
    declared = {GENERATION: spot, OTHER: spot.in_other_generation}
    assert [(each.captured, each.line, each.why) for _, each in sorted(declared.items())] == [
        (True, "two()", "Two."),
        (False, "three()", "Three."),
    ]
    assert {each.error for each in declared.values()} == {"ZeroDivisionError"}
    # Another line is another failure, of which nothing is declared.
    assert not spot.with_line("raise").flips


# Failures of one's own


def test_a_failure_of_ones_own_is_fired_too(workshop: Workshop) -> None:
    missed, found = workshop.blind_spots(CAUGHT, CAUGHT.with_line("sentry_sdk.capture_exception()"))
    assert missed.after is not None
    assert not missed.after.captured
    assert missed.holds is False
    assert found.holds
    assert found.after is not None
    assert found.after.event is not None
    assert found.after.event.title == "ZeroDivisionError"


def test_another_error_than_the_declared_one_does_not_hold(workshop: Workshop) -> None:
    (finding,) = workshop.blind_spots(CAUGHT.with_line("no_such_name"))
    assert finding.after is not None
    assert finding.after.captured
    assert finding.holds is False


def test_code_that_never_began_reports_nothing(workshop: Workshop) -> None:
    first, second = workshop.blind_spots(
        "python/thread", CAUGHT.with_line("not a valid line of Python")
    )
    assert first.holds
    assert second.before is not None
    assert second.after is not None
    assert not second.before.events
    assert not second.after.events


ONE_FOR_BOTH = """\
  sentry_sdk.init(integrations=[
      LoggingIntegration(event_level=logging.ERROR), UnraisablehookIntegration()])
"""


def test_what_is_asked_for_is_the_same_in_both_generations(workshop: Workshop) -> None:
    logged, unraisable = workshop.blind_spots(
        BlindSpot("python/a", "A", ONE_FOR_BOTH + "  logging.error('a')", "A.", "a", True),
        BlindSpot(
            "python/b",
            "B",
            ONE_FOR_BOTH + "  class Session:\n      def __del__(self): int('ten')\n  Session()",
            "B.",
            captured=True,
        ),
    )
    assert logged.holds
    assert unraisable.holds


def test_a_log_record_is_a_breadcrumb_where_the_integration_is_on(workshop: Workshop) -> None:
    spot = BlindSpot(
        "python/crumb",
        "Mine",
        """
        + sentry_sdk.init(integrations=[LoggingIntegration(event_level=logging.ERROR)])
          logging.getLogger("shop").warning("few coins")
          sentry_sdk.capture_message("next")
        """,
        "A message.",
    )
    (finding,) = workshop.blind_spots(spot)
    crumbs = [
        firing and firing.event and firing.event.find("breadcrumbs.values[*].message")
        for firing in (finding.before, finding.after)
    ]
    assert crumbs == [["few coins"] if GENERATION == 2 else [], ["few coins"]]


def test_what_one_failure_does_to_its_process_does_not_reach_the_next(workshop: Workshop) -> None:
    careless = BlindSpot(
        "python/careless",
        "Mine",
        """
          sys.excepthook = sys.__excepthook__
          sys.unraisablehook = sys.__unraisablehook__
          warnings.simplefilter("error")
        """,
        "No error.",
    )
    careful = ("python/uncaught", "python/raw-thread", "python/del", "python/warning")
    findings = workshop.blind_spots(careless, *careful)
    assert not findings.surprising


def test_a_process_that_ends_on_its_own_is_an_error(workshop: Workshop) -> None:
    with pytest.raises(FiringError, match=r"python/mine could not be fired. last words"):
        workshop.blind_spots(
            CAUGHT.with_line("sys.stderr.write('last words'); sys.stderr.flush(); os._exit(1)")
        )


def test_a_runtime_that_lacks_is_no_verdict(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", "no-such-program")
    here, not_here = workshop.blind_spots("python/caught", "node/caught")
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
    (finding,) = workshop.blind_spots("python/thread")
    assert finding.before is not None
    assert finding.before.event is not None
    assert finding.before.event["environment"] == "production"


def test_unknown_names_are_refused(workshop: Workshop) -> None:
    with pytest.raises(KeyError, match="ruby"):
        workshop.blind_spots("ruby")
    assert select(["tornado"]) == [spot for spot in BLIND_SPOTS if spot.runtime == "tornado"]


# On screen


def words(shown: str) -> str:
    """Return what is read of HTML: no elements, no styles."""
    bare = re.sub(r"<style>.*?</style>|<[^>]*>", " ", shown, flags=re.DOTALL)
    return " ".join(html.unescape(bare).split())


@pytest.mark.slow
def test_the_table_says_all_of_it(findings: Findings) -> None:
    text = words(findings._repr_html_())
    for spot in BLIND_SPOTS:
        for said in (spot.fails, spot.id, spot.why, spot.line or ""):
            assert " ".join(said.split()) in text
    for spot in IN_OTHER_GENERATION:
        for said in (spot.why, spot.line or ""):
            assert " ".join(said.split()) in text
    assert re.search(rf"Fired with @sentry/node \d[\d.]+ and sentry-sdk {VERSION}\.", text)
    assert f"With sentry-sdk {OTHER}, 5 of them go the other way (declared, not fired here)" in text
    assert text.count(f"sentry-sdk {OTHER} (declared, not fired here)") == len(IN_OTHER_GENERATION)
    assert text.count("✗ not captured") == sum(
        1
        for each in findings
        for firing in (each.before, each.after)
        if firing and not firing.captured
    )


@pytest.mark.slow
def test_each_event_has_its_card(findings: Findings) -> None:
    shown = "".join(findings.of(name)._repr_html_() for name in ("python", "node"))
    for finding in (*findings.of("python"), *findings.of("node")):
        for firing in (finding.before, finding.after):
            if firing and firing.event:
                assert f'data-event-id="{firing.event["event_id"]}"' in shown


@pytest.mark.slow
def test_its_tables_can_be_read_aloud(findings: Findings) -> None:
    # Without the cards, which have tables of their own.
    bare = [
        BlindSpotFinding(each.blind_spot, each.before and replace(each.before, events=()))
        for each in findings
    ]
    shown = Findings(bare)._repr_html_()
    assert shown.count("<caption>") == shown.count("<table>") == 5
    assert shown.count('<th scope="row">') == len(findings)
    assert shown.count('<th scope="col">') == 20


def test_what_failures_hold_is_escaped() -> None:
    evil = BlindSpot("python/<b>", "<script>x</script>", "\n  '<img>'\n", "<i>why</i>.")
    shown = Findings([BlindSpotFinding(evil, Firing(evil, "r", evil.before))])._repr_html_()
    for tag in ("<script>", "<img>", "<i>why", "<b>:"):
        assert tag not in shown.replace("<b>Python</b>:", "")
    both = replace(CAUGHT, in_other_generation=replace(evil, captured=True))
    event = Event({"sdk": {"packages": [{"name": "pypi:<u>"}], "version": "<s>"}})
    firing = Firing(both, "r", both.before, events=(event,))
    shown = Findings([BlindSpotFinding(both, firing)])._repr_html_()
    assert "&lt;u&gt; &lt;s&gt;" in shown
    for tag in ("<script>", "<img>", "<i>why", "<u>", "<s>"):
        assert tag not in shown


def test_the_table_says_for_which_version_of_the_sdk_it_speaks(workshop: Workshop) -> None:
    findings = workshop.blind_spots("python/del", "python/thread")
    assert findings.sdks == [f"sentry-sdk {VERSION}"]
    text = words(findings._repr_html_())
    assert f"Fired with sentry-sdk {VERSION}." in text
    said = f"With sentry-sdk {OTHER}, 1 of them goes the other way (declared, not fired here): "
    assert f"{said}python/del ." in text
    other = "captured" if GENERATION == 2 else "not captured"
    assert f"sentry-sdk {OTHER} (declared, not fired here): {other} ." in text
    same = words(findings[1:]._repr_html_())
    assert f"Fired with sentry-sdk {VERSION}." in same
    assert "declared, not fired here" not in same


def test_what_went_otherwise_is_marked(workshop: Workshop) -> None:
    shown = words(workshop.blind_spots(CAUGHT)._repr_html_())
    assert "1 not as declared" in shown
