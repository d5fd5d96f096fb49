"""The result of a drill, as a line that outlives its kernel."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class DrillResult:
    """One played drill. Times are seconds since the incident began, None for never.

    ``budget_spent`` is a share, above 1 if more spins failed than allowed. ``at`` is when it
    ended, in UTC.
    """

    seed: int
    fault: str
    minutes: float
    at: str
    detected_s: float | None
    localised_s: float | None
    diagnosed_s: float | None
    mitigated_s: float | None
    wrong: int
    budget_spent: float
    failed: int
    players: int

    @property
    def diagnosis_s(self) -> float | None:
        """The time from detection to diagnosis: the part that context can change."""
        if self.detected_s is None or self.diagnosed_s is None:
            return None
        return self.diagnosed_s - self.detected_s

    def as_json(self) -> dict[str, Any]:
        """Return it for a line of the progress journal, and for scripts."""
        return asdict(self)


_TEXTS = frozenset({"fault", "at"})
_WHOLE = frozenset({"seed", "wrong", "failed", "players"})
_OPTIONAL = frozenset({"detected_s", "localised_s", "diagnosed_s", "mitigated_s"})
MAX_TEXT = 64


def read_drill_result(given: Mapping[str, Any]) -> DrillResult:
    """Return the result in a JSON object. Raises ValueError, LookupError or TypeError."""
    return DrillResult(
        **{each.name: _field(each.name, given[each.name]) for each in fields(DrillResult)}
    )


def _field(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return str(value)[:MAX_TEXT]
    if value is None and name in _OPTIONAL:
        return None
    number = bounded_number(name, value)
    return int(number) if name in _WHOLE else number


def bounded_number(name: str, value: Any) -> float:
    """Return the number in a field of a result. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is not a number")
    if not abs(value) < 1e12:  # also NaN, which Python's JSON accepts
        raise ValueError(f"{name} is out of bounds")
    return float(value)
