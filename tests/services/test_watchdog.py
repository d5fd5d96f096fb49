"""The watchdog that cuts loops."""

import random
import subprocess
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


# Some blocks end in time, some are cut, and some end just before the exception would come up.
TRACED = """
import faulthandler, random, sys, time
from demo_services.game_engine.watchdog import Watchdog, WatchdogTimeout

def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass

faulthandler.dump_traceback_later(60, exit=True)
sys.setswitchinterval(1e-5)
for _ in range(200):
    try:
        with Watchdog(0.001):
            spin(random.uniform(0.0005, 0.0018))
    except WatchdogTimeout:
        pass
    sys.settrace(lambda *given: None)
    spin(0)
    sys.settrace(None)
"""


def test_functions_can_be_traced_afterwards_as_by_a_debugger() -> None:
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
