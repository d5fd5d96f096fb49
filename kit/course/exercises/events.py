"""Reading an event, and summarizing it for others."""

from collections.abc import Callable
from typing import Any

from kit.course.answer_parts import compare, raise_all
from kit.course.exercise import Exercise, FunctionExercise
from kit.outcome import Event
from kit.widgets.crash_widget import TriggerFunction


def read_the_event(event: Event) -> Exercise:
    """Find who was hit, by what, and where, by reading an event's card."""
    expected = {
        "player": event.find("user.username"),
        "bet": event.find("contexts.spin.bet"),
        "function": event.find("exception.values[-1].stacktrace.frames[-1].function"),
    }

    def verify(answer: dict[str, Any]) -> str:
        compare(answer, expected)
        return "You can read an event: who was hit, what they were doing, and where it failed."

    return Exercise(
        "read-the-event",
        verify,
        "The player is under User. The bet is under Contexts, in the context spin. The function is "
        "in the topmost frame of the stack, which raised the error.",
        "answer = {\n"
        '    "player": mystery["user"]["username"],\n'
        '    "bet": mystery["contexts"]["spin"]["bet"],\n'
        '    "function": mystery.find("exception.values[-1].stacktrace.frames[-1].function"),\n'
        "}",
    )


TRIAGED = ("game-engine/crash", "game-engine/error?type=index", "game-engine/error?type=custom")


def triage(trigger: TriggerFunction) -> Exercise:
    """Write a function that turns any error event into one line for the person on call."""

    def verify(answer: Callable[[Event], object]) -> str:
        for crash_id in TRIAGED:
            event = trigger(crash_id).event
            assert event is not None
            line = answer(event)
            _check_line(line, _essentials(event), crash_id)
        return f"Tried on {len(TRIAGED)} new crashes: each line says who, what and where."

    return FunctionExercise(
        "triage",
        verify,
        'The last raised exception is event["exception"]["values"][-1]. Its frames run from the '
        "oldest call to the newest. Take the newest frame whose in_app is true.",
        "def triage(event):\n"
        '    error = event["exception"]["values"][-1]\n'
        '    ours = [frame for frame in error["stacktrace"]["frames"] if frame.get("in_app")][-1]\n'
        "    where = f\"{ours['filename']}:{ours['lineno']}\"\n"
        "    return f\"{event['user']['username']}: {error['type']} at {where}\"",
        answer_name="triage",
    )


def _essentials(event: Event) -> dict[str, str]:
    error = event["exception"]["values"][-1]
    ours = [frame for frame in error["stacktrace"]["frames"] if frame.get("in_app")][-1]
    return {
        "who was hit": event["user"]["username"],
        "the exception's type": error["type"],
        "the file and line of our code": f"{ours['filename']}:{ours['lineno']}",
    }


def _check_line(line: object, essentials: dict[str, str], crash_id: str) -> None:
    text = str(line)
    raise_all(
        f"For {crash_id} the line {text!r} does not say {what}{_say_case(value, text)}."
        for what, value in essentials.items()
        if value not in text
    )


def _say_case(value: str, text: str) -> str:
    return " with the same upper and lower case" if value.casefold() in text.casefold() else ""
