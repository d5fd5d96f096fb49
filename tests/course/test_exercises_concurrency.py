import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import sentry_sdk

from kit.course.exercise import Exercise, Verdict
from kit.course.exercises.concurrency import LeaderboardLost, start_a_task
from kit.outcome import Event
from kit.workshop import Workshop

Task = asyncio.Task[None]
Work = Coroutine[Any, Any, None]

kept: set[Task] = set()


@pytest.fixture
def task_exercise() -> Exercise:
    # It starts everything that it needs: no workshop.
    return start_a_task()


def solved(exercise: Exercise) -> Any:
    names: dict[str, Any] = {}
    exec(exercise.solution().text, names)
    return names[exercise.answer_name]


# The way an error came


def test_the_mechanism_tells_all_ways_apart(workshop: Workshop) -> None:
    exercise = workshop.exercise("how-it-failed")
    result = exercise.check(solved(exercise))
    assert result.verdict is Verdict.PASS
    assert "7 new events" in result.message


def is_always_a_task(event: Event) -> str:
    return "task"


def goes_by_handled(event: Event) -> str:
    handled = event.find("exception.values[-1].mechanism.handled")
    return "caught" if handled else "request"


def says_something_else(event: Event) -> str:
    return "pool"


def test_a_wrong_way_is_told_why(workshop: Workshop) -> None:
    exercise = workshop.exercise("how-it-failed")
    for wrong, word in (
        (None, "the function itself"),
        ({"ValueError": "task"}, "the function itself"),
        (is_always_a_task, "ExceptionGroup"),
        (goes_by_handled, "ValueError"),
        (says_something_else, "'pool' is not one of the ways"),
        (lambda event: None, "is a return statement missing"),
    ):
        result = exercise.check(wrong)
        assert result.verdict is Verdict.FAIL
        assert word in result.message


def returns_dots(given: object) -> object:
    return ...


def raises(given: object) -> object:
    raise KeyError("mechanisms")


def test_an_untouched_way_is_not_called_wrong(workshop: Workshop) -> None:
    exercise = workshop.exercise("how-it-failed")
    assert exercise.check().verdict is Verdict.UNATTEMPTED
    assert exercise.check(returns_dots).verdict is Verdict.UNATTEMPTED
    assert exercise.check(raises).verdict is Verdict.EXCEPTION


# A task that is not lost


def test_a_task_that_is_kept_and_reported_passes(task_exercise: Exercise) -> None:
    assert task_exercise.check(solved(task_exercise)).verdict is Verdict.PASS


def wraps(work: Work) -> None:
    """Another right answer: the work is awaited, in a task of its own."""

    async def guarded() -> None:
        try:
            await work
        except Exception as error:
            sentry_sdk.capture_exception(error)

    keep(asyncio.create_task(guarded()))


def keep(task: Task) -> Task:
    kept.add(task)
    task.add_done_callback(kept.discard)
    return task


def test_a_task_that_reports_itself_passes(task_exercise: Exercise) -> None:
    assert task_exercise.check(wraps).verdict is Verdict.PASS


def forgets(work: Work) -> None:
    asyncio.create_task(work)  # noqa: RUF006 - that is the mistake


def keeps_without_looking(work: Work) -> Task:
    return keep(asyncio.create_task(work))


def drops_the_error(work: Work) -> Task:
    task = keep(asyncio.create_task(work))
    task.add_done_callback(lambda task: None if task.cancelled() else task.exception())
    return task


def reports(error: BaseException | None) -> None:
    if error is not None:
        sentry_sdk.capture_exception(error)


def reports_whatever_ends(work: Work) -> Task:
    task = keep(asyncio.create_task(work))
    task.add_done_callback(lambda task: reports(task.exception()))
    return task


def reports_twice(work: Work) -> Task:
    task = keep(asyncio.create_task(work))
    for _ in range(2):
        task.add_done_callback(lambda task: None if task.cancelled() else reports(task.exception()))
    return task


def reports_a_message(work: Work) -> Task:
    def tell(task: Task) -> None:
        if not task.cancelled() and task.exception():
            sentry_sdk.capture_message("a task failed", level="error")

    task = keep(asyncio.create_task(work))
    task.add_done_callback(tell)
    return task


def greets_success(work: Work) -> Task:
    def tell(task: Task) -> None:
        if not task.cancelled():
            sentry_sdk.capture_message("a task ended")

    task = keep(asyncio.create_task(work))
    task.add_done_callback(tell)
    return task


async def awaits(work: Work) -> None:
    await work


def starts_nothing(work: Work) -> None:
    work.close()


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (None, "the function itself"),
        (forgets, "garbage collector"),
        (keeps_without_looking, "nothing was reported"),
        (drops_the_error, "nothing was reported"),
        (reports_whatever_ends, "cancelled"),
        (reports_twice, "2 times"),
        (reports_a_message, "a task failed"),
        (greets_success, "successful task"),
        (awaits, "async"),
        (starts_nothing, "did not start a task"),
    ],
)
def test_a_task_that_may_be_lost_is_told_why(
    task_exercise: Exercise, wrong: object, word: str
) -> None:
    result = task_exercise.check(wrong)
    assert result.verdict is Verdict.FAIL
    assert word in result.message


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(returns_dots, Verdict.UNATTEMPTED), (raises, Verdict.EXCEPTION)],
)
def test_a_starter_is_judged_by_what_it_does(
    task_exercise: Exercise, answer: Callable[[object], object], verdict: Verdict
) -> None:
    assert task_exercise.check(answer).verdict is verdict


@pytest.mark.filterwarnings("error")
def test_what_was_not_started_is_not_warned_about(task_exercise: Exercise) -> None:
    for answer in (returns_dots, raises, awaits):
        task_exercise.check(answer)
    gc.collect()


def test_it_can_be_checked_where_an_event_loop_runs(task_exercise: Exercise) -> None:
    async def cell() -> Verdict:
        return task_exercise.check(solved(task_exercise)).verdict

    assert asyncio.run(cell()) is Verdict.PASS


def test_what_it_tries_is_reported_nowhere_else(workshop: Workshop) -> None:
    with workshop.store.subscribe() as arrivals:
        workshop.exercise("start-a-task").check(wraps)
        workshop.trigger("game-engine/crash")
        seen = [arrivals.get(60)]
        while seen[-1].type != "event":
            seen.append(arrivals.get(60))
    assert LeaderboardLost.__name__ not in str([item.payload for item in seen])
