from collections.abc import Callable
from functools import cache
from typing import Any

import psutil
import pytest

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.processes import FIVE, first_look, root_cause
from kit.ingest.store import StoredItem
from kit.outcome import Event
from kit.workshop import Workshop

pytestmark = pytest.mark.slow


@pytest.fixture
def predictions(workshop: Workshop) -> Exercise:
    return workshop.exercise("what-kills-node", lambda: workshop.watch_target("payment").pid)


@pytest.fixture
def promise(workshop: Workshop) -> Exercise:
    return workshop.exercise("start-a-promise")


# A process that dies too often is started again ever later: each dies once for all answers.
@pytest.fixture(scope="module")
def looks(workshop: Workshop) -> Exercise:
    @cache
    def end(how: Callable[[psutil.Process], None]) -> Event:
        pid = workshop.watch_target("payment").pid
        with workshop.store.subscribe() as arrivals:
            how(psutil.Process(pid))
            while not tells_of_a_death(item := arrivals.get(60.0)):
                pass
        return Event(item.payload)

    return first_look(cache(workshop.trigger), end)


def tells_of_a_death(item: StoredItem) -> bool:
    """Say whether its supervisor sent it: on a busy machine Node's watchdog may report as well."""
    return item.type == "event" and "death" in item.payload["tags"]


@pytest.fixture(scope="module")
def causes(workshop: Workshop) -> Exercise:
    return root_cause(cache(workshop.trigger))


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


def fails(exercise: Exercise, answer: object, word: str) -> None:
    result = exercise.check(answer)
    assert result.verdict is Verdict.FAIL
    assert word in result.message


# What kills Node


def test_the_process_ids_agree_with_the_right_predictions(predictions: Exercise) -> None:
    assert predictions.check(solved(predictions)).verdict is Verdict.PASS


@pytest.mark.slow
def test_a_wrong_prediction_is_answered_with_the_process_ids(
    predictions: Exercise, workshop: Workshop
) -> None:
    pid = workshop.watch_target("payment").pid
    fails(
        predictions,
        dict.fromkeys(FIVE, False),
        f"payment/crash was fired: the process id was {pid} before",
    )
    fails(predictions, dict.fromkeys(FIVE, True), "payment/stack-overflow was fired")


def test_no_crash_is_fired_for_half_an_answer(predictions: Exercise, workshop: Workshop) -> None:
    pid = workshop.watch_target("payment").pid
    half = {**dict.fromkeys(FIVE, False), FIVE[-1]: ...}
    fails(predictions, half, f"{FIVE[-1]!r} is still missing")
    fails(predictions, list(FIVE), "dict")
    fails(
        predictions,
        {**half, FIVE[0]: "dies", FIVE[-1]: True},
        "must be one of True, False, not 'dies'",
    )
    assert predictions.check().verdict is Verdict.UNATTEMPTED
    assert predictions.check(dict.fromkeys(FIVE, ...)).verdict is Verdict.UNATTEMPTED
    assert workshop.watch_target("payment").pid == pid


# A promise that is not forgotten


def test_no_failure_kills_and_none_is_lost(promise: Exercise) -> None:
    assert promise.check(solved(promise)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (None, "a string of JavaScript"),
        ("(work, report) => { work(); }", "exited with code 1. Its last error: Error: no mailbox"),
        ("(work, report) => { work().catch(report); };", "that throws at once: Node.js exited"),
        ("(work, report) => {}", "was called with nothing"),
        (
            "async (work, report) => { try { await work() } catch { report('lost') } }",
            "was called with ['lost']",
        ),
        (
            "function start(work, report) { work().catch((e) => { report(e); report(e); }); }",
            "was called with ['no mailbox', 'no mailbox']",
        ),
        (
            "async (work, report) => { try { report(await work()) } catch (e) { report(e) } }",
            "that succeeds: report should be called with nothing",
        ),
    ],
)
def test_a_wrong_start_is_told_what_became_of_the_process(
    promise: Exercise, wrong: object, word: str
) -> None:
    fails(promise, wrong, word)


