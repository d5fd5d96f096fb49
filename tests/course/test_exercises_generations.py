"""The service that is migrated from SDK 2 to SDK 3, judged by what arrives."""

import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.generations import OLD_SERVICE, SOLUTION, migrate_a_service
from kit.experiments.generations.side_by_side import SideBySide, find_generations
from tests.notebooks.kernels import read, sources


@pytest.fixture(scope="module")
def sdks(tmp_path_factory: pytest.TempPathFactory) -> SideBySide:
    found = find_generations(tmp_path_factory.mktemp("home"), lambda line: None)
    assert found.unavailable == {}
    return found


@pytest.fixture(scope="module")
def exercise(sdks: SideBySide) -> Exercise:
    return migrate_a_service(sdks)


def changed(old: str, new: str) -> str:
    """Return the solution with something else in it."""
    assert old in SOLUTION
    return SOLUTION.replace(old, new)


@pytest.mark.slow
def test_its_own_solution_solves_it(exercise: Exercise) -> None:
    names: dict[str, str] = {}
    exec(exercise.solution().text, names)
    result = exercise.check(names[exercise.answer_name])
    assert result.verdict is Verdict.PASS, result.message
    assert "It ran with sentry-sdk 3." in result.message


def test_an_untouched_service_is_not_tried() -> None:
    exercise = migrate_a_service(SideBySide({}, {}))
    for answer in (..., "...", "", OLD_SERVICE, f"\n{OLD_SERVICE}"):
        assert exercise.check(answer).verdict is Verdict.UNATTEMPTED
    assert "as a string" in exercise.check(None).message


def test_the_notebook_gives_out_that_service() -> None:
    code = sources(read("18_from_sdk_2_to_3.ipynb"))
    assert f'answer = """\\\n{OLD_SERVICE}"""' in code


EVENTS = "integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],"
DENYLIST = 'data_collection={"stack_frame_variables": {"mode": "denylist"}},'
WRONG = {
    "the old service": (OLD_SERVICE + "#", "ended with ModuleNotFoundError"),
    "an old option": (changed(DENYLIST, "send_default_pii=False,"), "TypeError: Unknown option"),
    "no integration": (changed(EVENTS, ""), "No event says 'order not settled'"),
    "the old name": (
        changed("ignore_logger_for_events", "ignore_logger"),
        "heartbeat arrived as an event",
    ),
    "no exception": (changed("logging.exception", "logging.error"), "has no KeyError"),
    "no breadcrumb": (
        changed("level=None,", "level=None, breadcrumb_level=None,"),
        "no breadcrumb 'no price for 4711'",
    ),
    "the password": (changed(DENYLIST, ""), "The password is in clear in: event"),
    "no variables": (
        changed('{"mode": "denylist"}', "False"),
        "The local variable order is gone",
    ),
    "structured logs": (changed("level=None, ", ""), "Structured logs arrived"),
    "no traces": (changed("traces_sample_rate=1.0,", ""), "Spans that arrived: none"),
    "no hook": (changed("before_send_span=shorten,", ""), "'read price where id=4711'"),
    "no operation": (
        changed('attributes={"sentry.op": "db"}', "attributes={}"),
        "has nothing as attribute 'sentry.op', not 'db'",
    ),
    "another value": (changed('"rows", 0', '"rows", 1'), "has 1 as attribute 'rows', not 0"),
    "a tag": (
        changed('span.set_attribute("tier", "vip")', 'sentry_sdk.set_tag("tier", "vip")'),
        "has nothing as attribute 'tier'",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_what_did_not_arrive(exercise: Exercise, name: str) -> None:
    answer, told = WRONG[name]
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL
    assert told in result.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "verdict", "told"),
    [
        (SOLUTION, Verdict.PASS, "It ran with sentry-sdk 2."),
        (OLD_SERVICE + "#", Verdict.FAIL, "ended with ModuleNotFoundError"),
        (WRONG["no integration"][0], Verdict.FAIL, WRONG["no integration"][1]),
        (WRONG["the password"][0], Verdict.FAIL, WRONG["the password"][1]),
        (WRONG["structured logs"][0], Verdict.FAIL, WRONG["structured logs"][1]),
        (WRONG["no hook"][0], Verdict.FAIL, WRONG["no hook"][1]),
    ],
)
def test_without_sdk_3_it_is_judged_with_2_and_says_so(
    sdks: SideBySide, answer: str, verdict: Verdict, told: str
) -> None:
    alone = SideBySide({2: sdks.sdks[2]}, {3: "no network"})
    result = migrate_a_service(alone).check(answer)
    assert result.verdict is verdict, result.message
    assert result.message.startswith("SDK 3 could not be installed, so this ran with SDK 2")
    assert told in result.message
