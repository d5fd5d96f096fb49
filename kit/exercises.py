"""Exercises with ``check()``, ``hint()`` and ``solution()``."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from kit.html import render
from kit.outcome import Event, Outcome

Trigger = Callable[[str], Outcome]


class Verdict(Enum):
    """How an answer was judged; the value is the word on the screen."""

    PASS = "Correct"  # noqa: S105 - no password
    FAIL = "Not yet"
    EXCEPTION = "Your code raised an error"
    UNATTEMPTED = "Not tried yet"


class Wrong(Exception):
    """An answer is wrong; the message helps on without giving the answer away."""


class NotTried(Exception):
    """An answer is still as it was given out."""


@dataclass(frozen=True)
class Result:
    """A verdict and the sentence that explains it."""

    verdict: Verdict
    message: str

    def _repr_html_(self) -> str:
        return render("result.html", result=self)


@dataclass(frozen=True)
class Note:
    """A hint or a solution, shown when it is asked for."""

    title: str
    text: str
    is_code: bool = False

    def _repr_html_(self) -> str:
        return render("note.html", note=self)


@dataclass(frozen=True)
class Exercise:
    """A task whose answer is checked.

    ``verify`` is given the answer; it returns a sentence of praise, or raises Wrong or NotTried.
    The solution is code that binds ``answer``, so that it can be run as well as read.
    """

    name: str
    verify: Callable[[Any], str]
    hint_text: str
    solution_code: str

    def check(self, answer: Any = ...) -> Result:
        """Judge ``answer``. Dots that were left in it mean that it was not tried yet."""
        try:
            if answer is ...:
                raise NotTried
            return Result(Verdict.PASS, self.verify(answer))
        except NotTried:
            return Result(Verdict.UNATTEMPTED, "Replace the dots with your answer, then run again.")
        except Wrong as wrong:
            return Result(Verdict.FAIL, str(wrong))
        except Exception as error:  # the learner's own code may raise anything
            return Result(Verdict.EXCEPTION, f"{type(error).__name__}: {error}")

    def hint(self) -> Note:
        """Return a nudge in the right direction."""
        return Note("Hint", self.hint_text)

    def solution(self) -> Note:
        """Return code that solves it."""
        return Note("One solution", self.solution_code, is_code=True)


def read_the_event(trigger: Trigger, event: Event) -> Exercise:
    """Find who was hit, by what, and where, by reading an event's card."""
    expected = {
        "player": event.find("user.username"),
        "bet": event.find("contexts.spin.bet"),
        "function": event.find("exception.values[-1].stacktrace.frames[-1].function"),
    }

    def verify(answer: dict[str, Any]) -> str:
        _compare(answer, expected)
        return "You can read an event: who was hit, what they were doing, and where it broke."

    return Exercise(
        "read-the-event",
        verify,
        "The player is under User. The bet is under Contexts, in the one named spin. The function "
        "is that of the topmost frame of the stack: the one that raised.",
        "answer = {\n"
        '    "player": event["user"]["username"],\n'
        '    "bet": event["contexts"]["spin"]["bet"],\n'
        '    "function": event.find("exception.values[-1].stacktrace.frames[-1].function"),\n'
        "}",
    )


TRIAGED = ("game-engine/crash", "game-engine/error?type=index", "game-engine/error?type=custom")


def triage(trigger: Trigger) -> Exercise:
    """Write a function that turns any error event into one line for the person on call."""

    def verify(answer: Callable[[Event], object]) -> str:
        if not callable(answer):
            raise Wrong("check() wants the function itself: exercise.check(triage)")
        for crash_id in TRIAGED:
            event = trigger(crash_id).event
            assert event is not None
            line = answer(event)
            if line is ...:
                raise NotTried
            if line is None:
                raise Wrong("The function returned None: does it end with a return?")
            _contains(line, _essentials(event), crash_id)
        return f"Tried on {len(TRIAGED)} new crashes: each line says who, what and where."

    return Exercise(
        "triage",
        verify,
        'The exception that was raised last is event["exception"]["values"][-1]. Its frames '
        "run from the oldest call to the newest. Take the newest one whose in_app is true.",
        "def answer(event):\n"
        '    error = event["exception"]["values"][-1]\n'
        '    ours = [frame for frame in error["stacktrace"]["frames"] if frame["in_app"]][-1]\n'
        "    where = f\"{ours['filename']}:{ours['lineno']}\"\n"
        "    return f\"{event['user']['username']}: {error['type']} at {where}\"",
    )


def _essentials(event: Event) -> dict[str, str]:
    error = event["exception"]["values"][-1]
    ours = [frame for frame in error["stacktrace"]["frames"] if frame["in_app"]][-1]
    return {
        "who was hit": event["user"]["username"],
        "the exception's type": error["type"],
        "the file and line of our code": f"{ours['filename']}:{ours['lineno']}",
    }


def _contains(line: object, essentials: dict[str, str], crash_id: str) -> None:
    for what, value in essentials.items():
        if value not in str(line):
            raise Wrong(f"For {crash_id} the line {str(line)!r} does not say {what}.")


def _compare(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    if not isinstance(answer, dict):
        raise Wrong(f"check() wants a dict with the keys {', '.join(expected)}.")
    if answer and all(given is ... for given in answer.values()):
        raise NotTried
    for key, value in expected.items():
        given = answer.get(key, ...)
        if given is ...:
            raise Wrong(f"{key!r} is still missing.")
        if given != value:
            raise Wrong(f"{key!r} is not {given!r}. Look again at its part of the card.")


EXERCISES: dict[str, Callable[..., Exercise]] = {
    "read-the-event": read_the_event,
    "triage": triage,
}
