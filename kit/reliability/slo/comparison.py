"""How different rules react to the same month."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from markupsafe import Markup

from kit.html import render
from kit.reliability.slo.burn import BurnAlert, RuleSet, find_alerts
from kit.reliability.slo.durations import MINUTE_S, say_length
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import Series
from kit.words import count_noun

# The workbook pages for this share within an hour. An incident that costs more needs a page.
WORTH_A_PAGE = 0.02
# An alert that begins later than this after an incident is not about it.
AFTERWARDS = 30


class MonthOfIncidents(Protocol):
    """A month to compare rules on: ``VirtualMonth``."""

    @property
    def objective(self) -> Objective:
        """The objective for the month."""

    @property
    def series(self) -> Series:
        """Its requests, by minute."""

    @property
    def incidents(self) -> "Sequence[IncidentSpan]":
        """Its incidents."""

    @property
    def seed(self) -> int:
        """The seed it was drawn from."""

    def spent(self, first: int = ..., end: int = ...) -> float:
        """Return the share of the budget that some minutes spend."""


class IncidentSpan(Protocol):
    """An incident to compare rules on; times are in minutes of the month."""

    @property
    def starts(self) -> int:
        """Its first minute."""

    @property
    def ends(self) -> int:
        """The minute in which it ends."""

    @property
    def sentence(self) -> str:
        """What happens in it."""


@dataclass(frozen=True)
class RuleOutcome:
    """How a set of rules reacted to one incident.

    ``paged_after`` and ``ticket_after`` are minutes since it began; None for never. ``reset_after``
    is how many minutes after its end the last of its pages stopped firing. ``spent_until`` is the
    share of the month's budget spent when it paged, ``cost`` the share the whole incident spent.
    """

    rules: RuleSet
    incident: IncidentSpan
    paged_after: int | None
    ticket_after: int | None
    reset_after: int | None
    spent_until: float | None
    cost: float

    @property
    def is_missed(self) -> bool:
        """Whether it is worth a page but none came."""
        return self.paged_after is None and self.cost >= WORTH_A_PAGE

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        what = f"{self.rules.name}, {self.incident.sentence}"
        if self.paged_after is None:
            return f"{what}: no page; {_percent(self.cost)} of the budget was spent."
        return (
            f"{what}: page after {say_length(self.paged_after * MINUTE_S)}, "
            f"{_percent(self.spent_until or 0)} of the budget was spent by then."
        )


class MonthComparison(Sequence[RuleOutcome]):
    """How each set of rules reacted to each incident; shown in a notebook as a table.

    ``false_pages`` counts the pages on ordinary days, by name of the set of rules.
    """

    def __init__(
        self, seed: int, outcomes: Sequence[RuleOutcome], false_pages: dict[str, int]
    ) -> None:
        self.seed = seed
        self._outcomes = tuple(outcomes)
        self.false_pages = false_pages

    @overload
    def __getitem__(self, index: int) -> RuleOutcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RuleOutcome]: ...
    def __getitem__(self, index: int | slice) -> RuleOutcome | Sequence[RuleOutcome]:
        return self._outcomes[index]

    def __len__(self) -> int:
        return len(self._outcomes)

    def of(self, name: str) -> tuple[RuleOutcome, ...]:
        """Return the outcomes of the rules of that name."""
        return tuple(each for each in self if each.rules.name == name)

    @property
    def sentence(self) -> str:
        """How many incidents each set of rules pages for, and how many false pages it sends."""
        told = []
        for name, false in self.false_pages.items():
            outcomes = self.of(name)
            paged = sum(1 for each in outcomes if each.paged_after is not None)
            told.append(
                f"{name} pages for {paged} of {count_noun(len(outcomes), 'incident')}, "
                f"with {count_noun(false, 'false page') if false else 'no false page'}."
            )
        return " ".join(told)

    def __repr__(self) -> str:
        lines = [f"<MonthComparison, simulated, seed {self.seed}>: {self.sentence}"]
        return "\n".join((*lines, *(each.sentence for each in self)))

    def _repr_html_(self) -> Markup:
        return render("slo_comparison.html", comparison=self, minutes=_minutes, percent=_percent)


def compare_rules(month: MonthOfIncidents, chosen: Sequence[RuleSet]) -> MonthComparison:
    """Return how each set of rules reacts to the incidents of a month."""
    outcomes, false_pages = [], {}
    for rules in chosen:
        pages = _during_month(find_alerts(month.series, month.objective, rules.of("page")))
        tickets = _during_month(find_alerts(month.series, month.objective, rules.of("ticket")))
        outcomes += [_outcome(month, rules, each, pages, tickets) for each in month.incidents]
        false_pages[rules.name] = sum(
            1 for page in pages if not any(_is_about(page, each) for each in month.incidents)
        )
    return MonthComparison(month.seed, outcomes, false_pages)


def _during_month(alerts: Sequence[BurnAlert]) -> list[BurnAlert]:
    return [alert for alert in alerts if alert.began > 0]


def _is_about(alert: BurnAlert, incident: IncidentSpan) -> bool:
    began = alert.began / MINUTE_S
    return incident.starts < began <= incident.ends + AFTERWARDS


def _outcome(
    month: MonthOfIncidents,
    rules: RuleSet,
    incident: IncidentSpan,
    pages: Sequence[BurnAlert],
    tickets: Sequence[BurnAlert],
) -> RuleOutcome:
    about = [page for page in pages if _is_about(page, incident)]
    paged = _minutes_after(about, incident)
    ends = [page.ended for page in about]
    last = max((end for end in ends if end is not None), default=None)
    return RuleOutcome(
        rules,
        incident,
        paged_after=paged,
        ticket_after=_minutes_after(tickets, incident),
        reset_after=None
        if last is None or None in ends
        else max(round(last / MINUTE_S) - incident.ends, 0),
        spent_until=None
        if paged is None
        else month.spent(incident.starts, incident.starts + paged),
        cost=month.spent(incident.starts, incident.ends),
    )


def _minutes_after(alerts: Sequence[BurnAlert], incident: IncidentSpan) -> int | None:
    about = (alert.began for alert in alerts if _is_about(alert, incident))
    first = min(about, default=None)
    return None if first is None else round(first / MINUTE_S) - incident.starts


def _minutes(count: int | None) -> str:
    return "never" if count is None else "at once" if not count else say_length(count * MINUTE_S)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
