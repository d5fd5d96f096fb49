"""Processes: what ends one, how that looks from outside, and which event is the root cause."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import psutil

from kit.course.answer_error import AnswerError
from kit.course.answer_parts import raise_all, require_choices
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.crashes.expectation import is_watchdog
from kit.hosting.node import find_node
from kit.outcome import Event, Outcome
from kit.widgets.crash_widget import TriggerFunction

FIVE = (
    "payment/crash",
    "payment/stack-overflow",
    "payment/async-error",
    "payment/error?type=insufficient-funds",
    "payment/heap-exhaustion",
)
TRACES = ("gateway/panic", "payment/heap-exhaustion", "payment/crash")
PLACES = ("error", "heap", "outside")
NODE_DEADLINE_S = 20.0

Pid = Callable[[], int | None]
End = Callable[[Callable[[psutil.Process], None]], Event]
Process = subprocess.CompletedProcess[str]


# What kills Node


def what_kills_node(trigger: TriggerFunction, pid: Pid) -> Exercise:
    """Predict which crash types end the process; ``pid`` returns the id of the running one."""

    def verify(answer: dict[str, bool]) -> str:
        # First, so that no crash is fired for an incomplete answer.
        require_choices(answer, FIVE, (True, False))
        wrong = [_try_prediction(answer[crash_id], trigger, pid, crash_id) for crash_id in FIVE]
        raise_all(filter(None, wrong))
        return "All five were fired. The process ids before and after confirm your answers."

    return Exercise(
        "what-kills-node",
        verify,
        "The level is what the code set, and says nothing about the process. Ask for each: is "
        "there code above the error that could catch it? And is it an error at all?",
        "answer = {\n"
        '    "payment/crash": True,\n'
        '    "payment/stack-overflow": False,\n'
        '    "payment/async-error": False,\n'
        '    "payment/error?type=insufficient-funds": False,\n'
        '    "payment/heap-exhaustion": True,\n'
        "}",
    )


def _try_prediction(given: bool, trigger: TriggerFunction, pid: Pid, crash_id: str) -> str:
    """Fire a crash; return what is wrong with the prediction, or an empty string."""
    before = pid()
    trigger(crash_id)
    after = pid()
    if given == (before != after):
        return ""
    return f"{crash_id} was fired: the process id was {before} before and {after} after."


# A promise that is not lost

_FAILURE = "no mailbox"
_THROW = f"throw new Error('{_FAILURE}');"
_WORK = {
    "that fails after an await": f"async () => {{ await 0; {_THROW} }}",
    "that throws at once": f"() => {{ {_THROW} }}",
    "that succeeds": "async () => {}",
}
_TRY = """
const reported = [];
process.on('exit', (code) => code || console.log(JSON.stringify(reported)));
start(work, (error) => reported.push(error?.message ?? `${error}`));
"""


class JavaScriptError(AnswerError):
    """The answer is not valid JavaScript; the message is from Node.js."""


def start_a_promise() -> Exercise:
    """Write a JavaScript function that starts work; its failure must not kill or get lost."""

    def verify(answer: str) -> str:
        if not isinstance(answer, str):
            raise Wrong('check() needs a string of JavaScript: "(work, report) => { … }"')
        start = f"const start = ({answer.strip().rstrip(';')}\n);"
        _is_a_function(start)
        for what, work in _WORK.items():
            _check_run(f"{start}\nconst work = {work};\n{_TRY}", what)
        return f"Node.js ran it {len(_WORK)} times: no process died, and no failure was lost."

    return Exercise(
        "start-a-promise",
        verify,
        "work().catch(report) is nearly there, but what if work throws before it returns a "
        "promise? In an async function, try and catch handle both.",
        'start = """\n'
        "async (work, report) => {\n"
        "  try {\n"
        "    await work();\n"
        "  } catch (error) {\n"
        "    report(error);\n"
        "  }\n"
        "}\n"
        '"""',
        answer_name="start",
    )


def _is_a_function(start: str) -> None:
    run = _run_node(
        f"{start}\nif (typeof start !== 'function') throw new TypeError('no function');"
    )
    if run.returncode:
        raise JavaScriptError(f"Node.js reports: {_error(run)}")


def _check_run(code: str, what: str) -> None:
    run = _run_node(code)
    if run.returncode:
        raise Wrong(
            f"Work {what}: Node.js exited with code {run.returncode}. Its last error: {_error(run)}"
        )
    reported = json.loads(run.stdout.splitlines()[-1])
    expected = [] if what.endswith("succeeds") else [_FAILURE]
    if reported != expected:
        raise Wrong(
            f"Work {what}: report should be called with {expected or 'nothing'}, "
            f"but was called with {reported or 'nothing'}."
        )


