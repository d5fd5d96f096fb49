"""Injected faults of the game engine, in its code and on the wire to other services."""

import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from sentry_sdk import metrics

from demo_services.faults import hits
from demo_services.faults.leases import Faults
from demo_services.faults.names import faults_of, numbers_of
from demo_services.faults.wire import FaultProxy, declared_toxic, find_upstream
from demo_services.game_engine.memory import ReplayCache
from demo_services.game_engine.reels import STRIP, multiplier
from demo_services.refused import Refused
from demo_services.services import GAME_ENGINE
from demo_services.trace import start_span

BLOCKS, LEAKS, BAD_RELEASE = "engine-blocks", "engine-leaks", "bad-release"
CLOCK_SKEW, RESETS = "clock-skew", "payment-resets"


class EngineFaults(Faults):
    """The faults of the game engine.

    ``upstreams`` has the address of each service for the current request: that of a proxy if a
    fault on the wire hits the request.
    """

    def __init__(self, upstreams: Mapping[str, str]) -> None:
        self.upstreams = Detours(upstreams)
        self._leak: ReplayCache | None = None
        wires = [fault for fault in faults_of(GAME_ENGINE.name) if "toxic" in numbers_of(fault)]
        effects = {fault: partial(self.upstreams.opened, fault) for fault in wires}
        super().__init__(GAME_ENGINE, {**effects, LEAKS: self._keeping})

    @asynccontextmanager
    async def _keeping(self) -> AsyncIterator[None]:
        numbers = numbers_of(LEAKS)
        leak = self._leak = ReplayCache(numbers["cap_mb"], numbers["mb"])
        try:
            yield
        finally:
            leak.clear()
            # The fault may have been set again.
            if self._leak is leak:
                self._leak = None

    def strike_before(self) -> None:
        """Apply a fault in the code before the bet is charged, if one hits this spin.

        Raises MemoryError when the leak reaches its limit.
        """
        if hits.is_marked(BLOCKS):
            audit_paytable(numbers_of(BLOCKS)["ms"] / 1000)
        if hits.is_marked(LEAKS) and self._leak is not None:
            self._leak.record()
            metrics.gauge("game.replay_cache", self._leak.held_mb, unit="mebibyte")


class Detours(Mapping[str, str]):
    """The upstreams as a request reaches them: directly or through a proxy."""

    def __init__(self, upstreams: Mapping[str, str]) -> None:
        self._upstreams = upstreams
        self._proxies: dict[str, FaultProxy] = {}

    @asynccontextmanager
    async def opened(self, fault: str) -> AsyncIterator[None]:
        """Run the proxy of a fault. Raises ``Refused`` (503) without the upstream."""
        upstream = numbers_of(fault)["upstream"]
        if upstream not in self._upstreams:
            raise Refused(503, "not-here", f"The service {upstream} does not run here.")
        proxy = FaultProxy(declared_toxic(fault), partial(find_upstream, self._upstreams, upstream))
        async with proxy.running():
            self._proxies[fault] = proxy
            try:
                yield
            finally:
                # The fault may have been set again.
                if self._proxies.get(fault) is proxy:
                    del self._proxies[fault]

    def __getitem__(self, service: str) -> str:
        for fault, proxy in self._proxies.items():
            if numbers_of(fault)["upstream"] == service and is_hit_now(fault):
                return proxy.url
        return self._upstreams[service]

    def __iter__(self) -> Iterator[str]:
        return iter(self._upstreams)

    def __len__(self) -> int:
        return len(self._upstreams)


def is_hit_now(fault: str) -> bool:
    """Whether a fault on the wire hits the next call."""
    # Only one answer is lost; the answer to the retry arrives.
    return hits.take(fault) if fault == RESETS else hits.is_marked(fault)


def audit_paytable(seconds: float) -> float:
    """Return the average payout over all combinations of the reels, computed repeatedly.

    Python code without an await: the event loop serves no other request meanwhile.
    """
    end = time.monotonic() + seconds
    with start_span(op="game.audit", name="audit the paytable"):
        while True:
            pays = [multiplier(list(reels)) for reels in itertools.product(STRIP, repeat=3)]
            if time.monotonic() >= end:
                return sum(pays) / len(pays)
