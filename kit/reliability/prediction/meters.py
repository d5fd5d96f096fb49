"""What is measured of a service: its memory, its heap, or its response times."""

from collections.abc import Callable, Sequence

import httpx
import psutil

from demo_services.services import PAYMENT
from kit.reliability.prediction.forecast import Forecast, ForecastError, Meter, OnForecastAlarm
from kit.reliability.prediction.picture import Subject
from kit.reliability.traffic.traffic import Traffic
from kit.system.clients import sentry_off

MB = 2**20
# One p95 covers the answers of this many seconds.
RECENT_S = 10.0
PATIENCE_S = 2.0


def make_forecast(
    name: str,
    limit_mb: float | None,
    latency_s: float | None,
    *,
    find_url: Callable[[str], str],
    find_traffic: Callable[[], Traffic | None],
    services: Sequence[str],
    window_s: float,
    on_alarm: OnForecastAlarm | None,
) -> Forecast:
    """Return a forecast of a service's memory, or of the traffic's p95. Raises ForecastError."""
    _check_limits(limit_mb, latency_s)
    if latency_s is not None:
        subject = Subject(f"p95 of {name}", 1000 * latency_s, "ms")
        meter: Meter = measure_latency(find_traffic)
    elif name == PAYMENT.name and name in services:
        subject = Subject(f"heap of {name}", limit_mb or 0.0)
        meter = measure_heap(lambda: find_url(name))
    elif name in services:
        subject, meter = Subject(f"memory of {name}", limit_mb or 0.0), measure_process()
    else:
        raise ForecastError(
            f"No service {name!r} is running, so its memory cannot be measured. "
            f"Next: choose one of {', '.join(services)}."
        )
    return Forecast(subject, meter, window_s=window_s, on_alarm=on_alarm)


def _check_limits(limit_mb: float | None, latency_s: float | None) -> None:
    given = [each for each in (limit_mb, latency_s) if each is not None]
    if len(given) != 1 or not given[0] > 0:
        raise ForecastError(
            "A forecast needs one limit above zero: without it there is nothing to reach. "
            'Next: forecast("game-engine", limit_mb=512), or forecast("spins", latency_s=2).'
        )


def measure_process() -> Callable[[], float]:
    """Return a function that reads the memory of this process, the Python services', in MB."""
    process = psutil.Process()
    return lambda: process.memory_info().rss / MB


def measure_heap(find_url: Callable[[], str]) -> Callable[[], float | None]:
    """Return a function that reads the heap, in MB, from the health route of a service.

    It returns None while the service does not answer.
    """

    def read() -> float | None:
        try:
            with sentry_off():
                answer = httpx.get(f"{find_url()}/health", timeout=PATIENCE_S, trust_env=False)
            return float(answer.json()["process"]["heap_used_mb"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    return read


def measure_latency(find_traffic: Callable[[], Traffic | None]) -> Callable[[], float | None]:
    """Return a function that reads the p95 of the last ten seconds, in ms; None without answers."""

    def read() -> float | None:
        traffic = find_traffic()
        counts = traffic.outcomes.last(RECENT_S) if traffic is not None else None
        return 1000 * counts.p95 if counts is not None and counts.valid else None

    return read
