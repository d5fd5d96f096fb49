"""A drawing of firings on a timeline, over the incidents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from kit.reliability.faults.incident import Incident
from kit.views.axis import Tick, percent, seconds_ticks, ticks

# As many ticks as fit on a narrow page.
TICKS = 5
MAX_MARKS = 200
_UNITS = ((" days", 86_400.0), (" h", 3600.0), (" min", 60.0))


class Fired(Protocol):
    """What is drawn of a firing."""

    @property
    def at(self) -> float:
        """When it fired, in seconds since the epoch."""

    @property
    def rule(self) -> Any:
        """The rule that fired."""

    @property
    def is_page(self) -> bool:
        """Whether it wakes somebody."""


@dataclass(frozen=True)
class IncidentBand:
    """An incident as drawn: its start and end in percent, and its number."""

    number: int
    name: str
    start: str
    width: str
    is_no_op: bool
    times: str


@dataclass(frozen=True)
class RuleLane:
    """A rule as drawn: where it fired, in percent."""

    name: str
    pages: tuple[str, ...]
    others: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class Timeline:
    """A drawing of incidents and of the rules that fired."""

    bands: tuple[IncidentBand, ...]
    lanes: tuple[RuleLane, ...]
    ticks: tuple[Tick, ...]
    began: str
    hidden: int


def draw_timeline(
    firings: Iterable[Fired], incidents: Sequence[Incident], span: tuple[float, float]
) -> Timeline | None:
    """Return the drawing; None if no time passed."""
    start, length = span[0], span[1] - span[0]
    if length <= 0:
        return None
    by_rule: dict[Any, list[Fired]] = {}
    for firing in firings:
        by_rule.setdefault(firing.rule, []).append(firing)
    bands = [
        IncidentBand(
            number,
            each.fault or "no-op",
            percent(each.starts_at - start, length),
            percent(min(each.ends_at, span[1]) - max(each.starts_at, start), length),
            each.is_no_op,
            f"{_clock(each.starts_at)} to {_clock(each.ends_at)}",
        )
        for number, each in enumerate(sorted(incidents, key=lambda each: each.starts_at), start=1)
    ]
    lanes = [_lane(rule.name, fired, start, length) for rule, fired in by_rule.items()]
    hidden = sum(max(len(fired) - MAX_MARKS, 0) for fired in by_rule.values())
    return Timeline(tuple(bands), tuple(lanes), tuple(_ticks(length)), _clock(start), hidden)


def _ticks(length: float) -> list[Tick]:
    unit, scale = next((each for each in _UNITS if length >= 2 * each[1]), ("", 0.0))
    return ticks(length / scale, TICKS, unit) if unit else seconds_ticks(length, TICKS)


def _lane(name: str, fired: Sequence[Fired], start: float, length: float) -> RuleLane:
    fired = sorted(fired, key=lambda firing: firing.at)
    shown = fired[:MAX_MARKS]
    pages = tuple(percent(each.at - start, length) for each in shown if each.is_page)
    others = tuple(percent(each.at - start, length) for each in shown if not each.is_page)
    said = ", ".join(_clock(each.at) for each in shown[:5])
    more = f" and {len(fired) - 5} more" if len(fired) > 5 else ""
    return RuleLane(name, pages, others, f"{name} fired at {said}{more}, UTC")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
