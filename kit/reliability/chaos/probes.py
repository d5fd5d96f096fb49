"""Probes for Chaos Toolkit documents: the steady state of the running workshop in numbers.

Each finds the workshop and the spins of the experiment by itself, and returns a number to compare
with a tolerance.
"""

import time
from collections.abc import Callable, Iterable

import psutil

from kit.actionable import WorkshopError
from kit.reliability.chaos.load import PlayedSpin
from kit.reliability.chaos.session import current_session
from kit.reliability.chaos.steady_state import median_wait_s, p95_wait_s, success_percent

# How long a probe waits for more answers: there may be few for a moment, as during a restart.
PATIENCE_S = 0.9
_TICK_S = 0.1
Measure = Callable[[Iterable[PlayedSpin], float, float], float | None]


def success_rate(seconds: float = 5.0) -> float:
    """Return the percentage of the spins in the last ``seconds`` that were played, however late.

    Of fewer than five it looks back twice as far. Raises WorkshopError if those are too few, too.
    """
    return _measure(success_percent, seconds)


def p95_seconds(seconds: float = 5.0) -> float:
    """Return within how many seconds 95 % of the spins in the last ``seconds`` were answered.

    Of fewer than five it looks back twice as far. Raises WorkshopError if those are too few, too.
    """
    return _measure(p95_wait_s, seconds)


def median_seconds(seconds: float = 5.0) -> float:
    """Return within how many seconds half of the spins in the last ``seconds`` were answered.

    Of fewer than five it looks back twice as far. Raises WorkshopError if those are too few, too.
    """
    return _measure(median_wait_s, seconds)


def missing_spins() -> int:
    """Return how many played spins are missing from the statistics. Raises WorkshopError."""
    return current_session().missing_spins()


def unaccounted_coins() -> int:
    """Return by how many coins balances differ from bets and wins. Raises WorkshopError."""
    return current_session().unaccounted_coins()


def memory_mb() -> float:
    """Return the resident memory of the workshop's process in MiB: the Python services share it."""
    pid = current_session().target.pid
    return round(psutil.Process(pid).memory_info().rss / 2**20, 1)


def _measure(measure: Measure, seconds: float) -> float:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = measure(*current_session().window(seconds))
        if found is not None:
            return found
        if time.monotonic() > deadline:
            break
        time.sleep(_TICK_S)
    # A restart of two seconds leaves too few answers in a short window: that says nothing of them.
    found = measure(*current_session().window(2 * seconds))
    if found is None:
        raise WorkshopError("Too few spins have ended to measure them.")
    return found
