"""The instructor's exercise. It is not part of the learners' course or the list of exercises."""

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
    """Plan a three-hour class; ``minutes`` maps each notebook's number to its duration."""
    return Exercise(
        "three-hours",
        lambda answer: _judge(answer, minutes),
        f"Start with [{FIRST}, 1, 2], end with {LAST}, and see how many minutes are left.",
        'answer = [0, 1, 2, "pause", 10, 13]',
    )


def _judge(answer: Any, minutes: Mapping[int, int]) -> str:
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise Wrong('check() needs a list of notebook numbers and "pause".')
    if ... in answer:
        raise NotTried
    raise_all(
        f'{step!r} is neither a notebook number nor "pause".'
        for step in answer
        if step != PAUSE and step not in minutes
    )
    total = sum(PAUSE_MINUTES if step == PAUSE else minutes[step] for step in answer)
    numbers = [step for step in answer if step != PAUSE]
    raise_all([*_find_mistakes(numbers), *_find_long_sittings(answer, minutes)])
    if total > CLASS_MINUTES:
        raise Wrong(f"That takes {total} minutes, but you have {CLASS_MINUTES}.")
    return f"That takes {total} minutes and leaves {CLASS_MINUTES - total} for problems."


def _find_mistakes(numbers: Sequence[int]) -> Iterator[str]:
    if len(set(numbers)) < len(numbers):
        yield "A notebook appears twice."
    if len(numbers) < FEWEST:
        yield f"{len(numbers)} notebooks are too few: take at least {FEWEST}."
    if not numbers or numbers[0] != FIRST or numbers[-1] != LAST:
        yield f"Start with {FIRST}, and finish with {LAST}, where learners time themselves."


def _find_long_sittings(steps: Sequence[Any], minutes: Mapping[int, int]) -> Iterator[str]:
    since = 0
    for step in steps:
        since = 0 if step == PAUSE else since + minutes[step]
        if since > LONGEST_MINUTES:
            yield f"By the end of {step} learners have had {since} minutes without a pause."