def test_what_never_ends_is_ended(promise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.course.exercises.processes.NODE_DEADLINE_S", 0.5)
    fails(promise, "() => { for (;;); }", "was still running after 0.5 s")


@pytest.mark.parametrize(
    ("code", "word"),
    [("(work, report) => {", "SyntaxError"), ("work.catch", "work"), ("42", "no function")],
)
def test_what_is_no_function_is_an_error(promise: Exercise, code: str, word: str) -> None:
    result = promise.check(code)
    assert result.verdict is Verdict.EXCEPTION
    assert word in result.message


def test_options_of_the_users_node_change_nothing(
    promise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--unhandled-rejections=warn")
    fails(promise, "(work, report) => { work(); }", "exited with code 1")


def test_an_untouched_start_is_not_called_wrong(promise: Exercise) -> None:
    assert promise.check(...).verdict is Verdict.UNATTEMPTED


# Where to look first


def test_each_death_has_its_place(looks: Exercise) -> None:
    assert looks.check(solved(looks)).verdict is Verdict.PASS


def process(event: Event) -> Any:
    return event["contexts"]["process"]


def takes_every_signal_for_a_stranger(event: Event) -> object:
    return "outside" if process(event)["signal"] else "error"


def takes_every_exit_for_an_error(event: Event) -> object:
    if event["contexts"]["node"]["heap_exhausted"]:
        return "heap"
    return "outside" if process(event)["signal"] else "error"


def says_something_else(event: Event) -> object:
    return "logs"


def returns_nothing(event: Event) -> object:
    return None


def returns_dots(event: Event) -> object:
    return ...


def raises(event: Event) -> object:
    return event["signal"]


def test_a_wrong_look_is_told_why(looks: Exercise) -> None:
    for wrong, word in (
        ("error", "the function itself"),
        (takes_every_signal_for_a_stranger, "HeapExhausted"),
        (takes_every_exit_for_an_error, "ProcessExited"),
        (says_something_else, "'logs' is not one of the places"),
        (returns_nothing, "returned None"),
    ):
        fails(looks, wrong, word)


def test_an_untouched_look_is_not_called_wrong(looks: Exercise) -> None:
    assert looks.check().verdict is Verdict.UNATTEMPTED
    assert looks.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert looks.check(raises).verdict is Verdict.EXCEPTION


# The root cause


@pytest.mark.slow
def test_the_cause_is_found_whoever_noticed_first(causes: Exercise) -> None:
    assert causes.check(solved(causes)).verdict is Verdict.PASS


def takes_the_first(events: list[Event]) -> object:
    return events[0]


def takes_the_last(events: list[Event]) -> object:
    return events[-1]


def takes_the_fatal(events: list[Event]) -> object:
    return next(event for event in events if event["level"] == "fatal")


def takes_the_name(events: list[Event]) -> object:
    return events[0].title


def says_nothing(events: list[Event]) -> object:
    return ...


def takes_the_earliest(events: list[Event]) -> object:
    return min(events, key=lambda event: event["time"])


def test_a_wrong_cause_is_told_what_it_is(causes: Exercise) -> None:
    for wrong, word in (
        ("TypeError", "the function itself"),
        (takes_the_first, "ProcessExited, reported by its supervisor"),
        (takes_the_last, "RemoteProtocolError, reported by the gateway"),
        (takes_the_fatal, "ProcessExited, reported by its supervisor"),
        (takes_the_name, "one of the events that it receives, not 'ZeroDivisionError'"),
    ):
        fails(causes, wrong, word)


def test_an_untouched_cause_is_not_called_wrong(causes: Exercise) -> None:
    assert causes.check().verdict is Verdict.UNATTEMPTED
    assert causes.check(says_nothing).verdict is Verdict.UNATTEMPTED
    assert causes.check(takes_the_earliest).verdict is Verdict.EXCEPTION
