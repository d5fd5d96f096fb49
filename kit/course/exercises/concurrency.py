"""Errors in tasks, threads and pools: how they reach Sentry, and how to lose none."""

import asyncio
import gc
import inspect
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sentry_sdk

from demo_services.sdk import logging_integration
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.course.recording_transport import RecordingTransport
from kit.outcome import Event
from kit.system.clients import use_client
from kit.widgets.crash_widget import TriggerFunction

# The mechanism of an error, and the way it reached Sentry.
WAYS = {"tornado": "request", "asyncio": "task", "threading": "thread", "generic": "caught"}
FAILING = ("game-engine/async-error", "game-engine/threading-error")
PATIENCE_S = 10.0

Work = Coroutine[Any, Any, None]
Start = Callable[[Work], object]


def how_it_failed(trigger: TriggerFunction) -> Exercise:
    """Tell from any error event how the error reached Sentry."""

    def verify(answer: Callable[[Event], object]) -> str:
        events = [event for crash_id in FAILING for event in _events(trigger, crash_id)]
        for event in events:
            _check_way(answer(event), event)
        return f"Tried on {len(events)} new events: the mechanism says how each one was captured."

    return FunctionExercise(
        "how-it-failed",
        verify,
        'Each error has a mechanism: event["exception"]["values"][-1]["mechanism"]["type"]. It '
        "names the integration that captured it; generic comes from capture_exception.",
        "def way(event):\n"
        '    mechanism = event["exception"]["values"][-1]["mechanism"]["type"]\n'
        '    ways = {"tornado": "request", "asyncio": "task", "threading": "thread"}\n'
        '    return ways.get(mechanism, "caught")',
        answer_name="way",
    )


def _events(trigger: TriggerFunction, crash_id: str) -> list[Event]:
    outcome = trigger(crash_id)
    assert not outcome.missing, outcome.missing
    return outcome.events


def _check_way(given: object, event: Event) -> None:
    if given not in WAYS.values():
        raise Wrong(f"{given!r} is not one of the ways: {', '.join(WAYS.values())}.")
    if given != WAYS[event.find("exception.values[-1].mechanism.type")]:
        raise Wrong(
            f"{event.title} with the message {event.find('exception.values[-1].value')!r} did not "
            f"reach Sentry by way of {given!r}. Which part of an event names what captured it?"
        )


def start_a_task() -> Exercise:
    """Write a function that starts a task without losing its error."""

    def verify(answer: Start) -> str:
        # Not in this thread: in a notebook the kernel's event loop runs here.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_try_with_client, answer).result()
        return "It survives the garbage collector, and its error is reported once."

    return FunctionExercise(
        "start-a-task",
        verify,
        "asyncio only holds weak references to tasks: keep yours in a set. A callback of "
        "task.add_done_callback receives the task; task.exception() returns its error, but raises "
        "for a cancelled task.",
        "import asyncio\n\n"
        "import sentry_sdk\n\n"
        "background = set()\n\n\n"
        "def finish(task):\n"
        "    background.discard(task)\n"
        "    if not task.cancelled() and (error := task.exception()):\n"
        "        sentry_sdk.capture_exception(error)\n\n\n"
        "def start(work):\n"
        "    task = asyncio.create_task(work)\n"
        "    background.add(task)\n"
        "    task.add_done_callback(finish)\n"
        "    return task",
        answer_name="start",
        may_return_none=True,
    )


class LeaderboardLost(Exception):
    """The error of the task that the learner starts."""


def _try_with_client(start: Start) -> None:
    """Try ``start`` with a client without the asyncio integration, like most clients.

    It turns log records into events, which version 3 of the SDK does not do by default: asyncio's
    log record about a lost task must not count as a report.
    """
    sent = RecordingTransport()
    client = sentry_sdk.Client(
        "http://key@127.0.0.1/1",
        transport=sent,
        default_integrations=False,
        integrations=[logging_integration()],
    )
    with use_client(client):
        asyncio.run(_try(start, sent.events))


async def _try(start: Start, sent: list[Event]) -> None:
    await _outlives_the_garbage_collector(start)
    if sent:
        raise Wrong(
            "A cancelled task led to an event. Check task.cancelled() before task.exception(): a "
            "cancelled task has not failed."
        )
    await _run(start, _succeed())
    if sent:
        raise Wrong("A successful task led to an event.")
    await _run(start, _fail())
    _check_report(sent)


async def _outlives_the_garbage_collector(start: Start) -> None:
    gates: weakref.WeakSet[asyncio.Future[None]] = weakref.WeakSet()

    async def wait() -> None:
        gate = asyncio.get_running_loop().create_future()
        gates.add(gate)
        await gate

    _start_tasks(start, wait())
    async with asyncio.timeout(PATIENCE_S):
        while not gates:
            await asyncio.sleep(0)
    gc.collect()
    if not gates:
        raise Wrong(
            "The task disappeared before it ended: no code keeps a reference to it, so the garbage "
            "collector deleted it. asyncio's own references to tasks are weak."
        )
    tasks = asyncio.all_tasks() - _this_task()
    for gate in gates:
        gate.cancel()
    await asyncio.wait(tasks, timeout=PATIENCE_S)


async def _run(start: Start, work: Work) -> None:
    await asyncio.wait(_start_tasks(start, work), timeout=PATIENCE_S)


def _start_tasks(start: Start, work: Work) -> set["asyncio.Task[Any]"]:
    """Return the tasks that ``start`` started."""
    before = asyncio.all_tasks()
    try:
        _refuse_coroutine(start(work))
        if started := asyncio.all_tasks() - before:
            return started
        raise Wrong("The function did not start a task. asyncio.create_task(work) starts one.")
    except Exception:
        # Otherwise Python warns that it was never awaited.
        work.close()
        raise


def _refuse_coroutine(returned: object) -> None:
    if inspect.iscoroutine(returned):
        returned.close()
        raise Wrong("The function is async, so its caller would have to await it. Use def.")


def _this_task() -> set["asyncio.Task[Any]"]:
    task = asyncio.current_task()
    return {task} if task else set()


async def _succeed() -> None:
    await asyncio.sleep(0)


async def _fail() -> None:
    await asyncio.sleep(0)
    raise LeaderboardLost("the leaderboard was not updated")


def _check_report(sent: list[Event]) -> None:
    # asyncio logs an unretrieved error when the task is collected, at an unknown time.
    ours = [event for event in sent if event.get("logger") != "asyncio"]
    if not ours:
        raise Wrong("The task failed, but nothing was reported when it ended.")
    if len(ours) > 1:
        raise Wrong(f"The error was reported {len(ours)} times. Once is enough.")
    if ours[0].title != LeaderboardLost.__name__:
        raise Wrong(f"The report is {ours[0].title!r}, not the error. Capture the error itself.")
