"""Evidence: what a log line must contain to name the cause."""

import re
from collections.abc import Callable, Sequence

from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.experiments.time_to_fix.puzzles import Case
from kit.outcome import Event

MAX_CHARACTERS = 160


def log_line(cases: Sequence[Case]) -> Exercise:
    """Write the log line that would have named the cause of the planted bugs."""

    def verify(answer: Callable[[Event], object]) -> str:
        for case in cases:
            for event in case.events:
                _tells(answer(event), event, case)
        number = sum(len(case.events) for case in cases)
        return f"Tried on all {number} events: each line says who, where in the loop, and why."

    return FunctionExercise(
        "log-line",
        verify,
        "All three bugs fail in a loop. The last frame of the stack raised the error; its "
        '"vars" are the local variables, and each loop has one called name. Short variables say '
        "most.",
        "def log_line(event):\n"
        '    error = event["exception"]["values"][-1]\n'
        '    variables = error["stacktrace"]["frames"][-1]["vars"]\n'
        "    short = {k: v for k, v in variables.items() if isinstance(v, str) and len(v) < 30}\n"
        "    told = \" \".join(f'{name}={value}' for name, value in short.items())\n"
        "    return f\"{event['user']['username']}: {error['type']} {told}\"",
        answer_name="log_line",
    )


def _tells(line: object, event: Event, case: Case) -> None:
    if not isinstance(line, str):
        raise Wrong(f"The function must return a string, not {line!r}.")
    if "\n" in line or len(line) > MAX_CHARACTERS:
        raise Wrong(
            f"A log line is one line of at most {MAX_CHARACTERS} characters: people read it among "
            f"thousands. This one has {len(line)}."
        )
    raise_all(
        f"For {case.puzzle.promotion} the line {line!r} does not say {what}."
        for what, value in _essentials(event, case).items()
        if not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", line)
    )


def _essentials(event: Event, case: Case) -> dict[str, str]:
    variables = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["vars"]
    return {
        "who was hit": event["user"]["username"],
        "the loop's current item": variables["name"].strip("'"),
        "the value that caused the error": variables[case.puzzle.culprit_variable].strip("'"),
    }
