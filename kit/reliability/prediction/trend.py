"""When a resource will run out: a robust trend, guards that doubt it, and a date.

The slope is Theil and Sen's: the median of the slopes between all pairs of points, which a few
outliers do not move.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

# In seconds, and in the unit of the measured value.
Point = tuple[float, float]
Refusal = Literal["too few points", "no growth", "it falls, too", "halves unlike", "too far ahead"]

# 24 points, one every 2.5 seconds, are the last minute.
POINTS, WINDOW_S, CONFIRMATIONS = 24, 60.0, 4
# Chosen on the training seeds. The slower half must grow by this share of the faster one, and no
# fall within the window may take this share of its growth.
ALIKE, FALL = 0.7, 0.8
# How far ahead an alarm looks, in lengths of the window.
HORIZON = 1.7
# Half the width of the interval of slopes. The points are not independent, so it is wider than
# Sen's 1.64: this one held the truth in nine of ten training leaks.
_WIDTH = 4.0


@dataclass(frozen=True)
class Trend:
    """How a value grows over the last points.

    ``now`` is the time of the newest point, ``level`` the value there without its noise, ``slope``
    the growth per second. The limit is reached in ``reaches_s`` seconds, between ``soonest_s`` and
    ``latest_s``; each is infinite if it never is. ``refusal`` is the guard that does not believe
    it, None if all do.
    """

    now: float
    level: float
    slope: float
    reaches_s: float
    soonest_s: float
    latest_s: float
    refusal: Refusal | None = None

    @property
    def is_believed(self) -> bool:
        """Whether no guard refuses it."""
        return self.refusal is None


def fit_trend(points: Sequence[Point], limit: float) -> Trend:
    """Return the trend of at least two points, and when it reaches the limit."""
    slopes = sorted(_slopes(points))
    slope, now = median(slopes), points[-1][0]
    level = median([y + slope * (now - x) for x, y in points])
    count = len(points)
    half = _WIDTH * math.sqrt(count * (count - 1) * (2 * count + 5) / 18) / 2
    middle = len(slopes) / 2
    low = slopes[max(0, math.floor(middle - half))]
    high = slopes[min(len(slopes) - 1, math.ceil(middle + half))]
    room = limit - level
    return Trend(
        now, level, slope, _time(room, slope), _time(room, high), _time(room, low),
        doubt(points, limit),
    )  # fmt: skip


def doubt(points: Sequence[Point], limit: float) -> Refusal | None:
    """Return the first guard that refuses the points, cheapest first; None if none does.

    A value that falls by as much as it grows is a sawtooth. Halves that grow differently are a step
    or a plateau. Beyond the horizon, things may have changed by then.
    """
    if len(points) < POINTS:
        return "too few points"
    third = len(points) // 3
    grown = 1.5 * (_middle(points[-third:]) - _middle(points[:third]))
    if grown <= 0:
        return "no growth"
    length = points[-1][0] - points[0][0]
    rough = (limit - points[-1][1]) / grown
    if rough > 2 * HORIZON:
        return "too far ahead"
    if deepest_fall(points) > FALL * grown:
        return "it falls, too"
    half = len(points) // 2
    early, late = robust_slope(points[:half]), robust_slope(points[half:])
    if min(early, late) <= 0 or min(early, late) < ALIKE * max(early, late):
        return "halves unlike"
    slope = robust_slope(points)
    level = median([y + slope * (points[-1][0] - x) for x, y in points])
    return "too far ahead" if _time(limit - level, slope) > HORIZON * length else None


def robust_slope(points: Sequence[Point]) -> float:
    """Return the growth per second: the median of the slopes between all pairs of points.

    Raises statistics.StatisticsError for fewer than two points.
    """
    return median(_slopes(points))


def deepest_fall(points: Sequence[Point]) -> float:
    """Return the largest drop from an earlier point to a later one; 0 without a drop."""
    highest, deepest = points[0][1], 0.0
    for _, value in points:
        highest = max(highest, value)
        deepest = max(deepest, highest - value)
    return deepest


class TrendWatch:
    """Follows a value point by point, and alarms when the trend is believed four times in a row.

    ``confirmed`` is how many times in a row it has been believed.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.points: deque[Point] = deque(maxlen=POINTS)
        self.confirmed = 0

    def add(self, point: Point) -> Trend | None:
        """Add the newest point; return the trend if it is an alarm, else None."""
        self.points.append(point)
        points = list(self.points)
        believed = doubt(points, self.limit) is None
        self.confirmed = self.confirmed + 1 if believed else 0
        return fit_trend(points, self.limit) if self.confirmed >= CONFIRMATIONS else None


def _slopes(points: Sequence[Point]) -> list[float]:
    return [
        (y - before) / (x - at)
        for number, (x, y) in enumerate(points)
        for at, before in points[:number]
        if x > at
    ]


def _middle(points: Sequence[Point]) -> float:
    return median([value for _, value in points])


def _time(room: float, slope: float) -> float:
    """Return in how many seconds the room is used up; infinite if it never is."""
    if room <= 0:
        return 0.0
    return room / slope if slope > 0 else math.inf
