"""Random draws that are the same on every machine and in every version of Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Draws from a seed.

    Python guarantees that only ``random()`` of ``random.Random`` stays the same, and a class may
    have more than one version of Python.
    """

    def __init__(self, seed: str) -> None:
        self._draw = random.Random(seed).random  # noqa: S311 - to be repeated, not to be secret

    def whole(self, below: int) -> int:
        """Return a whole number from 0 up to, but not including, ``below``."""
        return int(self._draw() * below)

    def between(self, low: float, high: float) -> float:
        """Return a number between two."""
        return low + (high - low) * self._draw()

    def pick(self, among: Sequence[T]) -> T:
        """Return one of them."""
        return among[self.whole(len(among))]

    def sample(self, among: Sequence[T], count: int) -> list[T]:
        """Return ``count`` of them, in any order, none twice."""
        left = list(among)
        return [left.pop(self.whole(len(left))) for _ in range(count)]
