"""A forecast as a picture: what was measured, the limit, and where the trend reaches it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kit.html import render
from kit.reliability.prediction.trend import Point, Refusal, Trend
from kit.reliability.traffic.picture import say_time
from kit.views.axis import Tick, percent, seconds_ticks, tick_step

# A limit further ahead than this gets no date.
FAR_S = 3600.0
_TICKS_UP, _TICKS_ACROSS = 4, 6

REASONS: dict[Refusal, str] = {
    "too few points": "there are too few points for a trend yet",
    "no growth": "it does not grow",
    "it falls, too": "it falls by about as much as it grows, as a sawtooth does",
    "halves unlike": "the two halves of the window grow differently, as at a step or a plateau",
    "too far ahead": "at this pace the limit is too far ahead",
}


@dataclass(frozen=True)
class Subject:
    """What is forecast: a ``name`` such as ``memory of game-engine``, its unit and its limit."""

    name: str
    limit: float
    unit: str = "MB"

    @property
    def title(self) -> str:
        """The name as the start of a sentence."""
        return self.name[:1].upper() + self.name[1:]


@dataclass(frozen=True)
class ForecastChart:
    """Points of a 100 by 100 SVG. ``ahead`` is the trend, ``wedge`` its interval.

    ``marks`` are the alarms; ``limit`` is the position of the limit, in percent from the top.
    """

    line: str
    ahead: str
    wedge: str
    limit: str
    marks: list[Tick]
    up: list[Tick]
    across: list[Tick]


def say_ahead(trend: Trend, subject: Subject, steady_s: float = 0.0) -> str:
    """Return when a trend reaches the limit, with the interval, or why there is no date."""
    limit = f"{subject.limit:,.0f} {subject.unit}"
    if trend.level >= subject.limit:
        return f"has reached its limit of {limit}."
    if trend.refusal is not None:
        return f"has no date for {limit}: {REASONS[trend.refusal]}."
    steady = f" The trend has been steady for {say_time(steady_s)}." if steady_s >= 1 else ""
    latest = say_time(trend.latest_s) if trend.latest_s < FAR_S else "never"
    return (
        f"reaches {limit} in {say_time(trend.reaches_s)} "
        f"({say_time(trend.soonest_s)} to {latest}).{steady}"
    )


def draw_forecast(
    subject: Subject,
    points: Sequence[Point],
    trend: Trend | None,
    sentence: str,
    alarms: Sequence[float] = (),
    *,
    is_simulated: bool = False,
) -> Markup:
    """Return the chart with its sentence; before the second point, only the sentence."""
    chart = _draw(subject, points, trend, alarms) if trend and len(points) > 1 else None
    return render(
        "forecast.html", subject=subject, chart=chart, sentence=sentence, is_simulated=is_simulated
    )


@dataclass(frozen=True)
class _Frame:
    """The range of the picture: seconds from left to right, values from bottom to top."""

    left: float
    right: float
    bottom: float
    top: float

    def x(self, at: float) -> str:
        return percent(at - self.left, self.right - self.left)

    def y(self, value: float) -> str:
        return percent(self.top - value, self.top - self.bottom)

    def point(self, at: float, value: float) -> str:
        return f"{self.x(at)},{self.y(value)}"


def _draw(
    subject: Subject, points: Sequence[Point], trend: Trend, alarms: Sequence[float]
) -> ForecastChart:
    begin, now = points[0][0], points[-1][0]
    is_dated = trend.is_believed and trend.level < subject.limit
    ahead_s = _look_ahead(trend, now - begin) if is_dated else 0.0
    bottom, top = _bounds(subject, points)
    frame = _Frame(begin, now + ahead_s, bottom, top)
    length = frame.right - begin
    return ForecastChart(
        line=" ".join(frame.point(*point) for point in points),
        ahead=" ".join(_ahead(frame, trend, subject.limit, trend.reaches_s)) if is_dated else "",
        wedge=" ".join(_wedge(frame, trend, subject.limit)) if is_dated else "",
        limit=frame.y(subject.limit),
        marks=[
            Tick(frame.x(at), f"alarm at {at - begin:.0f} s", at - begin > length / 2)
            for at in alarms
            if at >= begin
        ],
        up=_ticks_up(frame),
        across=seconds_ticks(length, _TICKS_ACROSS),
    )


def _look_ahead(trend: Trend, measured_s: float) -> float:
    return min(1.15 * trend.latest_s, max(1.3 * trend.reaches_s, measured_s))


def _ahead(frame: _Frame, trend: Trend, limit: float, reaches_s: float) -> list[str]:
    """Return both ends of the line that reaches the limit in ``reaches_s`` seconds."""
    shown_s = min(reaches_s, frame.right - trend.now)
    grown = (limit - trend.level) * shown_s / reaches_s if math.isfinite(reaches_s) else 0.0
    here = frame.point(trend.now, trend.level)
    return [here, frame.point(trend.now + shown_s, trend.level + grown)]


def _wedge(frame: _Frame, trend: Trend, limit: float) -> list[str]:
    here, soonest = _ahead(frame, trend, limit, trend.soonest_s)
    _, latest = _ahead(frame, trend, limit, trend.latest_s)
    is_beyond = trend.now + trend.latest_s > frame.right
    corner = [frame.point(frame.right, limit)] if is_beyond else []
    return [here, soonest, *corner, latest]


def _bounds(subject: Subject, points: Sequence[Point]) -> tuple[float, float]:
    """Return round bounds that enclose everything, with the limit below the upper one."""
    values = [value for _, value in points]
    low, high = min(values), max(*values, subject.limit)
    step = tick_step(max(high - low, 1e-9), _TICKS_UP)
    return max(step * math.floor(low / step - 0.2), 0.0), high + 0.08 * (high - low)


def _ticks_up(frame: _Frame) -> list[Tick]:
    step = tick_step(frame.top - frame.bottom, _TICKS_UP)
    first, last = math.ceil(frame.bottom / step), math.floor(frame.top / step)
    # Positions count from below.
    return [
        Tick(
            percent(step * each - frame.bottom, frame.top - frame.bottom), f"{step * each:g}", False
        )
        for each in range(first, last + 1)
    ]
