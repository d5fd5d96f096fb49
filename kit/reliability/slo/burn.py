"""Burn rates: how fast the error budget goes, and the rules that page when it goes too fast.

A burn rate of 1 spends the budget exactly over its window. A rule watches two windows: the long
one shows that the failures matter, the short one that they are still happening.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, overload

from markupsafe import Markup

from kit.html import render
from kit.reliability.slo.durations import DAY_S, HOUR_S, MINUTE_S, say_length
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import Series
from kit.words import count_noun

MONTH_S = 30 * DAY_S
# With fewer failures, a page may be chance. Many users of burn-rate rules set such a minimum.
FEWEST_FAILURES = 5

Severity = Literal["page", "ticket"]


class SloRule(Protocol):
    """A rule over the counts of requests."""

    @property
    def severity(self) -> Severity:
        """Whether it wakes a person or waits until morning."""

    @property
    def sentence(self) -> str:
        """When it fires."""

    def states(self, series: Series, objective: Objective) -> list[bool]:
        """Return, for each step, whether the rule is firing at its end."""


@dataclass(frozen=True)
class BurnRule:
    """Fires while both windows burn at least ``burn``, with ``at_least`` failures in the long one.

    Windows are in seconds. Raises ValueError for a window or burn rate that is not positive.
    """

    severity: Severity
    burn: float
    long_s: float
    short_s: float
    at_least: int = 1

    def __post_init__(self) -> None:
        if not all(0 < each < math.inf for each in (self.burn, self.long_s, self.short_s)):
            raise ValueError("A burn rate and both of its windows must be more than zero.")

    @property
    def sentence(self) -> str:
        """When it fires."""
        fewest = f", at least {self.at_least} failures" if self.at_least > 1 else ""
        windows = f"{say_length(self.long_s)} and {say_length(self.short_s)}"
        return f"{self.severity}: burn rate of {self.burn:g} or more over {windows}{fewest}"

    def share_of(self, objective: Objective) -> float:
        """Return the lowest share of failed requests at which it fires; above 1 it cannot."""
        return float(self._limit(objective))

    def spends(self, objective: Objective) -> float:
        """Return the share of the budget that a steady burn has spent when it fires."""
        return self.burn * self.long_s / objective.window_s

    def needs(self, objective: Objective) -> int:
        """Return how many failures in the long window make it fire, at the planned traffic."""
        return max(self._failures(objective, self.long_s), self.at_least)

    def needs_lately(self, objective: Objective) -> int:
        """Return how many failures in the short window make it fire, at the planned traffic."""
        return self._failures(objective, self.short_s)

    def detects_after(self, objective: Objective, share: float) -> float | None:
        """Return after how many seconds it fires if ``share`` of the requests fail.

        The workbook's formula: window * burn * (1 - target) / share. None for never.
        """
        return (
            self.long_s * self.share_of(objective) / share
            if self._fires_at(objective, share)
            else None
        )

    def states(self, series: Series, objective: Objective) -> list[bool]:
        """Return, for each step, whether the rule is firing at its end."""
        limit = self._limit(objective)
        most, per, fewest = limit.numerator, limit.denominator, self.at_least
        windows = zip(
            series.rolling_bad(self.long_s),
            series.rolling_valid(self.long_s),
            series.rolling_bad(self.short_s),
            series.rolling_valid(self.short_s),
            strict=True,
        )
        # Whole numbers: 5 of 250 are exactly 2 %, which floats such as 0.05 / 2.5 just miss.
        return [
            failed >= fewest
            and lately > 0
            and lately * per >= most * requests
            and failed * per >= most * valid
            for failed, valid, lately, requests in windows
        ]

    def _failures(self, objective: Objective, window_s: float) -> int:
        requests = Fraction(str(objective.rate)) * Fraction(str(window_s))
        return max(math.ceil(self._limit(objective) * requests), 1)

    def _limit(self, objective: Objective) -> Fraction:
        return Fraction(str(self.burn)) * objective.budget_share

    def _fires_at(self, objective: Objective, share: float) -> bool:
        return 0 < self._limit(objective) <= Fraction(str(share))


@dataclass(frozen=True)
class ThresholdRule:
    """Fires while more than ``share`` of each minute's requests failed for ``lasts_s``.

    It ignores the budget. Most teams begin with this alert.
    """

    share: float
    lasts_s: float
    window_s: float = MINUTE_S
    severity: Severity = "page"

    @property
    def sentence(self) -> str:
        """When it fires."""
        lasts = say_length(self.lasts_s)
        return f"{self.severity}: more than {100 * self.share:g} % of requests fail, for {lasts}"

    def states(self, series: Series, objective: Objective) -> list[bool]:
        """Return, for each step, whether the rule is firing at its end."""
        limit = Fraction(str(self.share))
        steps, above, states = max(round(self.lasts_s / series.step), 1), 0, []
        bad, valid = series.rolling_bad(self.window_s), series.rolling_valid(self.window_s)
        for failed, requests in zip(bad, valid, strict=True):
            is_above = failed * limit.denominator > limit.numerator * requests
            above = above + 1 if is_above else 0
            states.append(above >= steps)
        return states


@dataclass(frozen=True)
class BurnAlert:
    """A rule that fired, from ``began`` to ``ended``, in seconds; None while it is firing."""

    rule: SloRule
    began: float
    ended: float | None

    @property
    def severity(self) -> Severity:
        """Whether it wakes a person or waits until morning."""
        return self.rule.severity


class RuleSet(Sequence[SloRule]):
    """A named set of rules; shown in a notebook as a table.

    ``window_s`` is the window of the objective they are made for.
    """

    def __init__(self, name: str, rules: Sequence[SloRule], window_s: float) -> None:
        self.name = name
        self.window_s = window_s
        self._rules = tuple(rules)

    @overload
    def __getitem__(self, index: int) -> SloRule: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SloRule]: ...
    def __getitem__(self, index: int | slice) -> SloRule | Sequence[SloRule]:
        return self._rules[index]

    def __len__(self) -> int:
        return len(self._rules)

    def of(self, severity: Severity) -> tuple[SloRule, ...]:
        """Return the rules that page, or those that open a ticket."""
        return tuple(rule for rule in self if rule.severity == severity)

    def __repr__(self) -> str:
        return f"<RuleSet {self.name}: {'; '.join(rule.sentence for rule in self)}>"

    def _repr_html_(self) -> Markup:
        return render("slo_rules.html", rules=self, length=say_length, count=count_noun)


# Table 5-8 of the SRE workbook, chapter 5, for a window of 30 days.
GOOGLE = RuleSet(
    "Google's workbook",
    (
        BurnRule("page", 14.4, HOUR_S, 5 * MINUTE_S),
        BurnRule("page", 6, 6 * HOUR_S, 30 * MINUTE_S),
        BurnRule("ticket", 1, 3 * DAY_S, 6 * HOUR_S),
    ),
    MONTH_S,
)


def derive_rules(objective: Objective) -> RuleSet:
    """Return rules for a window much shorter than a month, such as ten minutes.

    Google's windows do not scale: five minutes of a month correspond to less than a tenth of a
    second of ten minutes. Here a page means a fifth of the budget within a tenth of the window.
    """
    window = objective.window_s
    page = BurnRule("page", 2, window / 10, max(window / 60, 1), FEWEST_FAILURES)
    ticket = BurnRule("ticket", 1, window, window / 10, FEWEST_FAILURES)
    return RuleSet(f"Rules for {say_length(window)}", (page, ticket), window)


def find_alerts(series: Series, objective: Objective, rules: Sequence[SloRule]) -> list[BurnAlert]:
    """Return when each rule fired and when it stopped, earliest first."""
    found = [
        BurnAlert(rule, series.end_of(first), None if end is None else series.end_of(end))
        for rule in rules
        for first, end in _true_runs(rule.states(series, objective))
    ]
    return sorted(found, key=lambda alert: alert.began)


def _true_runs(states: Sequence[bool]) -> Iterator[tuple[int, int | None]]:
    """Yield the first step of each run of True, and the first step after it; None at the end."""
    begins: int | None = None
    for index, state in enumerate(states):
        if state and begins is None:
            begins = index
        elif not state and begins is not None:
            yield begins, index
            begins = None
    if begins is not None:
        yield begins, None
