"""Good and bad requests over time, in steps of the same length."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import sub
from typing import Protocol, runtime_checkable

from kit.actionable import WorkshopError
from kit.reliability.slo.durations import DAY_S

# The most steps that are read, in case a clock jumped or the counts are from another day.
MOST_STEPS = DAY_S


class GoodAndBad(Protocol):
    """How many requests were good, and how many bad; invalid ones are neither."""

    @property
    def good(self) -> int:
        """Answered as they should be."""

    @property
    def bad(self) -> int:
        """Failed, or late."""


class PerSecond(Protocol):
    """Counts by second: the outcomes of the traffic, or a recording of them."""

    def per_second(self, start: float, end: float) -> Sequence[tuple[int, GoodAndBad]]:
        """Return the seconds since the epoch that have any requests, with their counts."""


@dataclass(frozen=True)
class SecondTally:
    """The counts of one second or more."""

    good: int = 0
    bad: int = 0


class RecordedSeconds:
    """Counts that are already known: ``(second, good, bad)`` for each second."""

    def __init__(self, seconds: Iterable[tuple[int, int, int]]) -> None:
        self._seconds = sorted((at, SecondTally(good, bad)) for at, good, bad in seconds)

    def per_second(self, start: float, end: float) -> list[tuple[int, SecondTally]]:
        """Return the seconds from ``start`` up to ``end``, with their counts."""
        return [each for each in self._seconds if start <= each[0] < end]


@runtime_checkable
class TimedCounts(Protocol):
    """Counts that know how long the answers took."""

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share of the answers arrived."""


class LatencyCounts:
    """The counts of ``source``, where good means that the answer took at most ``latency_s``.

    A fast error counts as fast: it is availability that counts errors.
    """

    def __init__(self, source: PerSecond, latency_s: float) -> None:
        self._source = source
        self._latency_s = latency_s

    def per_second(self, start: float, end: float) -> Sequence[tuple[int, GoodAndBad]]:
        """Return the seconds that have any requests, with their counts."""
        return [(at, self._count(tally)) for at, tally in self._source.per_second(start, end)]

    def _count(self, tally: GoodAndBad) -> SecondTally:
        valid = tally.good + tally.bad
        if not valid:
            return SecondTally()
        if not isinstance(tally, TimedCounts):
            raise WorkshopError(
                "These counts have no times, but the SLO is about latency. Read the outcomes of "
                "traffic, or leave out latency_s."
            )
        fast = 0
        # A second of traffic has at most ten requests.
        while fast < valid and tally.quantile((fast + 1) / valid) <= self._latency_s:
            fast += 1
        return SecondTally(fast, valid - fast)


class Series:
    """The requests of each step, from ``start`` on, and their sums over windows.

    ``start`` and ``step`` are in seconds. A window that reaches back beyond the first step holds
    only the steps that exist.
    """

    def __init__(
        self, good: Sequence[int], bad: Sequence[int], *, start: float = 0.0, step: float = 1.0
    ) -> None:
        self.good, self.bad = tuple(good), tuple(bad)
        self.start, self.step = start, step
        valid = (ok + failed for ok, failed in zip(self.good, self.bad, strict=True))
        self._valid_until = list(accumulate(valid, initial=0))
        self._bad_until = list(accumulate(self.bad, initial=0))

    def __len__(self) -> int:
        return len(self.good)

    def __repr__(self) -> str:
        valid, bad = self._valid_until[-1], self._bad_until[-1]
        return f"<Series of {len(self):,} steps: {valid:,} requests, {bad:,} bad>"

    def end_of(self, index: int) -> float:
        """Return when a step ends: from then on its counts are known."""
        return self.start + (index + 1) * self.step

    def rolling_bad(self, window_s: float) -> list[int]:
        """Return, for each step, the failures in the window that ends with it."""
        return _rolling(self._bad_until, self._steps(window_s))

    def rolling_valid(self, window_s: float) -> list[int]:
        """Return, for each step, the requests in the window that ends with it."""
        return _rolling(self._valid_until, self._steps(window_s))

    def bad_between(self, first: int, end: int) -> int:
        """Return the failures in the steps from ``first`` up to ``end``."""
        return self._bad_until[end] - self._bad_until[first]

    def valid_between(self, first: int, end: int) -> int:
        """Return the requests in the steps from ``first`` up to ``end``."""
        return self._valid_until[end] - self._valid_until[first]

    def _steps(self, window_s: float) -> int:
        return max(round(window_s / self.step), 1)


def _rolling(until: Sequence[int], steps: int) -> list[int]:
    return [*until[1 : steps + 1], *map(sub, until[steps + 1 :], until[1:])]


def read_series(source: PerSecond, start: float, now: float) -> Series:
    """Return the seconds from the first one with a request up to the one of ``now``."""
    last = math.floor(now)
    start = max(start, last - MOST_STEPS)
    found = {
        second: tally
        for second, tally in source.per_second(start, last + 1)
        if start <= second <= last
    }
    first = min(found, default=last + 1)
    nothing = SecondTally()
    tallies = [found.get(second, nothing) for second in range(first, last + 1)]
    return Series([each.good for each in tallies], [each.bad for each in tallies], start=first)
