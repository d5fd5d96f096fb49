"""What may raise an alarm: the trend, a threshold, a coin, or your own function."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from kit.reliability.prediction.trend import POINTS, Point, TrendWatch

# Called with each point in turn; true, or the seconds until the limit is reached, is an alarm.
DetectStep = Callable[[Point], float | bool | None]
OwnDetect = Callable[[list[Point], float], Any]


@dataclass(frozen=True)
class Detector:
    """A way to raise alarms: ``begin`` is called with the limit, once per series."""

    name: str
    begin: Callable[[float], DetectStep]


def detect_trend() -> Detector:
    """Return the trend with its guards and confirmations."""

    def begin(limit: float) -> DetectStep:
        watch = TrendWatch(limit)

        def step(point: Point) -> float | None:
            trend = watch.add(point)
            return trend.reaches_s if trend else None

        return step

    return Detector("trend, guarded", begin)


def detect_above(share: float) -> Detector:
    """Return a threshold alarm, at a share of the limit from 0 to 1."""
    return Detector(f"over {100 * share:.0f} %", lambda limit: lambda p: p[1] >= share * limit)


def toss_coin(rate: float, seed: int) -> Detector:
    """Return random alarms: at each point one comes with the probability ``rate``."""
    random = Random(seed)  # noqa: S311 - chance is the point
    return Detector("coin", lambda limit: lambda point: random.random() < rate)


def detect_with(function: OwnDetect, name: str = "yours") -> Detector:
    """Return the alarms of ``function(points, limit)``, given the last 24 points, newest last."""

    def begin(limit: float) -> DetectStep:
        seen: deque[Point] = deque(maxlen=POINTS)

        def step(point: Point) -> bool:
            seen.append(point)
            return bool(function(list(seen), limit))

        return step

    return Detector(name, begin)


def alarm_points(detector: Detector, points: Sequence[Point], limit: float) -> list[bool]:
    """Return for each point whether there is an alarm."""
    step = detector.begin(limit)
    return [step(point) not in (None, False) for point in points]
