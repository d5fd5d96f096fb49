"""Which check-ins are missing or late at a moment: simulated, since Sentry's servers decide that.

The rules are the documented ones: https://docs.sentry.io/platforms/python/crons/.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Literal

from kit.reading.check_ins import JobRun, Monitor, MonitorConfig
from kit.reading.payload import duration

# Per gap: a job that stopped a week ago has missed thousands.
MAX_MISSED = 3

State = Literal["ok", "error", "in progress", "late", "timed out", "missed"]
HEALTHY: tuple[State, ...] = ("ok", "in progress")


@dataclass(frozen=True)
class TimelineEntry:
    """A run of a job, or one that should have been; ``at`` is when it began or was due."""

    state: State
    at: float
    sentence: str

    @property
    def is_healthy(self) -> bool:
        """Whether it needs no attention."""
        return self.state in HEALTHY


def timeline(monitor: Monitor, now: float) -> list[TimelineEntry]:
    """Return the runs of a job until ``now``, in seconds since the epoch, latest first.

    Of consecutive missed runs, it has only the first ``MAX_MISSED``.
    """
    runs = [run for run in monitor.runs if run.started <= now]
    entries = [_judge(run, monitor.config, now) for run in runs]
    for run, following in pairwise(runs):
        entries += _missed(monitor.config, run.started, following.started)
    if runs:
        entries += _missed(monitor.config, runs[-1].started, now)
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _judge(run: JobRun, config: MonitorConfig, now: float) -> TimelineEntry:
    # What was sent later is not known at that moment.
    is_over = run.ended is not None and run.ended <= now
    took = (run.ended if is_over and run.ended is not None else now) - run.started
    is_too_long = config.max_runtime is not None and took > config.max_runtime
    limit = duration(config.max_runtime or 0)
    if not is_over and is_too_long:
        return TimelineEntry("timed out", run.started, f"started, but did not end within {limit}")
    if not is_over:
        return TimelineEntry("in progress", run.started, f"started {duration(took)} ago")
    if run.status == "error":
        return TimelineEntry("error", run.started, f"reported an error after {duration(took)}")
    if is_too_long:
        told = f"ended after {duration(took)}, more than {limit}: timed out until then"
        return TimelineEntry("late", run.started, told)
    return TimelineEntry("ok", run.started, f"ended after {duration(took)}")


def _missed(config: MonitorConfig, started: float, until: float) -> Iterator[TimelineEntry]:
    """Yield the runs that were due after one that began, but had not begun ``until`` a moment."""
    if config.interval is None or config.margin is None:
        return
    times = _schedule(started, config.interval)
    for expected in islice(times, MAX_MISSED):
        if expected + config.margin >= until:
            return
        told = f"due, but no check-in arrived by {_clock(expected + config.margin)}"
        yield TimelineEntry("missed", expected, told)


def _schedule(started: float, interval: float) -> Iterator[float]:
    expected = started
    while True:
        expected += interval
        yield expected


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"
