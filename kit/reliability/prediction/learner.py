"""Learns from the training series, in its own process, and prints what it is worth.

``python -m kit.reliability.prediction.learner`` needs river, which is imported nowhere else: with
scipy it takes 90 MB. The models see windows of 24 points, like the trend, and need as many
confirmations.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from typing import Any

import psutil

from kit.reliability.prediction.comparison import LearntModel, RiverComparison
from kit.reliability.prediction.detectors import Detector, DetectStep, detect_trend
from kit.reliability.prediction.scores import (
    MEASURES,
    SeriesScore,
    estimate,
    lead_of,
    precision_of,
    recall_of,
    score_series,
)
from kit.reliability.prediction.simulation import HELD_OUT, TRAINING, MemorySeries, simulate_all
from kit.reliability.prediction.trend import CONFIRMATIONS, POINTS, Point, deepest_fall, fit_trend

LEAST_PRECISION, LEAST_RECALL, CUTS = 0.9, 0.95, 60
FEATURES = ("level", "growth", "growth of room", "early", "late", "unlike", "fall")
Features = tuple[float, ...]
# A window as the models see it, and whether an alarm is right there.
Window = tuple[Features, bool]
Score = Callable[[Features], float]


def describe_window(points: Sequence[Point], limit: float) -> Features:
    """Return the values of FEATURES, as shares of the limit or of the room."""
    trend, length = fit_trend(points, limit), points[-1][0] - points[0][0]
    half = len(points) // 2
    early, late = (fit_trend(each, limit).slope for each in (points[:half], points[half:]))
    room = max(limit - trend.level, 1.0)
    return (
        trend.level / limit,
        trend.slope * length / limit,
        max(-3.0, min(trend.slope * length / room, 3.0)),
        early * length / limit,
        late * length / limit,
        abs(early - late) * length / limit,
        deepest_fall(points) / limit,
    )


def windows_of(series: MemorySeries) -> list[Window]:
    """Return each window of a series, with the truth about its last point."""
    points = series.watched
    return [
        (
            describe_window(points[end - POINTS : end], series.limit_mb),
            series.is_right_at(points[end - 1][0]),
        )
        for end in range(POINTS, len(points) + 1)
    ]


def learn_trees(training: Iterable[list[Window]]) -> Score:
    """Return the anomaly score of half-space trees, which learn without labels."""
    scaler = _river("preprocessing").MinMaxScaler()
    trees = _river("anomaly").HalfSpaceTrees(n_trees=15, seed=1)
    for windows in training:
        for features, _ in windows:
            scaler.learn_one(_named(features))
            trees.learn_one(scaler.transform_one(_named(features)))
    return lambda features: float(trees.score_one(scaler.transform_one(_named(features))))


def learn_logistic(training: Iterable[list[Window]]) -> Score:
    """Return the probability of a leak from a logistic model, which learns with labels."""
    scaler = _river("preprocessing").StandardScaler()
    model = _river("linear_model").LogisticRegression()
    for windows in training:
        for features, is_leak in windows:
            scaler.learn_one(_named(features))
            model.learn_one(scaler.transform_one(_named(features)), is_leak)
    return lambda features: float(
        model.predict_proba_one(scaler.transform_one(_named(features))).get(True, 0.0)
    )


def replay_scores(name: str, scores: Iterable[list[float]], cut: float) -> Detector:
    """Return the alarms of known scores, one list per series in turn."""
    ahead = iter(scores)

    def begin(limit: float) -> DetectStep:
        known: Iterator[float] = iter(next(ahead))
        last: deque[bool] = deque(maxlen=CONFIRMATIONS)
        seen = 0

        def step(point: Point) -> bool:
            nonlocal seen
            seen += 1
            if seen >= POINTS:
                last.append(next(known) >= cut)
            return len(last) == CONFIRMATIONS and all(last)

        return step

    return Detector(name, begin)


def choose_cut(scores: list[list[float]], series: Sequence[MemorySeries]) -> float:
    """Return the cut with the longest lead among those that are precise and find nearly all.

    If none is both, it is the one with the highest sum of precision and recall.
    """
    every = sorted(each for known in scores for each in known)
    cuts = sorted({every[(len(every) - 1) * number // CUTS] for number in range(1, CUTS)})
    best: list[tuple[float, float, float]] = []
    for cut in cuts:
        scored = _judge(replay_scores("cut", scores, cut), series)
        precision, recall = precision_of(scored) or 0.0, recall_of(scored) or 0.0
        is_good = precision >= LEAST_PRECISION and recall >= LEAST_RECALL
        best.append(
            (float(is_good), (lead_of(scored) or 0.0) if is_good else precision + recall, cut)
        )
    return max(best)[2]


def compare_here() -> RiverComparison:
    """Return the comparison, made in this process. Raises ImportError without river."""
    training, held_out = simulate_all(TRAINING), simulate_all(HELD_OUT)
    known, unknown = ([windows_of(each) for each in some] for some in (training, held_out))
    models = []
    for name, learn in (("half-space trees", learn_trees), ("logistic model", learn_logistic)):
        score = learn(known)
        cut = choose_cut(_scores(score, known), training)
        detector = replay_scores(name, _scores(score, unknown), cut)
        models.append(_model(name, cut, _judge(detector, held_out)))
    trend = _model("trend, guarded", 0.0, _judge(detect_trend(), held_out))
    today = datetime.now(UTC).date().isoformat()
    rss_mb = round(psutil.Process().memory_info().rss / 2**20, 1)
    return RiverComparison(version("river"), today, tuple(models), trend, rss_mb)


def _river(module: str) -> Any:
    # River's functions have no types.
    return import_module(f"river.{module}")


def _named(features: Features) -> dict[str, float]:
    return dict(zip(FEATURES, features, strict=True))


def _scores(score: Score, known: Iterable[list[Window]]) -> list[list[float]]:
    return [[score(features) for features, _ in windows] for windows in known]


def _judge(detector: Detector, series: Iterable[MemorySeries]) -> list[SeriesScore]:
    return [score_series(detector, each) for each in series]


def _model(name: str, cut: float, scores: list[SeriesScore]) -> LearntModel:
    figures: dict[str, list[float | None]] = {}
    for measure, function in MEASURES.items():
        found = estimate(scores, function)
        figures[measure] = [_round(each) for each in (found.value, found.low, found.high)]
    return LearntModel(name, round(cut, 6), figures)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def main() -> None:
    """Print the comparison as JSON."""
    found: dict[str, Any] = asdict(compare_here())
    json.dump(found, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
