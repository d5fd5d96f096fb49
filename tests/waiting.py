"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

EVERY_S = 0.01


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Return once a condition holds; fail when it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(EVERY_S)
