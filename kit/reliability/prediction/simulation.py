"""Simulated memory of a service: series of five kinds, with the truth about each."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Literal

from kit.reliability.prediction.trend import Point

MemoryKind = Literal["leak", "leak under a sawtooth", "sawtooth", "warm-up", "step", "quiet"]

LIMIT_MB, EVERY_S, LENGTH_S = 512.0, 2.5, 600.0
LEAKS: tuple[MemoryKind, ...] = ("leak", "leak under a sawtooth")
DECOYS: tuple[MemoryKind, ...] = ("sawtooth", "warm-up", "step")
MEMORY_KINDS: tuple[MemoryKind, ...] = (*LEAKS, *DECOYS)
TRAINING, HELD_OUT = range(60), range(60, 100)

# Healthy memory stays below this share of the limit, and above that of an idle service.
_HIGHEST, _IDLE = 0.85, (0.3, 0.6)
_Curve = Callable[[float], float]


@dataclass(frozen=True)
class MemorySeries:
    """The memory of a service over time: ``points`` are pairs of seconds and MB.

    A leak begins at ``began_at`` and reaches ``limit_mb`` at ``ends_at``, the last point. Both are
    None without a leak.
    """

    name: str
    points: tuple[Point, ...]
    limit_mb: float
    began_at: float | None = None
    ends_at: float | None = None

    @cached_property
    def watched(self) -> tuple[Point, ...]:
        """The points at which an alarm is not too late: all before the limit is reached."""
        return self.points if self.ends_at is None else self.points[:-1]

    @cached_property
    def right_points(self) -> int:
        """At how many of the points an alarm would be right."""
        return sum(self.is_right_at(at) for at, _ in self.watched)

    @property
    def length_s(self) -> float:
        """How long it was watched."""
        return self.points[-1][0] - self.points[0][0]

    def is_right_at(self, at: float) -> bool:
        """Whether an alarm at this time is true: it leaks, and the limit is still to come."""
        if self.began_at is None or self.ends_at is None:
            return False
        return self.began_at <= at < self.ends_at


def simulate_memory(kind: MemoryKind, seed: int) -> MemorySeries:
    """Return ten simulated minutes of a service, one point every 2.5 seconds; a leak ends early."""
    random = Random(f"{kind} {seed}")  # noqa: S311 - a simulation
    idle = random.uniform(*_IDLE) * LIMIT_MB
    curve, began = _CURVES[kind](random, idle)
    noise, wander = random.uniform(0.5, 4.0), 0.0
    points: list[Point] = []
    for number in range(int(LENGTH_S / EVERY_S)):
        at = number * EVERY_S
        wander = 0.9 * wander + random.gauss(0, noise / 2)
        held = curve(at) + wander + random.gauss(0, noise)
        if began is not None and at > began and held >= LIMIT_MB:
            return MemorySeries(kind, (*points, (at, LIMIT_MB)), LIMIT_MB, began, at)
        points.append((at, held))
    return MemorySeries(kind, tuple(points), LIMIT_MB)


def simulate_all(
    seeds: Iterable[int], kinds: Iterable[MemoryKind] = MEMORY_KINDS
) -> list[MemorySeries]:
    """Return a series of each kind for each seed."""
    return [simulate_memory(kind, seed) for seed in seeds for kind in kinds]


def _leak(random: Random, idle: float) -> tuple[_Curve, float | None]:
    began, lasts = random.uniform(90, 240), random.uniform(90, 300)
    rate = (LIMIT_MB - idle) / lasts
    return lambda at: idle + rate * max(at - began, 0), began


def _leak_under_sawtooth(random: Random, idle: float) -> tuple[_Curve, float | None]:
    leak, began = _leak(random, idle)
    saw = _saw(random.uniform(15, 50), random.uniform(10, 50), random.random())
    return lambda at: leak(at) + saw(at), began


def _sawtooth(random: Random, idle: float) -> tuple[_Curve, float | None]:
    height = random.uniform(0.1, 1) * (_HIGHEST * LIMIT_MB - idle)
    saw = _saw(random.uniform(15, 60), height, random.random())
    return lambda at: idle + saw(at), None


def _warm_up(random: Random, idle: float) -> tuple[_Curve, float | None]:
    begins, pace = random.uniform(60, 200), random.uniform(10, 60)
    height = random.uniform(0.2, 1) * (_HIGHEST * LIMIT_MB - idle)
    return lambda at: idle + height * (1 - math.exp(-max(at - begins, 0) / pace)), None


def _step(random: Random, idle: float) -> tuple[_Curve, float | None]:
    begins = random.uniform(90, 480)
    height = random.uniform(0.2, 1) * (_HIGHEST * LIMIT_MB - idle)
    return lambda at: idle + (height if at >= begins else 0), None


def _quiet(random: Random, idle: float) -> tuple[_Curve, float | None]:
    return lambda at: idle, None


def _saw(period: float, height: float, phase: float) -> _Curve:
    """Garbage that piles up and is collected all at once."""
    return lambda at: height * ((at / period + phase) % 1)


_CURVES: dict[MemoryKind, Callable[[Random, float], tuple[_Curve, float | None]]] = {
    "leak": _leak,
    "leak under a sawtooth": _leak_under_sawtooth,
    "sawtooth": _sawtooth,
    "warm-up": _warm_up,
    "step": _step,
    "quiet": _quiet,
}
