"""The traffic plan: which player sends what, and when. The same seed gives the same plan."""

import hashlib
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

Shape = Literal["flat", "day", "spike"]
Route = Literal["spin", "stats", "health"]

ROUTES: tuple[Route, ...] = get_args(Route)
# How many of a hundred requests go to each route.
WEIGHTS: dict[Route, int] = {"spin": 90, "stats": 8, "health": 2}
PLAYERS = 500
HIGHEST_BET = 5
# A spin takes up to 80 ms of CPU on a small machine.
MAX_RATE = 10.0
MAX_MINUTES = 60.0

_DAY_SWING = 0.6
_SPIKE = 2.5
_SPIKE_PART = 0.1


@dataclass(frozen=True)
class Arrival:
    """One request: when it is due, in seconds since the start, and which player sends what."""

    due_s: float
    route: Route
    player: str
    bet: int
    is_sampled: bool


@dataclass(frozen=True)
class TrafficPlan:
    """Requests that arrive independently of each other and of the answers (Poisson arrivals).

    ``rate`` is how many are due per second, on average. ``shape`` changes that over ``minutes``:
    ``flat`` not at all, ``day`` to 0.4 times at both ends and 1.6 times in the middle, ``spike`` to
    2.5 times for the middle tenth; never to more than 10 a second. ``sampled`` is the share of
    requests whose spans are sent. Raises ValueError for a value out of bounds.
    """

    rate: float = 4.0
    shape: Shape = "flat"
    seed: int = 7
    minutes: float = 10.0
    sampled: float = 1 / 50

    def __post_init__(self) -> None:
        _check(0 < self.rate <= MAX_RATE, "rate", f"above 0 and at most {MAX_RATE:g} a second")
        _check(self.shape in get_args(Shape), "shape", "flat, day or spike")
        _check(0 < self.minutes <= MAX_MINUTES, "minutes", f"above 0 and at most {MAX_MINUTES:g}")
        _check(0 <= self.sampled <= 1, "sampled", "a share from 0 to 1")

    @property
    def length_s(self) -> float:
        """How long the traffic runs, in seconds."""
        return self.minutes * 60

    def rate_at(self, after_s: float) -> float:
        """Return how many requests are due per second, ``after_s`` seconds after the start."""
        return min(self.rate * _FACTORS[self.shape](after_s / self.length_s), MAX_RATE)

    def __iter__(self) -> Iterator[Arrival]:
        """Generate the requests lazily, in the order in which they are due."""
        # Python guarantees the same numbers in every version only for Random.random().
        draw = random.Random(self.seed).random  # noqa: S311 - to be repeated, not to be secret
        peak = min(self.rate * _PEAKS[self.shape], MAX_RATE)
        after_s, number = 0.0, 0
        while True:
            after_s -= math.log(1.0 - draw()) / peak
            if after_s >= self.length_s:
                return
            # Thinning from the peak keeps arrivals independent while their rate changes.
            if draw() * peak > self.rate_at(after_s):
                continue
            yield Arrival(
                # The last digits of a logarithm differ between machines.
                due_s=round(after_s, 3),
                route=_choose_route(draw()),
                player=f"p{int(draw() * PLAYERS)}",
                bet=1 + int(draw() * HIGHEST_BET),
                is_sampled=math.floor(number * self.sampled)
                != math.floor((number - 1) * self.sampled),
            )
            number += 1

    def fingerprint(self, requests: int = 1000) -> str:
        """Return a hash of the first requests; the same plan has the same hash on every machine."""
        text = "\n".join(map(repr, islice(self, requests)))
        return hashlib.sha256(text.encode()).hexdigest()


def _check(is_valid: bool, name: str, bounds: str) -> None:
    if not is_valid:
        raise ValueError(f"{name} must be {bounds}.")


def _choose_route(drawn: float) -> Route:
    share = drawn * sum(WEIGHTS.values())
    for route in ROUTES:
        share -= WEIGHTS[route]
        if share < 0:
            return route
    return ROUTES[-1]


def _flat(part: float) -> float:
    return 1.0


def _day(part: float) -> float:
    """From one midnight to the next."""
    return 1.0 - _DAY_SWING * math.cos(2 * math.pi * part)


def _spike(part: float) -> float:
    return _SPIKE if abs(part - 0.5) < _SPIKE_PART / 2 else 1.0


_FACTORS: dict[Shape, Callable[[float], float]] = {"flat": _flat, "day": _day, "spike": _spike}
_PEAKS: dict[Shape, float] = {"flat": 1.0, "day": 1.0 + _DAY_SWING, "spike": _SPIKE}
