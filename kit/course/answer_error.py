"""Errors in an answer: where in the learner's code, and for which input."""

import linecache
from collections.abc import Iterator, Mapping, Sequence
from traceback import walk_tb
from types import FrameType
from typing import Any

from kit.outcome import Event

LONGEST = 80
_Place = tuple[FrameType, int]


class AnswerError(Exception):
    """The learner's own code failed; the message says how, where and for which input."""


def as_answer_error(error: Exception, answer: object, *given: object) -> AnswerError:
    """Return an error that says what ``answer`` raised, on which line and for which arguments."""
    if isinstance(error, AnswerError):
        return error
    place = next(iter(_places(error, answer)), None)
    text = f": {error}" if str(error) else ""
    said = f"{type(error).__name__}{text}{_say_place(place)}."
    if given:
        said += f" It was called with {' and '.join(map(describe_argument, given))}."
    return AnswerError(said)


def is_in_answer(error: Exception, answer: object) -> bool:
    """Whether the error passed through the learner's code."""
    return any(_places(error, answer))


def describe_argument(argument: object) -> str:
    """Return a short description of an argument."""
    match argument:
        case Event():
            service = argument.get("server_name")
            return f"the event {argument.title}" + (f" from {service}" if service else "")
        case str() | int() | float() | bool() | None:
            text = repr(argument)
            return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        case Mapping():
            return f"a dict with the keys {', '.join(map(str, argument))}"[:LONGEST]
        case [first, *_]:
            return f"a list of {len(argument)} starting with {describe_argument(first)}"
        case Sequence():
            return "an empty list"
    return f"an object of the type {type(argument).__name__}"


def _places(error: Exception, answer: object) -> Iterator[_Place]:
    """Yield the frames of the learner's code in the traceback, newest first."""
    own = {id(each.__globals__) for each in _functions(answer)}
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        if id(frame.f_globals) in own or frame.f_globals.get("__name__") == "__main__":
            yield frame, line


def _functions(answer: object) -> Iterator[Any]:
    values = answer.values() if isinstance(answer, Mapping) else (answer,)
    return (each for each in values if hasattr(each, "__globals__"))


def _say_place(place: _Place | None) -> str:
    if place is None:
        return ""
    frame, line = place
    source = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
    shown = f": {source}" if source else ""
    return f", raised in {frame.f_code.co_name}, line {line} of its cell{shown}"
