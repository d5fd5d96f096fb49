"""The result of a game day, as a line that outlives its kernel."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any, Literal, get_args

from markupsafe import Markup

from kit.html import render
from kit.reliability.drill.result import MAX_TEXT, bounded_number
from kit.words import count_noun

RepairMode = Literal["off", "ask", "auto"]
REPAIR_MODES: tuple[RepairMode, ...] = get_args(RepairMode)
_MOST_INCIDENTS = 100


@dataclass(frozen=True)
class GameIncident:
    """The outcome of one incident; a no-op has no ``fault``.

    Times are seconds: ``starts_s`` since the start of the day, the others since the start of the
    incident. ``planned_s`` is how long it would have been on, ``on_s`` how long it was.
    ``recovery_s`` is when the last failed request was due, None if none failed; ``paged_s`` when
    somebody was woken, None for never. ``failed`` counts requests.
    """

    fault: str | None
    starts_s: float
    planned_s: float
    on_s: float
    failed: int
    recovery_s: float | None
    paged_s: float | None

    @property
    def name(self) -> str:
        """The name of the fault, or that it is a no-op."""
        return self.fault or "no-op"

    @property
    def line(self) -> str:
        """A summary in one line."""
        felt = f"{count_noun(self.failed, 'request')} failed"
        return (
            f"{self.starts_s:6.1f} s  {self.name:18} on {say_seconds(self.on_s)} of "
            f"{say_seconds(self.planned_s)}, {felt}, recovered {say_seconds(self.recovery_s)}, "
            f"paged {say_seconds(self.paged_s)}"
        )


@dataclass(frozen=True, repr=False)
class GameResult:
    """One game day played to its end.

    ``at`` is when it ended, in UTC. ``requests`` are those that count, ``failed`` the bad ones of
    them; ``budget_spent`` is the share of the error budget, above 1 if more failed than allowed.
    ``pages`` is how often somebody is woken, ``actions`` what was done by hand or by the responder,
    ``wrong_actions`` those that ended no incident.
    """

    seed: int
    minutes: float
    rate: float
    repair: RepairMode
    at: str
    requests: int
    failed: int
    budget_spent: float
    pages: int
    actions: int
    wrong_actions: int
    incidents: tuple[GameIncident, ...]

    @property
    def faults(self) -> tuple[GameIncident, ...]:
        """The incidents in which something was broken."""
        return tuple(each for each in self.incidents if each.fault is not None)

    @property
    def recovery_s(self) -> float | None:
        """The median time to recovery of the incidents in which requests failed."""
        times = [each.recovery_s for each in self.faults if each.recovery_s is not None]
        return median(times) if times else None

    @property
    def drawn(self) -> tuple[object, ...]:
        """What two game days have in common if their incidents were the same."""
        incidents = tuple((each.fault, each.starts_s, each.planned_s) for each in self.incidents)
        return self.seed, self.minutes, self.rate, incidents

    @property
    def spent(self) -> str:
        """The share of the error budget that was spent."""
        return f"{100 * self.budget_spent:.0f} %"

    @property
    def sentence(self) -> str:
        """What was measured, in a sentence or two."""
        hurt = sum(each.recovery_s is not None for each in self.faults)
        failed = f"{self.failed:,} of {count_noun(self.requests, 'request')} failed"
        failed = f"{failed}, {self.spent} of the error budget."
        if self.recovery_s is None:
            return f"{failed} Players noticed none of {count_noun(len(self.faults), 'incident')}."
        noticed = f"Players noticed {hurt} of {count_noun(len(self.faults), 'incident')}"
        return f"{failed} {noticed}, for a median of {self.recovery_s:.0f} s."

    @property
    def done(self) -> str:
        """How many pages and actions there were, in a sentence."""
        done = f"{count_noun(self.pages, 'page')}, {count_noun(self.actions, 'action')}"
        if self.actions:
            done = f"{done}, {self.wrong_actions or 'none'} of them wrong"
        if not self.elsewhere:
            return f"{done}."
        busy = f"{count_noun(self.elsewhere, 'request')} failed outside of any incident"
        return f"{done}. {busy}: perhaps the machine was busy."

    @property
    def elsewhere(self) -> int:
        """How many failed requests were due outside of incidents and the seconds after them."""
        return max(self.failed - sum(each.failed for each in self.faults), 0)

    def as_json(self) -> dict[str, Any]:
        """Return it for a line of the progress journal, and for scripts."""
        return asdict(self)

    def __str__(self) -> str:
        head = f"Game day {self.seed}, {self.minutes:g} minutes, repair {self.repair}"
        rows = (f"  {each.line}" for each in self.incidents)
        return "\n".join([head, self.sentence, self.done, *rows])

    __repr__ = __str__

    def _repr_html_(self) -> Markup:
        return render("game_day_result.html", result=self)


def say_seconds(seconds: float | None) -> str:
    """Return a time in seconds; a dash for None."""
    return "–" if seconds is None else f"{seconds:.1f} s"


def read_game_result(given: Mapping[str, Any]) -> GameResult:
    """Return the result in a JSON object. Raises ValueError, LookupError or TypeError."""
    incidents = given["incidents"]
    if not isinstance(incidents, list | tuple) or len(incidents) > _MOST_INCIDENTS:
        raise TypeError("incidents is not a list of a game day")
    read = tuple(GameIncident(**_read(GameIncident, each)) for each in incidents)
    return GameResult(**_read(GameResult, given), incidents=read)


_TEXTS = frozenset({"fault", "at", "repair"})
_WHOLE = frozenset({"seed", "requests", "failed", "pages", "actions", "wrong_actions"})
_OPTIONAL = frozenset({"fault", "recovery_s", "paged_s"})


def _read(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    names = [each.name for each in fields(kind) if each.name != "incidents"]
    return {name: _field(name, given[name]) for name in names}


def _field(name: str, value: Any) -> Any:
    if value is None and name in _OPTIONAL:
        return None
    if name == "repair" and value not in REPAIR_MODES:
        raise ValueError("repair is not one of the modes")
    if name in _TEXTS:
        return str(value)[:MAX_TEXT]
    number = bounded_number(name, value)
    return int(number) if name in _WHOLE else number
