"""What a service promises: which share of its requests is good, over a window of time."""

import math
from dataclasses import dataclass
from fractions import Fraction

from kit.reliability.slo.durations import say_length

DEFAULT_TARGET = 0.99
DEFAULT_RATE = 4.0


@dataclass(frozen=True)
class Objective:
    """A service level objective. Raises ValueError for one that leaves no budget, or no time.

    ``target`` is the share of the requests that is good, over the last ``window_s`` seconds.
    ``rate`` is how many requests a second are planned. A request is good as the traffic counts
    it; with ``latency_s`` it is good when its answer took at most that long.
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
                f"The target {self.target} leaves no error budget, or nothing to keep: "
                "it is a share between 0 and 1, such as 0.99."
            )
        if not 1 <= self.window_s < math.inf or not 0 < self.rate < math.inf:
            raise ValueError("An objective needs a window of a second or more, and traffic.")
        if self.latency_s is not None and not 0 < self.latency_s < math.inf:
            raise ValueError("An answer takes more than no time: give the latency in seconds.")

    @property
    def budget_share(self) -> Fraction:
        """The share of the requests that may fail, exactly: a hundredth for a target of 0.99."""
        return 1 - Fraction(str(self.target))

    @property
    def planned(self) -> float:
        """How many requests a window holds at the planned rate."""
        return self.rate * self.window_s

    def allowed(self, requests: float) -> float:
        """Return how many of so many requests may fail."""
        return float(self.budget_share * Fraction(requests))

    @property
    def sentence(self) -> str:
        """The promise in words."""
        good = f"within {self.latency_s:g} s" if self.latency_s else "good"
        share = f"{float(100 * Fraction(str(self.target))):g} %"
        return f"{share} of {self.name} are {good}, over {say_length(self.window_s)}."
