"""Follows a whole series point by point: where the trend alarms, or which guard refuses it."""

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from kit.reliability.prediction.picture import REASONS, Subject, draw_forecast
from kit.reliability.prediction.scores import MERGE_S
from kit.reliability.prediction.simulation import MemorySeries
from kit.reliability.prediction.trend import (
    POINTS,
    Point,
    Refusal,
    Trend,
    TrendWatch,
    doubt,
    fit_trend,
)


@dataclass(frozen=True, repr=False)
class FollowedSeries:
    """A series with the trend's alarms.

    ``refusals`` says how often each guard refused a growing value. Drawn as of the first alarm, or
    of the end if none came.
    """

    series: MemorySeries
    alarms: tuple[Trend, ...]
    refusals: Counter[Refusal]

    @property
    def sentence(self) -> str:
        """What the trend predicted, and what happened."""
        name = self.series.name
        if not self.alarms:
            why = self.refusals.most_common(1)
            reason = f": {REASONS[why[0][0]]}" if why else ". The limit was never near"
            return f"{name.capitalize()}: no alarm{reason}."
        first, ends = self.alarms[0], self.series.ends_at
        if not self.series.is_right_at(first.now) or ends is None:
            return f"{name.capitalize()}: a false alarm after {first.now:.0f} s."
        return (
            f"{name.capitalize()}: an alarm {ends - first.now:.0f} s ahead, which predicted "
            f"{first.reaches_s:.0f} s ({first.soonest_s:.0f} to {first.latest_s:.0f})."
        )

    def __repr__(self) -> str:
        return f"<FollowedSeries: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        series, at = self.series, self.alarms[0].now if self.alarms else None
        seen = [each for each in series.points if at is None or each[0] <= at]
        trend = self.alarms[0] if self.alarms else fit_trend(seen[-POINTS:], series.limit_mb)
        subject = Subject("memory", series.limit_mb)
        return draw_forecast(
            subject,
            seen,
            trend,
            self.sentence,
            [each.now for each in self.alarms[:1]],
            is_simulated=True,
        )


def follow_series(series: MemorySeries) -> FollowedSeries:
    """Return a series as the trend saw it, point by point."""
    watch, last = TrendWatch(series.limit_mb), -MERGE_S
    alarms: list[Trend] = []
    refusals: Counter[Refusal] = Counter()
    for point in series.watched:
        trend = watch.add(point)
        if trend is not None:
            if trend.now - last >= MERGE_S:
                alarms.append(trend)
            last = trend.now
        elif (refusal := _guard(list(watch.points), series.limit_mb)) is not None:
            refusals[refusal] += 1
    return FollowedSeries(series, tuple(alarms), refusals)


def _guard(points: list[Point], limit: float) -> Refusal | None:
    """Return the guard that refused a growing value; None if there was nothing to refuse."""
    refusal = doubt(points, limit)
    return refusal if refusal in ("it falls, too", "halves unlike") else None
