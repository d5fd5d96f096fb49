"""Memory and CPU: what an event and a profile say about them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from kit.course.answer_parts import compare
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.outcome import Event, Profile
from kit.reading.profiles import StackSample, active_samples
from kit.views.flame import find_hot_spot
from kit.widgets.crash_widget import TriggerFunction

LEAKS_MB = (24, 48)
CLOSE_MB = 0.05
CLOSE_PERCENT = 10


def guilty_function(profile: Profile) -> Exercise:
    """Find the function that took the time of the profile's span, and its caller."""
    samples = active_samples(profile, profile.span)
    guilty = find_hot_spot(samples)
    assert guilty is not None
    function = guilty.function.frame.function
    percent = 100 * guilty.function.share

    def verify(answer: dict[str, Any]) -> str:
        shares = answer.get("percent", ...) if isinstance(answer, dict) else ...
        expected = {"function": function, "called_by": _caller(samples, function)}
        compare(answer, {**expected, "percent": shares})
        if not isinstance(shares, int | float) or abs(shares - percent) > CLOSE_PERCENT:
            raise Wrong(
                f"'percent' is not {shares!r}. Take the samples of profile.span's thread while the "
                "span was open: in how many of them is that function on the stack?"
            )
        return f"{function} took {percent:.0f} % of the time. Look there first."

    return Exercise(
        "guilty-function",
        verify,
        "To show the profile, put its name on a cell's last line. The sentence above the graph "
        "names the function and its share; the box above a box is its caller.",
        "answer = {\n"
        f'    "function": "{function}",\n'
        f'    "called_by": "{_caller(samples, function)}",\n'
        f'    "percent": {percent:.0f},\n'
        "}",
    )


def _caller(samples: list[StackSample], function: str) -> str:
    """Return the in-app function that called ``function`` in most samples."""
    callers: Counter[str] = Counter()
    for sample in samples:
        ours = [frame.function for frame in sample.stack if frame.is_ours]
        if function in ours[1:]:
            callers[ours[ours.index(function, 1) - 1]] += 1
    return callers.most_common(1)[0][0]


def leak_per_step(trigger: TriggerFunction) -> Exercise:
    """Write a function that measures a leak from the breadcrumbs of its event."""

    def verify(answer: Callable[[Event], object]) -> str:
        for mb in LEAKS_MB:
            event = trigger("game-engine/memory-leak", mb=mb).event
            assert event is not None
            _check_measure(answer(event), _resident_sizes(event), mb)
        return f"Tried on {len(LEAKS_MB)} new leaks: these numbers belong in the ticket."

    return FunctionExercise(
        "leak-per-step",
        verify,
        'The breadcrumbs are in event["breadcrumbs"]["values"]; those of the leak have the '
        'category "memory", and the rss_mb of the process in data. Three breadcrumbs are two '
        "steps apart.",
        "def leak(event):\n"
        '    crumbs = event["breadcrumbs"]["values"]\n'
        '    sizes = [c["data"]["rss_mb"] for c in crumbs if c["category"] == "memory"]\n'
        "    grown = sizes[-1] - sizes[0]\n"
        '    return {"breadcrumbs": len(sizes), "mb_per_step": grown / (len(sizes) - 1)}',
        answer_name="leak",
    )


def _resident_sizes(event: Event) -> list[float]:
    """Return the process's resident memory at each breadcrumb of the leak."""
    return [float(mb) for mb in event.find("breadcrumbs.values[?category=='memory'].data.rss_mb")]


def _check_measure(given: object, sizes: list[float], mb: int) -> None:
    if not isinstance(given, dict):
        raise Wrong("The function must return a dict with breadcrumbs and mb_per_step.")
    per_step = given.get("mb_per_step", ...)
    compare(given, {"breadcrumbs": len(sizes), "mb_per_step": per_step})
    if not isinstance(per_step, int | float):
        raise Wrong(f"'mb_per_step' must be a number, not {per_step!r}.")
    if abs(per_step - (sizes[-1] - sizes[0]) / (len(sizes) - 1)) > CLOSE_MB:
        raise Wrong(
            f"With mb={mb} the process did not grow by {per_step:.2f} MB per step. Take its rss_mb "
            "at the first and the last of these breadcrumbs, and count the steps between them."
        )
