"""A cache that only grows: how a memory leak looks before the MemoryError."""

import asyncio
import ctypes
import os
import sys

import sentry_sdk
from sentry_sdk import logger

from demo_services.process import ProcessGauge
from demo_services.trace import start_span

STEP_MB = 8
STEP_BYTES = STEP_MB * 2**20
# Long enough to see it grow.
PAUSE_S = 0.1


class ReplayCache:
    """Stores a recording of every spin and deletes none, up to ``cap_mb``."""

    def __init__(self, cap_mb: int, step_mb: int = STEP_MB) -> None:
        self.cap_mb = cap_mb
        self.step_mb = step_mb
        self.most_mb = 0
        self._replays: list[bytes] = []
        # Otherwise the first recordings would reuse freed memory, and the process would not grow.
        give_back()

    def __repr__(self) -> str:
        # Without this, Sentry would copy the recordings to show them as local variables.
        return f"<ReplayCache holds {self.held_mb} MB, held {self.most_mb} of {self.cap_mb} MB>"

    @property
    def held_mb(self) -> int:
        """The memory that the recordings take."""
        return len(self._replays) * self.step_mb

    def record(self) -> None:
        """Store one more recording. Raises MemoryError beyond the cap."""
        needed_mb = self.held_mb + self.step_mb
        if needed_mb > self.cap_mb:
            raise MemoryError(f"replay cache needs {needed_mb} MB, the cap is {self.cap_mb} MB")
        # Not zeros, for which the system would use no memory. And made where other threads can run:
        # otherwise no profiler could see this line.
        self._replays.append(os.urandom(self.step_mb * 2**20))
        self.most_mb = needed_mb

    def clear(self) -> None:
        """Delete all recordings."""
        self._replays.clear()
        give_back()


def give_back() -> None:
    """Return freed memory to the system: glibc may keep it for later use."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda kept: None)
        trim(ctypes.c_size_t(0))


async def record_replays(cap_mb: int, gauge: ProcessGauge) -> None:
    """Record until memory runs out, in steps, so that other requests are served meanwhile.

    Raises MemoryError at the cap, and frees everything.
    """
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("fatal")
    # Memory may run out at any allocation: grouped by stack trace it would be many issues.
    scope.fingerprint = ["game-engine", "out-of-memory"]
    cache = ReplayCache(cap_mb)
    start_rss_mb = peak_rss_mb = gauge.rss_mb
    logger.info("recording replays, at most {cap_mb} MB", cap_mb=cap_mb)
    try:
        with start_span(op="game.replay", name="record replays"):
            while True:
                cache.record()
                peak_rss_mb = max(peak_rss_mb, gauge.rss_mb)
                sentry_sdk.metrics.gauge("game.replay_cache", cache.held_mb, unit="mebibyte")
                sentry_sdk.set_context(
                    "memory",
                    {
                        "start_rss_mb": start_rss_mb,
                        "peak_rss_mb": peak_rss_mb,
                        "held_mb": cache.held_mb,
                        "cap_mb": cap_mb,
                        "step_mb": STEP_MB,
                    },
                )
                sentry_sdk.add_breadcrumb(
                    category="memory",
                    message=f"cache holds {cache.held_mb} MB, process {gauge.rss_mb} MB",
                    level="warning",
                    data={"held_mb": cache.held_mb, "rss_mb": gauge.rss_mb},
                )
                await asyncio.sleep(PAUSE_S)
    finally:
        cache.clear()
