"""The screen of a game day: its state, and once it is over, what really happened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from kit.html import render
from kit.reading.spans import length
from kit.reliability.alerts.timeline import Timeline, draw_timeline
from kit.reliability.faults.incident import Incident
from kit.reliability.game_day.environment import GameMark, MarkLane, RepairAsk, RepairNote
from kit.reliability.game_day.result import GameResult, RepairMode
from kit.reliability.slo.budget import ErrorBudget
from kit.reliability.traffic.outcomes import Counts, Outcomes

FAILED = MarkLane("Failed requests")
MAX_LINES = 8
RECENT_S = 30.0
# A rule that fires again within this time reports the same trouble.
TOGETHER_S = 5.0
REPAIR_SAYS: dict[RepairMode, str] = {
    "off": "repair is off: people do everything",
    "ask": "the responder asks before it repairs",
    "auto": "the responder repairs by itself",
}


@dataclass(frozen=True)
class TrafficReading:
    """The outcomes of the traffic: all, those of the last half minute, and the rate per second.

    ``failed_seconds`` are those in which a failed request was due.
    """

    counts: Counts = field(default_factory=Counts)
    recent: Counts = field(default_factory=Counts)
    rate: float = 0.0
    failed_seconds: Sequence[int] = ()


def read_traffic(outcomes: Outcomes, began_at: float | None, now: float) -> TrafficReading:
    """Return the outcomes of the traffic by now; nothing before the start."""
    if began_at is None:
        return TrafficReading()
    since = max(began_at, now - RECENT_S)
    seconds = outcomes.per_second(began_at, now)
    recent = outcomes.between(since, now)
    failed = [second for second, counts in seconds if counts.bad]
    counts = outcomes.between(began_at, now)
    return TrafficReading(counts, recent, recent.total / max(now - since, 1.0), failed)


@dataclass(frozen=True)
class AlertLine:
    """A rule that fired, and how often it fired again within a short time."""

    at: float
    name: str
    text: str
    is_page: bool
    more: int = 0


def group_alerts(marks: Sequence[GameMark]) -> Iterator[AlertLine]:
    """Yield the alerts; those that closely follow one of the same rule share its line."""
    groups: list[list[GameMark]] = []
    latest: dict[MarkLane, list[GameMark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.at):
        group = latest.get(mark.rule)
        if group is None or mark.at - group[-1].at > TOGETHER_S:
            group = latest[mark.rule] = []
            groups.append(group)
        group.append(mark)
    for first, *more in groups:
        yield AlertLine(first.at, first.rule.name, first.text, first.is_page, len(more))


@dataclass(frozen=True)
class GameState:
    """The state of a game day. Times of marks and notes are seconds since the epoch.

    ``incidents`` is empty until it is over; ``standing`` compares it with earlier ones.
    """

    seed: int
    phase: str
    repair: RepairMode
    is_killed: bool
    began_at: float | None
    elapsed_s: float
    length_s: float
    traffic: TrafficReading
    budget: ErrorBudget
    alerts: Sequence[GameMark]
    actions: Sequence[GameMark]
    journal: Sequence[RepairNote]
    asks: Sequence[RepairAsk]
    incidents: Sequence[Incident] = ()
    result: GameResult | None = None
    forecast: str = ""
    standing: str = ""
    remark: str = ""

    @property
    def clock(self) -> str:
        """The time since the start, and the length of the day."""
        return f"{_clock(self.elapsed_s)} of {_clock(self.length_s)}"

    @property
    def sentence(self) -> str:
        """What the screen shows, in a sentence."""
        if self.phase == "not started":
            return (
                f"{_clock(self.length_s)} minutes of traffic, with unannounced faults; "
                f"{REPAIR_SAYS[self.repair]}."
            )
        if self.result is not None:
            return self.result.sentence
        if self.phase == "stopped":
            return f"Stopped after {_clock(self.elapsed_s)}. No result is saved."
        return f"{self.budget.sentence[:-1]}; {REPAIR_SAYS[self.repair]}."

    @property
    def p95(self) -> str:
        """The 95th percentile of the recent response times."""
        recent = self.traffic.recent
        return length(recent.p95) if recent.valid else "–"

    @property
    def budget_left(self) -> str:
        """The share of the error budget that is left."""
        return f"{100 * self.budget.share_left:.0f} %"

    @property
    def alert_lines(self) -> list[AlertLine]:
        """The alerts as listed, latest first."""
        return list(group_alerts(self.alerts))[::-1]

    @property
    def pages(self) -> int:
        """How often the pages wake somebody; once it is over, as counted in the result."""
        if self.result is not None:
            return self.result.pages
        return sum(line.is_page for line in self.alert_lines)

    @property
    def timeline(self) -> Timeline | None:
        """The day so far as a drawing; it shows the incidents once the day is over."""
        if self.began_at is None:
            return None
        failed = [GameMark(second + 0.5, FAILED, "") for second in self.traffic.failed_seconds]
        span = (self.began_at, self.began_at + self.length_s)
        marks = [*failed, *self.alerts, *self.actions]
        shown = [mark for mark in marks if span[0] <= mark.at <= span[1]]
        return draw_timeline(shown, self.incidents, span)

    def since_start(self, at: float) -> str:
        """Return the time of a mark on the clock of the day."""
        return _clock(at - (self.began_at or at))


def draw_game_day(state: GameState) -> Markup:
    """Return the screen as a picture."""
    return render("game_day.html", state=state, lines=MAX_LINES)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(int(seconds), 0), 60)
    return f"{minutes}:{rest:02d}"
