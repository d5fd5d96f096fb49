"""When rules fired: a timeline over the incidents, and a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import overload

from markupsafe import Markup

from kit.html import render
from kit.outcome import Event
from kit.reliability.alerts.conditions import TriggerName
from kit.reliability.alerts.judge import AlertJudgement, judge
from kit.reliability.alerts.occurrences import IssueKey
from kit.reliability.alerts.pages import CREATE_ALERTS
from kit.reliability.alerts.rule import Action, AlertRule
from kit.reliability.alerts.timeline import draw_timeline
from kit.reliability.faults.incident import Incident
from kit.words import count_noun

MAX_FIRINGS_SHOWN = 40
Load = Callable[[str, str], Event | None]


@dataclass(frozen=True)
class AlertFiring:
    """A rule fired: when, for which issue, and by which event.

    ``event_id`` is empty without an event, as when an issue is resolved.
    """

    at: float
    rule: AlertRule
    issue: IssueKey
    event_id: str
    project: str
    title: str
    triggers: tuple[TriggerName, ...]
    actions: tuple[Action, ...]
    load: Load | None = field(default=None, repr=False, compare=False)

    @property
    def event(self) -> Event | None:
        """Its event, read from the store; None if it is no longer there."""
        return self.load(self.event_id, self.project) if self.load else None

    @property
    def is_page(self) -> bool:
        """Whether it wakes somebody."""
        return "page" in self.actions

    @property
    def time(self) -> str:
        """When it fired, as a time of day in UTC."""
        return f"{datetime.fromtimestamp(self.at, UTC):%H:%M:%S}"

    def __str__(self) -> str:
        called = self.title or self.project
        return f"{self.time} {', '.join(self.actions)}: {called} ({self.rule.name})"


class Firings(Sequence[AlertFiring]):
    """When rules fired, earliest first; shown in a notebook as a timeline and a table.

    ``events`` is how many events were evaluated, ``span`` from when to when; ``held_back`` counts
    for each rule how often throttling kept it from firing. ``complete`` says whether all stored
    events were read.
    """

    def __init__(
        self,
        fired: Sequence[AlertFiring],
        rules: Sequence[AlertRule],
        *,
        span: tuple[float, float],
        events: int,
        held_back: Mapping[AlertRule, int],
        complete: bool = True,
    ) -> None:
        self._fired = tuple(fired)
        self.rules = tuple(rules)
        self.span = span
        self.events = events
        self.held_back = dict(held_back)
        self.complete = complete

    @overload
    def __getitem__(self, index: int) -> AlertFiring: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AlertFiring]: ...
    def __getitem__(self, index: int | slice) -> AlertFiring | Sequence[AlertFiring]:
        return self._fired[index]

    def __len__(self) -> int:
        return len(self._fired)

    def of(self, rule: AlertRule) -> list[AlertFiring]:
        """Return when one rule fired."""
        return [firing for firing in self if firing.rule == rule]

    @property
    def pages(self) -> list[AlertFiring]:
        """The firings that wake somebody."""
        return [firing for firing in self if firing.is_page]

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        held = sum(self.held_back.values())
        throttled = f"; throttling held back {held:,}" if held else ""
        fired = "Never fired" if not self else f"Fired {len(self):,}×"
        return f"{fired} for {count_noun(self.events, 'event')}{throttled}."

    def judge(
        self, incidents: Sequence[Incident], *, span: tuple[float, float] | None = None
    ) -> AlertJudgement:
        """Return what the pages are worth, judged by what really happened in a span of time."""
        return judge(self, incidents, span=span or self.span)

    def __str__(self) -> str:
        return "\n".join([f"{self.sentence} (simulated)", *map(str, self)])

    def __repr__(self) -> str:
        return f"<Firings: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        return render(
            "alerts_firings.html",
            firings=self,
            shown=self[:MAX_FIRINGS_SHOWN],
            timeline=draw_timeline(self, (), self.span),
            modelled=CREATE_ALERTS,
        )
