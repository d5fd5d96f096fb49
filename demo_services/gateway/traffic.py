"""The gateway's traffic: logs and times each answer, and counts waiting requests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sentry_sdk
from fastapi import Request, Response
from sentry_sdk import logger

from demo_services.gateway.target import Target


class Traffic:
    """Counts the requests that are waiting for a service behind the gateway."""

    def __init__(self) -> None:
        self._in_flight = 0

    @contextmanager
    def in_flight(self, target: Target) -> Iterator[None]:
        """Count a request while the block runs."""
        self._in_flight += 1
        sentry_sdk.metrics.gauge(
            "gateway.requests_in_flight",
            self._in_flight,
            attributes={"upstream": target.service.name},
        )
        try:
            yield
        finally:
            self._in_flight -= 1


def log_answer(request: Request, target: Target, response: Response, began: float) -> None:
    """Log and time the answer to a request; ``began`` is its ``time.perf_counter()``."""
    took_ms = round((time.perf_counter() - began) * 1000, 1)
    logger.info(
        "{method} {path} answered with {status}",
        method=request.method,
        path=target.path,
        status=response.status_code,
        attributes={"upstream": target.service.name, "duration_ms": took_ms},
    )
    # Not by path: a caller can invent any number of paths.
    sentry_sdk.metrics.distribution(
        "gateway.answer_time",
        took_ms,
        unit="millisecond",
        attributes={"upstream": target.service.name, "status": response.status_code},
    )
