"""The steady state in numbers, measured over the spins of an experiment."""

import math
from collections.abc import Iterable

from kit.reliability.chaos.load import PlayedSpin

# With fewer answers, a percentage says nothing.
FEWEST = 5


def success_percent(spins: Iterable[PlayedSpin], start: float, end: float) -> float | None:
    """Return the percentage of the spins ended in a period that were played; None for too few.

    Times are in seconds since the epoch. A late answer is a success.
    """
    ended = [spin for spin in spins if spin.is_over and start <= spin.ended_at <= end]
    if len(ended) < FEWEST:
        return None
    return round(100 * sum(spin.is_good for spin in ended) / len(ended), 1)


def p95_wait_s(spins: Iterable[PlayedSpin], start: float, end: float) -> float | None:
    """Return the seconds within which 95 % of the players had their answer; None for too few."""
    return _wait_s(spins, start, end, 0.95)


def median_wait_s(spins: Iterable[PlayedSpin], start: float, end: float) -> float | None:
    """Return the seconds within which half of the players had their answer; None for too few."""
    return _wait_s(spins, start, end, 0.5)


def _wait_s(spins: Iterable[PlayedSpin], start: float, end: float, share: float) -> float | None:
    """Return the seconds within which a share of the players had their answer.

    Counts spins that ended in the period, and those still in flight with the time that their
    players have waited so far: a service that does not answer must not look fast.
    """
    waits = sorted(
        spin.waited_s(end)
        for spin in spins
        if (not spin.is_over or start <= spin.ended_at <= end) and spin.due <= end
    )
    if len(waits) < FEWEST:
        return None
    return round(waits[math.ceil(share * len(waits)) - 1], 3)


def expected_change(spins: Iterable[PlayedSpin]) -> int:
    """Return by how many coins the balances should have changed: all wins minus all bets."""
    return sum(spin.win - spin.bet for spin in spins if spin.is_good)