def _run_node(code: str) -> Process:
    """Run JavaScript with Node.js without options. Raises Wrong when it does not end."""
    own = {name: value for name, value in os.environ.items() if name.upper() != "NODE_OPTIONS"}
    try:
        return subprocess.run(  # noqa: S603 - the learner's own code, on their own machine
            [find_node().path, "-e", code],
            env=own,
            capture_output=True,
            encoding="utf-8",
            timeout=NODE_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Wrong(
            f"Node.js was still running after {NODE_DEADLINE_S:g} s. What keeps it alive?"
        ) from None


def _error(run: Process) -> str:
    """Return the line of stderr that names the error."""
    return next(filter(re.compile(r"\w*Error\b").match, run.stderr.splitlines()), "none")


# Where to look first


def first_look(trigger: TriggerFunction, end: End) -> Exercise:
    """Say for any event about a process's death where to look first.

    ``end`` ends the payment service with a method of ``psutil.Process``, and returns the event that
    its supervisor sent.
    """
    deaths: tuple[tuple[str, Callable[[], Event]], ...] = (
        ("error", lambda: _supervisor_event(trigger("payment/crash"))),
        ("outside", lambda: end(psutil.Process.kill)),
        ("heap", lambda: _supervisor_event(trigger("payment/heap-exhaustion"))),
        ("outside", lambda: end(psutil.Process.terminate)),
    )

    def verify(answer: Callable[[Event], object]) -> str:
        for place, die in deaths:
            event = die()
            _check_look(answer(event), place, event)
        return f"Tried on {len(deaths)} new deaths."

    return FunctionExercise(
        "first-look",
        verify,
        "contexts.node.heap_exhausted says whether V8 gave up. Node.js itself exits with code 1 "
        "after an uncaught error. A signal or any other exit code has another cause.",
        "def first_look(event):\n"
        '    if event["contexts"]["node"]["heap_exhausted"]:\n'
        '        return "heap"\n'
        '    if event["contexts"]["process"]["exit_code"] == 1:\n'
        '        return "error"\n'
        '    return "outside"',
        answer_name="first_look",
    )


def _supervisor_event(outcome: Outcome) -> Event:
    return next(event for event in outcome.events if _mechanism(event)["type"] == "supervisor")


def _check_look(given: object, place: str, event: Event) -> None:
    if given not in PLACES:
        raise Wrong(f"{given!r} is not one of the places: {', '.join(PLACES)}.")
    if given != place:
        process = event["contexts"]["process"]
        raise Wrong(
            f"For {event.title}, with the exit code {process['exit_code']} and the signal "
            f"{process['signal']}, {given!r} is not the place to look first."
        )


# The root cause


def root_cause(trigger: TriggerFunction) -> Exercise:
    """Find the event that caused all others in its trace."""

    def verify(answer: Callable[[list[Event]], object]) -> str:
        for crash_id in TRACES:
            outcome = trigger(crash_id)
            assert not outcome.missing, outcome.missing
            # The watchdog's events are not a cause.
            told = (event for event in outcome.events if not is_watchdog(event))
            events = sorted(told, key=lambda event: event.title)
            _check_cause(answer(events), outcome.events[0])
        return f"Tried on {len(TRACES)} new traces: one event in each is worth a page at night."

    return FunctionExercise(
        "root-cause",
        verify,
        "Look at the mechanism of each. The gateway caught and reported that a service did not "
        "answer: handled. Of the unhandled ones, the event from inside the process says more.",
        "def root_cause(events):\n"
        "    def distance(event):\n"
        '        mechanism = event["exception"]["values"][-1]["mechanism"]\n'
        '        return mechanism["handled"], mechanism["type"] == "supervisor"\n\n'
        "    return min(events, key=distance)",
        answer_name="root_cause",
    )


def _check_cause(given: object, cause: Event) -> None:
    if not isinstance(given, Event):
        raise Wrong(f"The function must return one of the events that it receives, not {given!r}.")
    if given["event_id"] != cause["event_id"]:
        who = "its supervisor" if _mechanism(given)["type"] == "supervisor" else "the gateway"
        raise Wrong(
            f"{given.title}, reported by {who}, is a consequence of another event in the trace."
        )


def _mechanism(event: Event) -> dict[str, Any]:
    mechanism: dict[str, Any] = event["exception"]["values"][-1]["mechanism"]
    return mechanism
