"""Chaos experiments: the probe that finds a hole, and the smallest useful blast radius."""

from collections.abc import Iterator
from typing import Any

from kit.course.answer_parts import raise_all, require_parts
from kit.course.exercise import Exercise, Wrong
from kit.reliability.chaos.result import ChaosResult

PROBES = ("success_rate", "p95_seconds", "missing_spins", "unaccounted_coins")
RATE = 4
MOST_SECONDS = 10
# How many spins may fail on average, and the least chance that the fault hits at least one.
MOST_HIT, LEAST_CHANCE = 5.0, 0.95

HOLE_SOLUTION = """
bound = {"probe": "missing_spins", "at_most": 0}
"""
RADIUS_SOLUTION = """
blast = {"share": 0.1, "seconds": 10}
"""


def see_the_hole(result: ChaosResult) -> Exercise:
    """Add the bound that would have caught what a hypothesis overlooked."""

    def verify(answer: Any) -> str:
        given = require_parts(answer, ("probe", "at_most"))
        raise_all(_wrong_bound(given["probe"], given["at_most"], result))
        return (
            f"{result.blast.missing or 0} spins were missing, and your bound is "
            f"{given['at_most']:g}: with it the same experiment deviates. "
            "A hypothesis only sees what it checks."
        )

    return Exercise(
        "see-the-hole",
        verify,
        "Look at the result: what did the fault do without turning any check red? A probe must "
        "measure exactly that. Its bound must hold without the fault, and be below what the fault "
        "did.",
        HOLE_SOLUTION.strip(),
        answer_name="bound",
    )


def smallest_blast() -> Exercise:
    """Choose a share and a time so that a fault is noticed but harms few players."""

    def verify(answer: Any) -> str:
        given = require_parts(answer, ("share", "seconds"))
        share, seconds = given["share"], given["seconds"]
        raise_all(_wrong_radius(share, seconds))
        spins = RATE * seconds
        return (
            f"About {spins * share:.1f} of {spins:g} spins are hit, and in "
            f"{_chance(share, spins):.0%} of the runs at least one. Few players pay for what you "
            "learn."
        )

    return Exercise(
        "smallest-blast",
        verify,
        "There are 4 · seconds spins, and each is hit with probability share. On average "
        "4 · seconds · share are hit; the probability of none is (1 - share) ** (4 · seconds).",
        RADIUS_SOLUTION.strip(),
        answer_name="blast",
    )


def _wrong_bound(probe: object, at_most: object, result: ChaosResult) -> Iterator[str]:
    blast = result.blast
    if not blast.missing:
        raise Wrong("No spin is missing in this run: run the experiment again.")
    if probe not in PROBES:
        yield f"'probe' must be one of {', '.join(PROBES)}."
        return
    if not _is_number(at_most):
        yield f"'at_most' must be a number, not {at_most!r}."
        return
    assert isinstance(at_most, int | float)
    if probe == "success_rate":
        yield "success_rate was checked, and it was high: every spin succeeded, but was not stored."
    elif probe == "p95_seconds":
        yield "p95_seconds would have held: a refused connection is instant, so spins were fast."
    elif probe == "unaccounted_coins":
        yield "unaccounted_coins compares balances, and those were right: payment was not hit."
    elif at_most < 0:
        yield "A bound below 0 never holds, so the experiment would never begin."
    elif at_most >= blast.missing:
        yield (
            f"{blast.missing} spins were missing, so a bound of {at_most:g} would have held, too. "
            "How many may be missing without a fault?"
        )


def _wrong_radius(share: object, seconds: object) -> Iterator[str]:
    for name, value in {"share": share, "seconds": seconds}.items():
        if not _is_number(value):
            yield f"{name!r} must be a number, not {value!r}."
    if not (_is_number(share) and _is_number(seconds)):
        return
    assert isinstance(share, int | float)
    assert isinstance(seconds, int | float)
    if not 0 < share <= 1:
        yield "'share' must be above 0 and at most 1."
        return
    if not 0 < seconds <= MOST_SECONDS:
        yield f"'seconds' must be above 0 and at most {MOST_SECONDS}."
        return
    spins = RATE * seconds
    if spins * share > MOST_HIT:
        yield (
            f"Too wide: about {spins * share:.1f} of {spins:g} spins are hit; the limit is "
            f"{MOST_HIT:g}."
        )
    if _chance(share, spins) < LEAST_CHANCE:
        yield (
            f"Too narrow: in {1 - _chance(share, spins):.0%} of the runs no spin is hit, and "
            "such a run proves nothing."
        )


def _chance(share: float, spins: float) -> float:
    """Return the chance that at least one spin is hit."""
    return float(1 - (1 - share) ** spins)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
