"""On call: the evidence of a drill in the store, and its impact in numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from kit.course.answer_parts import raise_all, require_parts
from kit.course.exercise import Exercise, Wrong
from kit.reliability.drill.drill import Drill
from kit.reliability.drill.scenario import SERVICES, Scenario

# Times read off a timeline are rounded one way or the other.
NEAR_S = 1.0
TIMES = {"detected_s": "detected", "mitigated_s": "mitigated"}

CLUE_SOLUTION = """
service = errors(shift_spins["failed"])[0]["server_name"]
(flag,) = suspects(shift_spins, service)
clue = {"service": service, "flag": flag}
"""
IMPACT_SOLUTION = """
(began,) = shift.timeline.of("incident")
seen = next(each for each in shift.timeline.of("phase") if each.text.startswith("Detected"))
stopped = shift.timeline.of("mitigation")[-1]
impact = {
    "failed_spins": shift.impact.failed,
    "players": shift.impact.players,
    "detected_s": seen.at - began.at,
    "mitigated_s": stopped.at - began.at,
}
"""


def first_clue(drill: Drill) -> Exercise:
    """Name the service and the flag behind the incident of a drill."""

    def verify(answer: Any) -> str:
        given = require_parts(answer, ("service", "flag"))
        truth = drill.truth_for_judges()
        raise_all([*_wrong_service(given["service"], truth), *_wrong_flag(given["flag"], truth)])
        return f"The flag {truth.flag} in {truth.evaluated_by}: with it off, spins were good again."

    return Exercise(
        "first-clue",
        verify,
        'errors(shift_spins["failed"]) are the error events of the failed spin, earliest first: '
        "that one caused the others. A flag that was also on for a good spin explains nothing: "
        "compare the flags of both spins in that service.",
        CLUE_SOLUTION.strip(),
        answer_name="clue",
    )


def write_the_impact(drill: Drill) -> Exercise:
    """State the impact of an incident in numbers, as for the top of a post-mortem."""

    def verify(answer: Any) -> str:
        given = require_parts(answer, ("failed_spins", "players", *TIMES))
        raise_all(_not_numbers(given))
        raise_all([*_wrong_counts(given, drill), *_wrong_times(given, drill)])
        impact = drill.impact
        return (
            f"{impact.failed} spins of {impact.players} players failed before it was mitigated, "
            f"{given['mitigated_s']:.0f} s after it began. That is the first line of a post-mortem."
        )

    return Exercise(
        "write-the-impact",
        verify,
        "The failed spins and their players are under Impact. For the times, find three entries: "
        "where the incident begins, where it was detected (an alarm before it was a false one), "
        "and the last mitigation, which helped. Count from the first one: the incident did not "
        "begin with your drill.",
        IMPACT_SOLUTION.strip(),
        answer_name="impact",
    )


def _wrong_service(given: object, truth: Scenario) -> Iterator[str]:
    if given in truth.services:
        return
    if given not in SERVICES:
        yield f"'service' must be one of {', '.join(SERVICES)}."
        return
    yield (
        f"It is not in {given}. A service that calls a broken one also reports an error: look for "
        "the earliest error event of the trace."
    )


def _wrong_flag(given: object, truth: Scenario) -> Iterator[str]:
    if given == truth.flag:
        return
    if given in truth.flags:
        yield (
            f"The flag {given} was on, but it is harmless: spins succeeded with it. Compare with "
            "the flags of a good spin."
        )
        return
    yield f"'flag' must be one of {', '.join(truth.flags)}."


def _not_numbers(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{name!r} must be a number, not {value!r}."


def _wrong_counts(given: Mapping[str, Any], drill: Drill) -> Iterator[str]:
    impact = drill.impact
    if given["failed_spins"] != impact.failed:
        yield f"'failed_spins' is not {given['failed_spins']}: see Impact in the draft."
    if given["players"] != impact.players:
        yield (
            f"'players' is not {given['players']}: count each player once, however many of their "
            "spins failed."
        )


def _wrong_times(given: Mapping[str, Any], drill: Drill) -> Iterator[str]:
    verdict = drill.verdict
    for name, phase in TIMES.items():
        right = next(verdict.seconds(each.name) for each in drill.phases if each.name == phase)
        if right is None:
            raise Wrong(f"In this drill the incident was not {phase}: play the shift again.")
        if abs(given[name] - right) <= NEAR_S:
            continue
        if abs(given[name] - right - (verdict.began_at or 0.0)) <= NEAR_S:
            yield (
                f"{name!r} counts from the start of the drill. Count from the start of the "
                "incident: that is how long it hurt players."
            )
        else:
            yield f"{name!r} is not {given[name]:g}: count from the incident's start to its entry."
