"""The error budget: how many failures are allowed, how many are left, and for how long."""

import math
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from kit.html import render
from kit.reliability.slo.burn import BurnAlert, SloRule, find_alerts
from kit.reliability.slo.chart import BudgetChart, draw_budget
from kit.reliability.slo.durations import say_length
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import PerSecond, Series, read_series

# The last such part of the window tells how fast the budget goes now.
LATELY = 10


@dataclass(frozen=True)
class ErrorBudget:
    """An objective's error budget at one moment; shown in a notebook as a picture.

    ``spent`` counts the failures in the window, ``requests`` the good and bad requests. ``total``
    is how many failures are allowed: in the first window, of the planned requests, or of the
    actual ones if there are more; after that, of the actual ones. ``per_second`` is the recent
    number of failures per second, over the last tenth of the window.
    """

    objective: Objective
    spent: int
    requests: int
    total: float
    per_second: float
    at: float
    series: Series
    alerts: tuple[BurnAlert, ...] = ()

    @property
    def left(self) -> float:
        """How many more failures are allowed; negative when the objective is missed."""
        return self.total - self.spent

    @property
    def share_left(self) -> float:
        """The share of the budget that is left, from 0 to 1; 1 without any requests."""
        if not self.total:
            return 0.0 if self.spent else 1.0
        return max(self.left / self.total, 0.0)

    @property
    def is_gone(self) -> bool:
        """Whether the objective is missed."""
        return self.spent > self.total

    @property
    def burn_rate(self) -> float:
        """How fast it goes: 1 spends the budget exactly over the window."""
        return self.per_second * self.objective.window_s / self.total if self.total else 0.0

    @property
    def gone_in_s(self) -> float | None:
        """In how many seconds the rest is gone at the current rate; None for never."""
        if self.is_gone:
            return 0.0
        return self.left / self.per_second if self.per_second else None

    @property
    def sentence(self) -> str:
        """How much is spent, and when the rest will be."""
        allowed = math.floor(self.total)
        if not self.requests:
            return "No requests have been counted yet."
        if self.is_gone:
            verb = "is" if allowed == 1 else "are"
            failures = "failure" if self.spent == 1 else "failures"
            return f"The budget is gone: {self.spent:,} {failures}, {allowed:,} {verb} allowed."
        if not self.total and not self.spent:
            return f"No requests were made in the last {say_length(self.objective.window_s)}."
        if not self.spent:
            return f"No failures so far: all {allowed:,} are still allowed."
        verb = "is" if self.spent == 1 else "are"
        spent = f"{self.spent:,} of {allowed:,} allowed failures {verb} spent"
        if self.gone_in_s is None:
            lately = say_length(self.objective.window_s / LATELY)
            return f"{spent}, none of them in the last {lately}."
        if self.gone_in_s > self.objective.window_s:
            return f"{spent}; at this rate the rest lasts longer than the window."
        return f"{spent}; at this rate the rest is gone in {say_length(self.gone_in_s)}."

    @cached_property
    def chart(self) -> BudgetChart:
        """The picture of the budget."""
        return draw_budget(self.objective, self.series, self.total, self.per_second, self.alerts)

    def __repr__(self) -> str:
        left = max(math.floor(self.left), 0)
        goes = {None: "nothing was spent lately", 0.0: "it is gone"}.get(
            self.gone_in_s, f"at this rate gone in {say_length(self.gone_in_s or 0)}"
        )
        failures = f"{math.floor(self.total):,} failures: {self.spent:,} spent, {left:,} left"
        return f"<ErrorBudget {failures}; {goes}>"

    def _repr_html_(self) -> Markup:
        return render("slo_budget.html", budget=self, chart=self.chart)


def measure_budget(
    objective: Objective, source: PerSecond, now: float, rules: tuple[SloRule, ...] = ()
) -> ErrorBudget:
    """Return the budget at ``now``, in seconds since the epoch, with the alerts of the rules."""
    window = math.ceil(objective.window_s)
    # Two windows, because each point of the line needs a whole window before it.
    series = read_series(source, math.floor(now) - 2 * window, now)
    first = max(len(series) - window, 0)
    spent = series.bad_between(first, len(series))
    requests = series.valid_between(first, len(series))
    is_full = len(series) >= window
    total = objective.allowed(requests if is_full else max(requests, objective.planned))
    lately = max(min(math.ceil(window / LATELY), len(series)), 1)
    late = series.bad_between(max(len(series) - lately, 0), len(series))
    alerts = tuple(find_alerts(series, objective, rules))
    return ErrorBudget(objective, spent, requests, total, late / lately, now, series, alerts)
