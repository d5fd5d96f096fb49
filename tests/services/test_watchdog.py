"""The watchdog that cuts loops."""

import random
import sys
import time
from collections.abc import Iterator

import pytest

from demo_services.game_engine.watchdog import Watchdog, WatchdogTimeout


def spin(seconds: float) -> int:
    end = time.perf_counter() + seconds
    turns = 0
    while time.perf_counter() < end:
        turns += 1
    return turns


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns so often that every order of events comes up."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def test_it_cuts_what_takes_too_long() -> None:
    with pytest.raises(WatchdogTimeout, match=r"still running after 0\.05 s"), Watchdog(0.05):
        spin(60)


def test_it_lets_go_of_a_block_that_ends_in_time() -> None:
    with Watchdog(60):
        done = sum(range(1000))
    assert done == 499500


def test_it_lets_other_exceptions_through() -> None:
    with pytest.raises(KeyError, match="symbol"), Watchdog(60):
        raise KeyError("symbol")


@pytest.mark.usefixtures("eager_threads")
def test_it_never_fires_after_the_block() -> None:
    cut = ended = 0
    for _ in range(1500):
        try:
            with Watchdog(0.001):
                spin(random.uniform(0.0008, 0.0018))
        except WatchdogTimeout:
            cut += 1
            continue
        # A late exception would come up in here, where nobody expects it.
        ended += 1 + sum(0 for _ in range(200))
    assert cut
    assert ended
