"""Measures a game day: how long each incident hurt, and what was done about it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kit.reliability.alerts.judge import AlertJudgement, judge
from kit.reliability.faults.incident import Incident
from kit.reliability.game_day.environment import GameMark, PlayedIncident
from kit.reliability.game_day.result import GameIncident
from kit.reliability.traffic.outcomes import Counts, Outcomes

# A request in flight at the end of an incident may still fail. Less than the gap of a plan.
GRACE_S = 4.0
# An incident that ends within this time after an action was ended by it. An action is noted once
# it is done, so the end may come a little before.
WORKS_WITHIN_S, NOTED_WITHIN_S = 5.0, 1.5
# A service ends a lease by its own clock.
EARLY_S = 0.5


@dataclass(frozen=True)
class GameMeasure:
    """What happened in a game day that began at ``began_at``, in seconds since the epoch.

    ``counts`` are those of its traffic. Requests count in whole seconds, by when they were due.
    """

    played: Sequence[PlayedIncident]
    counts: Outcomes
    began_at: float

    @property
    def incidents(self) -> list[Incident]:
        """The incidents as they were planned, in seconds since the epoch."""
        return [
            Incident(each.fault, self.began_at + each.starts_s, self.began_at + each.planned_end_s)
            for each in self.played
        ]

    def total(self, until: float) -> Counts:
        """Return the outcomes of all requests up to a time."""
        return self.counts.between(self.began_at, until)

    def judge_pages(self, marks: Sequence[GameMark], until: float) -> AlertJudgement:
        """Return what the pages are worth; several during one incident count as one."""
        pages = [mark for mark in marks if mark.is_page]
        return judge(pages, self.incidents, span=(self.began_at, until))

    def measure(self, pages: AlertJudgement) -> tuple[GameIncident, ...]:
        """Return the outcome of each incident, earliest first.

        Requests count for an incident until four seconds after its planned end, or until the next
        one begins.
        """
        paged = {row.verdict.incident.starts_at: row.verdict.delay_s for row in pages.rows}
        ordered = sorted(self.played, key=lambda each: each.starts_s)
        ends = [*(each.starts_s for each in ordered[1:]), math.inf]
        return tuple(
            self._measure(each, end, paged.get(self.began_at + each.starts_s))
            for each, end in zip(ordered, ends, strict=True)
        )

    def is_right(self, at: float) -> bool:
        """Return whether an action at a time ended an incident, or its effect on players.

        That is, a real fault was on, and soon afterwards it was off early, or requests stopped
        failing. ``at`` is in seconds since the epoch.
        """
        at_s = at - self.began_at
        return any(
            each.fault is not None and self._helped(at_s, each)
            for each in self.played
            if each.starts_s <= at_s <= each.planned_end_s
        )

    def _helped(self, at_s: float, each: PlayedIncident) -> bool:
        if each.ended_s < each.planned_end_s - EARLY_S:
            return at_s - NOTED_WITHIN_S <= each.ended_s <= at_s + WORKS_WITHIN_S
        after_s = at_s + WORKS_WITHIN_S
        if after_s >= each.planned_end_s or not self._bad(each.starts_s, at_s):
            return False
        return not self._bad(after_s, each.planned_end_s)

    def _measure(self, each: PlayedIncident, next_s: float, paged_s: float | None) -> GameIncident:
        bad = self._bad(each.starts_s, min(each.planned_end_s + GRACE_S, next_s))
        last = self.began_at + each.starts_s if not bad else max(bad) + 1
        recovery_s = max(last - self.began_at - each.starts_s, 0.0)
        return GameIncident(
            fault=each.fault,
            starts_s=round(each.starts_s, 1),
            planned_s=round(each.planned_end_s - each.starts_s, 1),
            on_s=round(max(each.ended_s - each.began_s, 0.0), 1),
            failed=sum(bad.values()),
            recovery_s=round(recovery_s, 1) if bad else None,
            paged_s=None if paged_s is None else round(paged_s, 1),
        )

    def _bad(self, start_s: float, end_s: float) -> dict[int, int]:
        """Return the seconds in which failed requests were due, within a period, and how many."""
        first = math.floor(self.began_at + start_s)
        found = self.counts.per_second(first, math.ceil(self.began_at + end_s))
        return {second: each.bad for second, each in found if each.bad}
