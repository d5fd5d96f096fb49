"""Prediction: which detectors are no better than chance, and one that beats a threshold."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from kit.course.answer_parts import raise_all, require_parts
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.reliability.prediction.detectors import detect_with
from kit.reliability.prediction.judgement import (
    DetectorScore,
    ForecastJudgement,
    best_threshold,
    score_detector,
)
from kit.reliability.prediction.simulation import simulate_all
from kit.reliability.prediction.trend import Point

Detect = Callable[[list[Point], float], object]

JUDGED = range(60, 80)
LEAST_PRECISION = LEAST_RECALL = 0.9

CHANCE_SOLUTION = """
verdict = {"chance": ["coin", "lucky_number", "five_in_a_row"], "best": "trend, guarded"}
"""
DETECT_SOLUTION = """
from kit import robust_slope


def detect(points, limit):
    if len(points) < 24:
        return False
    early, late = robust_slope(points[:12]), robust_slope(points[12:])
    if min(early, late) <= 0.8 * max(early, late):
        return False  # a step, a plateau, or nothing that grows
    values = [value for _, value in points]
    fall = max(max(values[:at]) - values[at] for at in range(1, 24))
    if fall > 0.8 * (values[-1] - values[0]):
        return False  # a sawtooth
    return (limit - values[-1]) / late < 60
"""


def no_better_than_chance(judgement: ForecastJudgement) -> Exercise:
    """Name the detectors in a table that are no better than a coin, and the one to page with."""

    def verify(answer: Any) -> str:
        given = require_parts(answer, ("chance", "best"))
        names = [row.name for row in judgement.rows]
        raise_all([*_wrong_chance(given["chance"], judgement), *_wrong_best(given["best"], names)])
        return (
            "Their precision is that of a random alarm, however long the lead. The trend is as "
            "precise as the threshold, and earlier."
        )

    return Exercise(
        "no-better-than-chance",
        verify,
        "A random alarm is right as often as the base rate below the table. Look for precisions "
        "whose interval contains it. Among the others, look for a precision of 0.9 first, then for "
        "the lead.",
        CHANCE_SOLUTION.strip(),
        answer_name="verdict",
    )


def beat_the_threshold() -> Exercise:
    """Write a detector that is right nine times in ten, and earlier than the best threshold."""

    def verify(answer: Detect) -> str:
        series = simulate_all(JUDGED)
        scored = score_detector(detect_with(_as_bool(answer)), series)
        threshold = score_detector(best_threshold(), series)
        raise_all(_weaknesses(scored, threshold))
        return (
            f"{_share(scored, 'precision')} of its alarms are right, and it finds "
            f"{_share(scored, 'recall')} of the leaks, {_lead(scored):.0f} s ahead. The threshold: "
            f"{_lead(threshold):.0f} s."
        )

    return FunctionExercise(
        "beat-the-threshold",
        verify,
        "Three questions, a line or two each. Do both halves of the points grow, and equally fast? "
        "robust_slope(points[:12]) returns how fast. Did the values fall in between by nearly as "
        "much as they grew? At this pace, is the remaining room used up within a minute?",
        DETECT_SOLUTION.strip(),
        answer_name="detect",
    )


def _wrong_chance(given: object, judgement: ForecastJudgement) -> Iterator[str]:
    if isinstance(given, str) or not isinstance(given, list | tuple | set | frozenset):
        yield f"'chance' must be a list of names, not {given!r}."
        return
    for name in sorted(map(str, given)):
        if name not in {row.name for row in judgement.rows}:
            yield f"There is no detector {name!r} in the table."
    for row in judgement.rows:
        if row.is_chance and row.name not in given:
            yield _say_chance(row)
        elif not row.is_chance and row.name in given:
            yield (
                f"{row.name} is better than chance: its interval does not contain the base rate of "
                f"{judgement.base_rate:.2f}."
            )


def _say_chance(row: DetectorScore) -> str:
    if row.name == "coin":
        return "The coin belongs in 'chance': it looks at no data."
    return f"{row.name} belongs in 'chance': a long lead, but a precision like the base rate."


def _wrong_best(given: object, names: list[str]) -> Iterator[str]:
    if given not in names:
        yield f"'best' must be one of {', '.join(names)}."
    elif str(given).startswith("over"):
        yield "The threshold is precise, but another detector is as precise and earlier."
    elif not str(given).startswith("trend"):
        yield f"Most alarms of {given} are false: precision comes first, then the lead."


def _as_bool(answer: Detect) -> Callable[[list[Point], float], bool]:
    def detect(points: list[Point], limit: float) -> bool:
        said = answer(points, limit)
        if not isinstance(said, bool):
            raise Wrong(f"detect must return True or False, not {said!r}.")
        return said

    return detect


def _weaknesses(scored: DetectorScore, threshold: DetectorScore) -> Iterator[str]:
    if not scored.alarms:
        yield "It never raises an alarm, so it is never wrong, but finds nothing."
        return
    if (scored.figure("precision").value or 0.0) < LEAST_PRECISION:
        yield (
            f"Only {_share(scored, 'precision')} of its alarms are right; 90 % are needed. Most "
            f"false alarms are in series of the kind “{_worst(scored)}”."
        )
    if (scored.figure("recall").value or 0.0) < LEAST_RECALL:
        yield f"It finds {_share(scored, 'recall')} of the leaks in time; 90 % are needed."
    if _lead(scored) <= _lead(threshold):
        yield (
            f"It raises an alarm {_lead(scored):.0f} s ahead, {threshold.name} of the limit "
            f"{_lead(threshold):.0f} s: use the pace, not the level."
        )


def _worst(scored: DetectorScore) -> str:
    """Return the kind of series with the most false alarms."""
    wrong: Counter[str] = Counter()
    for each in scored.scores:
        wrong[each.kind] += each.wrong
    return wrong.most_common(1)[0][0]


def _lead(scored: DetectorScore) -> float:
    return scored.figure("lead_s").value or 0.0


def _share(scored: DetectorScore, name: str) -> str:
    return f"{100 * (scored.figure(name).value or 0.0):.0f} %"
