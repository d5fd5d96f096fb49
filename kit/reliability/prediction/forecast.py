"""A live forecast: samples a resource, and says when its limit is reached."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.reliability.prediction.picture import Subject, draw_forecast, say_ahead
from kit.reliability.prediction.trend import (
    POINTS,
    WINDOW_S,
    Point,
    Trend,
    TrendWatch,
    fit_trend,
)
from kit.threads import report_thread_failure

# What is drawn: the last ten windows.
MOST_POINTS = 10 * POINTS
LEAST_WINDOW_S = 2.0

Meter = Callable[[], float | None]


class ForecastError(WorkshopError):
    """There is nothing to forecast; the message says why, and what to pass instead."""


@dataclass(frozen=True)
class ForecastAlarm:
    """A confirmed trend: ``at`` is when, in seconds since the epoch."""

    at: float
    subject: Subject
    trend: Trend

    @property
    def sentence(self) -> str:
        """What will happen, and when."""
        return f"{self.subject.title} {say_ahead(self.trend, self.subject)}"

    def __str__(self) -> str:
        return self.sentence


OnForecastAlarm = Callable[[ForecastAlarm], object]


class Forecast:
    """Samples a value 24 times in ``window_s`` seconds, in a thread, and predicts its limit.

    ``meter`` returns the value, None if it cannot be read at the moment. ``on_alarm`` is called in
    that thread for each new alarm. It ends with ``stop()``, a ``with`` block, or the workshop.
    Shown in a notebook as a chart of the measurements, with the date and its interval.
    """

    def __init__(
        self,
        subject: Subject,
        meter: Meter,
        *,
        window_s: float = WINDOW_S,
        on_alarm: OnForecastAlarm | None = None,
    ) -> None:
        if window_s < LEAST_WINDOW_S:
            raise ForecastError(
                f"A window of {window_s:g} s is too short to sample 24 times. "
                f"Next: give a window_s of at least {LEAST_WINDOW_S:g}."
            )
        self.subject, self.window_s = subject, window_s
        self._meter, self._on_alarm = meter, on_alarm
        self._watch = TrendWatch(subject.limit)
        self._points: deque[Point] = deque(maxlen=MOST_POINTS)
        self._alarms: tuple[ForecastAlarm, ...] = ()
        self._confirmed_at = -math.inf
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="workshop-forecast", daemon=True)
        self._thread.start()

    @property
    def points(self) -> tuple[Point, ...]:
        """The recent measurements: pairs of seconds since the epoch and the value."""
        with self._changed:
            return tuple(self._points)

    @property
    def trend(self) -> Trend | None:
        """The trend of the last window; None before the second point."""
        points = self.points[-POINTS:]
        return fit_trend(points, self.subject.limit) if len(points) > 1 else None

    @property
    def alarms(self) -> tuple[ForecastAlarm, ...]:
        """The alarms so far. An alarm that continues counts once."""
        return self._alarms

    @property
    def is_running(self) -> bool:
        """Whether it is still sampling."""
        return self._thread.is_alive()

    @property
    def sentence(self) -> str:
        """When the limit is reached, or why there is no date."""
        trend = self.trend
        if trend is None:
            return f"{self.subject.title} has not been measured yet."
        if self._alarms and not trend.is_believed:
            return f"Alarm: {self._alarms[-1]} Now it {say_ahead(trend, self.subject)}"
        steady_s = self._watch.confirmed * self.window_s / POINTS
        return f"{self.subject.title} {say_ahead(trend, self.subject, steady_s)}"

    def wait_for_alarm(self, seconds: float) -> ForecastAlarm | None:
        """Wait for the first alarm, at most ``seconds``; None if none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._alarms or self._stop.is_set(), seconds)
            return self._alarms[0] if self._alarms else None

    def stop(self) -> None:
        """Stop sampling. The measurements stay."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Forecast of {self.subject.name}: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        alarms = [each.at for each in self._alarms]
        return draw_forecast(self.subject, self.points, self.trend, self.sentence, alarms)

    def _run(self) -> None:
        pause = self.window_s / POINTS
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                self._sample()
                self._stop.wait(max(pause - (time.monotonic() - began), 0))
        except Exception:
            report_thread_failure()

    def _sample(self) -> None:
        value = self._meter()
        if value is None:
            return
        point = (time.time(), value)
        trend = self._watch.add(point)
        with self._changed:
            self._points.append(point)
        if trend is None:
            return
        # Confirmed again within a window, it is still the same alarm.
        is_new = point[0] - self._confirmed_at >= self.window_s
        self._confirmed_at = point[0]
        if is_new:
            self._announce(ForecastAlarm(point[0], self.subject, trend))

    def _announce(self, alarm: ForecastAlarm) -> None:
        with self._changed:
            self._alarms = (*self._alarms, alarm)
            self._changed.notify_all()
        if self._on_alarm is not None:
            try:
                self._on_alarm(alarm)
            except Exception:
                report_thread_failure()
