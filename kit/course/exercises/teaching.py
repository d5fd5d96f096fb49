"""The instructor's exercise. It is of no learner's course, and in no list of exercises."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, NotTried, Wrong

PAUSE = "pause"
PAUSE_MINUTES = 15
CLASS_MINUTES = 180
LONGEST_MINUTES = 90
FEWEST = 5
FIRST, LAST = 0, 13


def three_hours(minutes: Mapping[int, int]) -> Exercise:
    """Plan a class of three hours; ``minutes`` is how long each notebook takes, by its number."""
    return Exercise(
        "three-hours",
        lambda answer: _judge(answer, minutes),
        f"Begin with [{FIRST}, 1, 2], end with {LAST}, and look how many minutes are left.",
        'answer = [0, 1, 2, "pause", 10, 13]',
    )


def _judge(answer: Any, minutes: Mapping[int, int]) -> str:
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise Wrong('check() wants a list, of numbers of notebooks and "pause".')
    if ... in answer:
        raise NotTried
    raise_all(
        f'{step!r} is neither the number of a notebook nor "pause".'
        for step in answer
        if step != PAUSE and step not in minutes
    )
    total = sum(PAUSE_MINUTES if step == PAUSE else minutes[step] for step in answer)
    numbers = [step for step in answer if step != PAUSE]
    raise_all([*_find_mistakes(numbers), *_find_long_sittings(answer, minutes)])
    if total > CLASS_MINUTES:
        raise Wrong(f"That takes {total} minutes, and you have {CLASS_MINUTES}.")
    return f"That takes {total} minutes, and leaves {CLASS_MINUTES - total} for what goes wrong."


def _find_mistakes(numbers: Sequence[int]) -> Iterator[str]:
    if len(set(numbers)) < len(numbers):
        yield "A notebook comes twice."
    if len(numbers) < FEWEST:
        yield f"{len(numbers)} notebooks are few: take at least {FEWEST}."
    if not numbers or numbers[0] != FIRST or numbers[-1] != LAST:
        yield f"Begin with {FIRST}, and let them measure on themselves, in {LAST}, at last."


def _find_long_sittings(steps: Sequence[Any], minutes: Mapping[int, int]) -> Iterator[str]:
    since = 0
    for step in steps:
        since = 0 if step == PAUSE else since + minutes[step]
        if since > LONGEST_MINUTES:
            yield f"By the end of {step} they have sat for {since} minutes without a pause."
