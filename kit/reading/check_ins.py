"""Check-ins: what recurring jobs report about their runs, by job.

https://develop.sentry.dev/sdk/telemetry/check-ins/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kit.ingest.store import StoredItem
from kit.reading.payload import as_mapping, as_str, get_path, parse_time, truncate

MAX_SLUG = 60
IN_PROGRESS = "in_progress"
STATUSES = (IN_PROGRESS, "ok", "error")

# The id that a job without one sends: it means the latest run in progress, or a new one.
_LATEST = "0" * 32

_MINUTE_S = 60.0
_DAY_S = 24 * 60 * _MINUTE_S
# Months and years differ in length, and are not calculated.
_UNITS_S = {"minute": _MINUTE_S, "hour": 60 * _MINUTE_S, "day": _DAY_S, "week": 7 * _DAY_S}
# Of a schedule or a limit: a longer one is not meant.
_LONGEST_S = 366 * _DAY_S


@dataclass(frozen=True)
class JobRun:
    """One run of a job, from its check-ins; times are in seconds since the epoch.

    ``started`` is the time of the first check-in, ``ended`` that of the last. ``status`` is
    ``in_progress``, ``ok`` or ``error``; ``ended`` is None while it is ``in_progress``.
    """

    id: str
    status: str
    started: float
    ended: float | None = None


@dataclass(frozen=True)
class MonitorConfig:
    """The schedule that a job declared, in seconds; None if it declared nothing known.

    It should start every ``interval``, at most ``margin`` late, and take at most ``max_runtime``.
    """

    schedule: str = "no schedule"
    interval: float | None = None
    margin: float | None = None
    max_runtime: float | None = None


@dataclass(frozen=True)
class Monitor:
    """A job in an environment, with its runs, the oldest first."""

    slug: str
    service: str
    environment: str
    config: MonitorConfig
    runs: tuple[JobRun, ...]


def read_monitors(items: Iterable[StoredItem]) -> list[Monitor]:
    """Return the jobs of all check-ins, the latest check-in last.

    ``items`` are in the order in which they were received. A check-in without a time gets the time
    at which it was received. A configuration applies until the next one.
    """
    found: dict[tuple[str, str, str], Monitor] = {}
    for item in items:
        payload = as_mapping(item.payload)
        if item.type != "check_in" or payload.get("status") not in STATUSES:
            continue
        slug = truncate(as_str(payload.get("monitor_slug")), MAX_SLUG) or "no slug"
        environment = truncate(as_str(payload.get("environment")), MAX_SLUG)
        key = (item.project, slug, environment)
        monitor = found.pop(key, None) or Monitor(
            slug, item.project, environment, MonitorConfig(), ()
        )
        found[key] = _with_check_in(monitor, item, payload)
    return list(found.values())


def _with_check_in(monitor: Monitor, item: StoredItem, payload: Mapping[str, Any]) -> Monitor:
    made = parse_time(payload.get("timestamp"))
    at = made.timestamp() if made else item.received_at
    number = as_str(payload.get("check_in_id"))
    if not number or number.replace("-", "") == _LATEST:
        number = (_in_progress(monitor, at) if number else "") or f"item {item.id}"
    status = as_str(payload.get("status"))
    runs = {run.id: run for run in monitor.runs}
    # A run that only reported its end took as long as it says, else no time.
    run = runs.get(number) or JobRun(number, status, at - _duration(payload))
    runs[number] = replace(run, status=status, ended=None if status == IN_PROGRESS else at)
    ordered = tuple(sorted(runs.values(), key=lambda each: each.started))
    config = as_mapping(payload.get("monitor_config"))
    return replace(monitor, runs=ordered, config=_config(config) if config else monitor.config)


def _in_progress(monitor: Monitor, at: float) -> str:
    """Return the id of the latest run that is in progress; empty if there is none.

    One that has taken longer than allowed has timed out, and does not count.
    """
    limit = monitor.config.max_runtime
    for run in reversed(monitor.runs):
        if run.status == IN_PROGRESS and (limit is None or at - run.started <= limit):
            return run.id
    return ""


def _duration(payload: Mapping[str, Any]) -> float:
    return _seconds(payload.get("duration"), 1.0) or 0.0


def _config(config: Mapping[str, Any]) -> MonitorConfig:
    kind, value = (get_path(config, ("schedule", name)) for name in ("type", "value"))
    margin = _seconds(config.get("checkin_margin"), _MINUTE_S)
    max_runtime = _seconds(config.get("max_runtime"), _MINUTE_S)
    if kind != "interval":
        schedule = truncate(as_str(value), MAX_SLUG) or "no schedule"
        return MonitorConfig(schedule, None, margin, max_runtime)
    unit = as_str(get_path(config, ("schedule", "unit")))
    interval = _seconds(value, _UNITS_S.get(unit, 0.0)) or None
    schedule = truncate(f"every {as_str(value)} {unit}", MAX_SLUG)
    return MonitorConfig(schedule, interval, margin, max_runtime)


def _seconds(value: Any, unit: float) -> float | None:
    """Return a length of time that was sent; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
        return None
    return min(value * unit, _LONGEST_S)
