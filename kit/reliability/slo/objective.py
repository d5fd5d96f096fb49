"""What a service promises: the share of good requests over a window of time."""

import math
from dataclasses import dataclass
from fractions import Fraction

from kit.reliability.slo.durations import say_length

DEFAULT_TARGET = 0.99
DEFAULT_RATE = 4.0


@dataclass(frozen=True)
class Objective:
    """A service level objective. Raises ValueError if it leaves no budget or no time.

    ``target`` is the share of good requests over the last ``window_s`` seconds. ``rate`` is how
    many requests per second are planned. The traffic decides which requests are good; with
    ``latency_s``, those are good whose answer took at most that long.
    """

    name: str
    target: float = DEFAULT_TARGET
    window_s: float = 600.0
    rate: float = DEFAULT_RATE
    latency_s: float | None = None
    service: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(
                f"The target {self.target} leaves no error budget, or promises nothing. "
                "Give a share between 0 and 1, such as 0.99."
            )
        if not 1 <= self.window_s < math.inf or not 0 < self.rate < math.inf:
            raise ValueError("An objective needs a window of at least a second, and traffic.")
        if self.latency_s is not None and not 0 < self.latency_s < math.inf:
            raise ValueError("latency_s must be a finite number of seconds above 0.")

    @property
    def budget_share(self) -> Fraction:
        """The exact share of requests that may fail: a hundredth for a target of 0.99."""
        return 1 - Fraction(str(self.target))

    @property
    def planned(self) -> float:
        """How many requests a window holds at the planned rate."""
        return self.rate * self.window_s

    def allowed(self, requests: float) -> float:
        """Return how many of that many requests may fail."""
        return float(self.budget_share * Fraction(requests))

    @property
    def sentence(self) -> str:
        """The promise in words."""
        good = f"within {self.latency_s:g} s" if self.latency_s else "good"
        share = f"{float(100 * Fraction(str(self.target))):g} %"
        return f"{share} of {self.name} are {good}, over {say_length(self.window_s)}."
