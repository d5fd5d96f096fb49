"""Axes of drawings: round numbers along them, and places on them in percent."""

import math
import sys
from dataclasses import dataclass

_STEPS = (1, 2, 5, 10)
# Floats of seconds since the epoch are a quarter of a microsecond apart: visible in a millisecond.
_EXACT = 1e-3
# A label that begins later than here would overflow.
_NEAR_END = 0.95
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


@dataclass(frozen=True)
class Tick:
    """A number beside an axis: its place in percent of the axis, and its label."""

    place: str
    label: str
    is_end: bool


def percent(part: float, whole: float) -> str:
    """Return a place on an axis for CSS, such as ``12.5``, from 0 to 100."""
    return f"{min(max(100 * part / whole, 0.0), 100.0):.2f}" if whole > 0 else "0.00"


def tick_step(end: float, count: int) -> float:
    """Return the round number that divides an axis up to ``end`` into at most ``count`` steps."""
    # Below it, a quotient may be zero.
    least = max(end / count, sys.float_info.min)
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * step for step in _STEPS if power * step >= least * (1 - _EXACT))


def ticks(end: float, count: int, unit: str = "") -> list[Tick]:
    """Return the ticks of an axis from zero to ``end``, which must be more than zero."""
    step = tick_step(end, count)
    numbers = [step * n for n in range(int(end / step * (1 + _EXACT)) + 1)]
    return [
        Tick(percent(each, end), f"{each:.6g}{unit}", each > _NEAR_END * end) for each in numbers
    ]


def seconds_ticks(end: float, count: int) -> list[Tick]:
    """Return the ticks of an axis from zero to ``end`` seconds, in one unit that suits them."""
    scale, unit = next((each for each in _SECONDS if end >= each[0] * (1 - _EXACT)), _SECONDS[-1])
    return ticks(end / scale, count, f" {unit}")
