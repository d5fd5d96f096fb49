"""The SLO object of a notebook: an objective with its budget, its rules and its alerts."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.html import render
from kit.reliability.slo.budget import ErrorBudget, measure_budget
from kit.reliability.slo.burn import BurnAlert, RuleSet, derive_rules
from kit.reliability.slo.durations import say_length
from kit.reliability.slo.lint import RuleReport, lint_rules
from kit.reliability.slo.month import VirtualMonth, simulate_month
from kit.reliability.slo.objective import DEFAULT_RATE, DEFAULT_TARGET, Objective
from kit.reliability.slo.openslo import OpenSlo, OpenSloError, parse_openslo, write_openslo
from kit.reliability.slo.policy import FROZEN, FreezePolicy
from kit.reliability.slo.queries import as_prometheus_rules, as_sloth_spec
from kit.reliability.slo.series import LatencyCounts, PerSecond
from kit.reliability.slo.watch import BudgetWatch

SUFFIXES = (".yaml", ".yml")


@runtime_checkable
class RunningTraffic(Protocol):
    """Traffic that ends by itself, with its outcomes."""

    @property
    def outcomes(self) -> PerSecond:
        """The counts of its requests, by second."""

    @property
    def is_running(self) -> bool:
        """Whether it still runs."""


Source = PerSecond | RunningTraffic


class Slo:
    """A service level objective that reads the counts of traffic; shown as its budget.

    ``objective`` is what is promised, ``alerts`` are its burn-rate rules. ``find_source`` returns
    the traffic to read if none is named; ``is_over`` tells whether the traffic has ended.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        alerts: RuleSet | None = None,
        document: OpenSlo | None = None,
        find_source: Callable[[], Source | None] = lambda: None,
        is_over: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.objective = objective
        self.alerts = alerts or derive_rules(objective)
        self._document = document
        self._find_source = find_source
        self._is_over = is_over
        self._clock = clock

    def reads(self, source: Source) -> "Slo":
        """Return the same objective over the counts of ``source``: traffic, or its outcomes."""
        return Slo(
            self.objective,
            alerts=self.alerts,
            document=self._document,
            find_source=lambda: source,
            is_over=self._is_over,
            clock=self._clock,
        )

    @property
    def budget(self) -> ErrorBudget:
        """The current error budget. Raises WorkshopError if there is no traffic to read."""
        return self.measure()

    def measure(self, source: Source | None = None, now: float | None = None) -> ErrorBudget:
        """Return the error budget at a time, in seconds since the epoch; by default now.

        ``source`` is traffic, or its outcomes. Raises WorkshopError if there is none.
        """
        counts = _outcomes(self._source(source))
        if self.objective.latency_s is not None:
            counts = LatencyCounts(counts, self.objective.latency_s)
        at = self._clock() if now is None else now
        return measure_budget(self.objective, counts, at, tuple(self.alerts))

    def fired(self, source: Source | None = None, now: float | None = None) -> Sequence[BurnAlert]:
        """Return which rules fired within the last two windows, and when."""
        return self.measure(source, now).alerts

    def watch(self, source: Source | None = None, seconds: float | None = None) -> BudgetWatch:
        """Return the budget as a live picture.

        It ends with the traffic, after ``seconds`` (by default the window's), or with ``stop()``.
        Raises WorkshopError if there is no traffic to read.
        """
        found = self._source(source)

        def is_over() -> bool:
            ended = isinstance(found, RunningTraffic) and not found.is_running
            return ended or self._is_over()

        length = self.objective.window_s if seconds is None else seconds
        return BudgetWatch(lambda: self.measure(found), is_over, length)

    def lint(self, *rules: RuleSet) -> RuleReport:
        """Return what is wrong with rules, by default the objective's own, before they fire."""
        reports = [lint_rules(self.objective, each) for each in rules or (self.alerts,)]
        return RuleReport(
            [problem for report in reports for problem in report],
            [need for report in reports for need in report.needs],
        )

    def month(
        self,
        seed: int = 0,
        incidents: Sequence[tuple[float, str]] = (),
        *,
        ordinary: float | None = None,
    ) -> VirtualMonth:
        """Return a simulated month of this objective and traffic, with incidents.

        Each incident is a share of failures and a length such as ``40 min``; ``seed`` decides when
        they happen. ``ordinary`` is the share of failures on all other days.
        """
        return simulate_month(self.objective, seed, incidents, ordinary=ordinary)

    def policy(self, freeze_below: float = 0.25, frozen: Sequence[str] = FROZEN) -> FreezePolicy:
        """Return the team's agreement: no release while less of the budget is left."""
        return FreezePolicy(self.measure, freeze_below, tuple(frozen))

    def as_openslo(self) -> str:
        """Return it as OpenSLO v1; if it was read from a file, with everything in that file."""
        document = self._document or write_openslo(self.objective, self.alerts)
        return document.as_yaml()

    def as_sloth(self) -> str:
        """Return it as a specification for Sloth, which makes Prometheus rules from it."""
        return as_sloth_spec(self.objective)

    def as_prometheus(self) -> str:
        """Return its rules as a rules file for Prometheus."""
        return as_prometheus_rules(self.objective, self.alerts)

    def _source(self, given: Source | None) -> Source:
        found = self._find_source() if given is None else given
        if found is None:
            raise WorkshopError(
                "This SLO has no traffic to read. Start some with workshop.traffic().start(), or "
                "name it: slo.reads(traffic)."
            )
        return found

    def __repr__(self) -> str:
        objective = self.objective
        return f"<Slo {objective.name}: {objective.sentence} Fires {'; '.join(_said(self.alerts))}>"

    def _repr_html_(self) -> Markup:
        budget = self.measure() if self._find_source() is not None else None
        return render(
            "slo.html", slo=self, budget=budget, length=say_length, planned=self._planned()
        )

    def _planned(self) -> str:
        objective = self.objective
        allowed = objective.allowed(objective.planned)
        return (
            f"{objective.planned:,.0f} requests are planned in {say_length(objective.window_s)}: "
            f"{allowed:,.4g} may fail."
        )


def make_slo(
    name_or_path: str | Path,
    target: float = DEFAULT_TARGET,
    minutes: float = 10,
    *,
    rate: float = DEFAULT_RATE,
    latency_s: float | None = None,
    find_source: Callable[[], Source | None] = lambda: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Slo:
    """Return the SLO of that name, or of an OpenSLO file, whose name ends in .yaml or .yml.

    The file takes precedence over the arguments. Raises OpenSloError for a file that cannot be
    read, ValueError for a value out of bounds.
    """
    if not str(name_or_path).endswith(SUFFIXES):
        objective = Objective(str(name_or_path), target, 60 * minutes, rate, latency_s)
        return Slo(objective, find_source=find_source, is_over=is_over)
    document = parse_openslo(_read(Path(name_or_path)))
    found = document.objectives(window_s=60 * minutes, rate=rate)
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise OpenSloError(f"The file must have one objective; {name_or_path} has: {names}.")
    rules = document.rules(found[0].window_s)
    return Slo(found[0], alerts=rules, document=document, find_source=find_source, is_over=is_over)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OpenSloError(f"{path} cannot be read: {error}") from error


def _outcomes(source: Source) -> PerSecond:
    return source.outcomes if isinstance(source, RunningTraffic) else source


def _said(rules: RuleSet) -> list[str]:
    return [rule.sentence for rule in rules]
