"""Circuit breakers around calls to other services. None is on until an operator leases one.

An active breaker lets calls through while it is closed, and opens after some failures in a row.
While it is open no calls are made. After a pause it is half open: one call is made as a probe, and
its result closes or opens the breaker.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

import httpx
import sentry_sdk
from sentry_sdk import logger

from demo_services.faults.order import checked_seconds, is_number, out_of_bounds
from demo_services.refused import Refused
from demo_services.services import ANALYTICS, GAME_ENGINE, PAYMENT

if TYPE_CHECKING:
    from purgatory import AsyncCircuitBreakerFactory, Event
    from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

GUARDED = (PAYMENT.name, ANALYTICS.name)
HALF_OPEN = "half-opened"
THRESHOLD, MAX_THRESHOLD = 5, 1000
PAUSE_S, MAX_PAUSE_S = 5.0, 600.0
# Events include changes of the last minute.
TOLD_S, KEPT_CHANGES = 60.0, 10


class CircuitOpen(Exception):
    """A call was not made: the breaker of that service is open."""

    def __init__(self, upstream: str, again_s: float) -> None:
        super().__init__(f"The breaker of {upstream} is open.")
        self.upstream, self.again_s = upstream, again_s


class _OpenedByHand(Exception):
    """Stands for the failures that open a breaker."""


@dataclass(frozen=True)
class BreakerOrder:
    """A breaker that is on for ``seconds``; with ``is_open`` it starts open.

    Otherwise ``threshold`` failures in a row open it. ``pause_s`` later it lets a probe through.
    """

    upstream: str
    is_open: bool
    seconds: float
    threshold: int
    pause_s: float


def read_breaker_order(body: Mapping[str, Any]) -> BreakerOrder:
    """Return the order in a request's body.

    Raises ``Refused``: 404 for a service without a breaker, 422 out of bounds.
    """
    upstream = known_upstream(body.get("service"))
    is_open = body.get("open", True)
    threshold, pause_s = body.get("threshold", THRESHOLD), body.get("pause_s", PAUSE_S)
    if not isinstance(is_open, bool):
        raise out_of_bounds("open must be true or false.")
    if type(threshold) is not int or not 0 < threshold <= MAX_THRESHOLD:
        raise out_of_bounds(f"threshold must be a whole number from 1 to {MAX_THRESHOLD}.")
    if not is_number(pause_s) or not 0 < pause_s <= MAX_PAUSE_S:
        raise out_of_bounds(f"pause_s must be a number above 0, at most {MAX_PAUSE_S:g}.")
    seconds = checked_seconds(body.get("seconds"))
    return BreakerOrder(upstream, is_open, seconds, threshold, pause_s)


def known_upstream(name: object) -> str:
    """Return the name. Raises ``Refused`` (404) for a service whose calls have no breaker."""
    if isinstance(name, str) and name in GUARDED:
        return name
    detail = f"{GAME_ENGINE.name} has no breaker for {name!r}; known: {', '.join(GUARDED)}."
    raise Refused(404, "unknown-breaker", detail)


@dataclass(eq=False)
class _Breaker:
    """A breaker during its lease, and its state."""

    order: BreakerOrder
    factory: "AsyncCircuitBreakerFactory"
    circuit: "AsyncCircuitBreaker"
    began_at: float = field(default_factory=time.time)
    calls: int = 0
    refused: int = 0

    @property
    def until(self) -> float:
        return self.began_at + self.order.seconds

    @property
    def state(self) -> str:
        return self.circuit.context.state

    @property
    def again_s(self) -> float:
        """In how many seconds it lets the next probe through."""
        opened_at = self.circuit.context.opened_at or time.time()
        return max(opened_at + self.order.pause_s - time.time(), 0.0)


class BreakerStatus(TypedDict):
    """The reported state of a breaker; times in seconds since the epoch, None while it is off."""

    service: str
    state: str
    began_at: float | None
    until: float | None
    calls: int
    refused: int


class Breakers:
    """The breakers of the game engine, one for each service that it calls.

    A lease ends by itself, even if the operator is gone: then all calls are made again.
    """

    def __init__(self) -> None:
        self._on: dict[str, _Breaker] = {}
        self._changes: deque[tuple[float, str]] = deque(maxlen=KEPT_CHANGES)

    def status(self, upstream: str) -> BreakerStatus:
        """Return the state of a breaker."""
        found = self._current(upstream)
        return {
            "service": upstream,
            "state": found.state if found else "off",
            "began_at": found.began_at if found else None,
            "until": found.until if found else None,
            "calls": found.calls if found else 0,
            "refused": found.refused if found else 0,
        }

    def states(self) -> dict[str, Any]:
        """Return the states of all breakers."""
        return {"service": GAME_ENGINE.name, "breakers": [*map(self.status, GUARDED)]}

    async def begin(self, order: BreakerOrder) -> BreakerStatus:
        """Turn a breaker on, replacing the active one; return its status."""
        # Imported for the first breaker: until then the service does not load it.
        from purgatory import AsyncCircuitBreakerFactory

        factory = AsyncCircuitBreakerFactory(order.threshold, order.pause_s, _NO_FAILURES)
        circuit = await factory.get_breaker(order.upstream)
        factory.add_listener(self._hear)
        breaker = _Breaker(order, factory, circuit)
        if order.is_open:
            await _open(breaker)
        self._on[order.upstream] = breaker
        return self.status(order.upstream)

    def clear(self, upstream: str | None = None) -> list[BreakerStatus]:
        """Turn one off, or all; return the status that each had."""
        found = [name for name in GUARDED if upstream in (None, name) and self._current(name)]
        ended = [self.status(name) for name in found]
        for name in found:
            self._end(name, time.time())
        return ended

    @asynccontextmanager
    async def around(self, upstream: str) -> AsyncIterator[None]:
        """Make a call inside the block. Raises ``CircuitOpen`` when the call must not be made."""
        breaker = self._current(upstream)
        if breaker is None:
            yield
            return
        await _enter(breaker)
        breaker.calls += 1
        try:
            yield
        except BaseException as error:
            await breaker.circuit.__aexit__(type(error), error, error.__traceback__)
            raise
        await breaker.circuit.__aexit__(None, None, None)

    def describe(self) -> None:
        """Give the events of this request a breadcrumb for each change of the last minute."""
        if not self._changes:
            return
        for upstream in list(self._on):
            self._current(upstream)
        while self._changes and self._changes[0][0] < time.time() - TOLD_S:
            self._changes.popleft()
        for at, message in self._changes:
            sentry_sdk.add_breadcrumb(
                category="breaker", message=message, level="warning", timestamp=at
            )

    def _current(self, upstream: str) -> _Breaker | None:
        """Return an active breaker; end one whose time is up."""
        found = self._on.get(upstream)
        if found and found.until <= time.time():
            self._end(upstream, found.until)
            return None
        return found

    def _end(self, upstream: str, at: float) -> None:
        del self._on[upstream]
        self._tell(at, upstream, "off")

    def _hear(self, upstream: str, kind: str, event: "Event") -> None:
        if kind == "state_changed":
            self._tell(time.time(), upstream, str(getattr(event, "state", "changed")))

    def _tell(self, at: float, upstream: str, state: str) -> None:
        self._changes.append((at, f"breaker of {upstream}: {state}"))
        logger.warning(
            "breaker of {upstream}: {state}",
            upstream=upstream,
            state=state,
            attributes={"breaker.service": upstream, "breaker.state": state},
        )


def _is_no_failure(error: BaseException) -> bool:
    """Whether an answer blames the caller and not the service."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code < 500
    return isinstance(error, Refused) and error.status < 500


_NO_FAILURES: list[Any] = [(Refused, _is_no_failure), (httpx.HTTPStatusError, _is_no_failure)]


async def _open(breaker: _Breaker) -> None:
    """Open it as failures would, so that everything that follows an opening happens."""
    for _ in range(breaker.order.threshold):
        error = _OpenedByHand()
        await breaker.circuit.__aenter__()
        await breaker.circuit.__aexit__(type(error), error, None)


async def _enter(breaker: _Breaker) -> None:
    """Enter it. Raises ``CircuitOpen``."""
    from purgatory.domain.model import OpenedState

    # purgatory lets every call through while it is half open. One probe is enough.
    is_probed = breaker.state == HALF_OPEN
    try:
        if not is_probed:
            await breaker.circuit.__aenter__()
            return
    except OpenedState:
        pass
    breaker.refused += 1
    raise CircuitOpen(breaker.order.upstream, breaker.again_s)
