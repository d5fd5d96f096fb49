"""Cashback: players who lost, came often and stay loyal get something back."""

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Cashback:
    """The week of a player."""

    player: str
    visits: int
    spins: int
    spins_before: int
    free_given: int
    free_left: int
    staked: int
    won: int

    def facts(self) -> tuple[str, ...]:
        """Return the facts for the log, a line each."""
        return (
            f"spins: {self.spins}, visits: {self.visits}",
            f"spins in the week before: {self.spins_before}",
            f"free spins: {self.free_given} given, {self.free_left} left",
        )

    def coins(self) -> int:
        """Return the cashback."""
        shares = {
            "lost": (self.staked - self.won, self.staked),
            "busy": (self.spins, self.visits),
            "loyal": (self.spins, self.spins_before + 1),
        }
        factors = {}
        for name, (part, whole) in shares.items():
            factors[name] = part / whole
        return round(10 * prod(factors.values()))
