"""The watchdog that cuts loops."""

import itertools
import time

import pytest

from demo_services.game_engine.watchdog import Watchdog, WatchdogTimeout


def test_it_cuts_a_loop_that_never_ends() -> None:
    with pytest.raises(WatchdogTimeout, match=r"still running after 0\.05 s"), Watchdog(0.05):
        for _ in itertools.count():
            pass


def test_it_lets_go_of_a_block_that_ends_in_time() -> None:
    with Watchdog(60):
        done = sum(range(1000))
    assert done == 499500


def test_it_lets_other_exceptions_through() -> None:
    with pytest.raises(KeyError, match="symbol"), Watchdog(60):
        raise KeyError("symbol")


def test_it_never_fires_after_the_block() -> None:
    ended = 0
    for _ in range(500):
        end = time.perf_counter() + 0.001
        try:
            with Watchdog(0.001):
                while time.perf_counter() < end:
                    pass
        except WatchdogTimeout:
            continue
        # A late exception would come up in here, where nobody expects it.
        ended += 1 + sum(0 for _ in range(200))
    assert ended
