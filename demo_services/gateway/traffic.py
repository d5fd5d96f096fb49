"""What passes through the gateway: a line for each answer, how long it took, how many wait."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sentry_sdk
from fastapi import Request, Response
from sentry_sdk import logger

from demo_services.gateway.target import Target


class Traffic:
    """Counts the requests that wait for a service behind the gateway."""

    def __init__(self) -> None:
        self._in_flight = 0

    @contextmanager
    def in_flight(self, target: Target) -> Iterator[None]:
        """Count a request for as long as the block runs."""
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
    """Log the answer to a request that began then, by ``time.perf_counter()``, and time it."""
    took_ms = round((time.perf_counter() - began) * 1000, 1)
    logger.info(
        "{method} {path} answered with {status}",
        method=request.method,
        path=target.path,
        status=response.status_code,
        attributes={"upstream": target.service.name, "duration_ms": took_ms},
    )
    # Not by path: a caller can make up any number of them.
    sentry_sdk.metrics.distribution(
        "gateway.answer_time",
        took_ms,
        unit="millisecond",
        attributes={"upstream": target.service.name, "status": response.status_code},
    )
