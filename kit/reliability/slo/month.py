"""A simulated month of traffic, to see how rules would have reacted to its incidents.

Google's windows of hours and days do not fit into a workshop, so the clock is virtual.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from markupsafe import Markup

from kit.html import render
from kit.reliability.slo.burn import GOOGLE, MONTH_S, RuleSet
from kit.reliability.slo.comparison import MonthComparison, compare_rules
from kit.reliability.slo.durations import MINUTE_S, read_length, say_length
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import Series
from kit.reliability.slo.threshold import threshold
from kit.words import count_noun

MINUTES = MONTH_S // MINUTE_S
# Long enough to fill the longest window of the workbook with ordinary days.
HISTORY = 3 * 24 * 60
# The gap between incidents, so that the page for one is over before the next begins.
APART = 12 * 60
# The failures of ordinary days, as a share of the allowed ones.
ORDINARY = 0.2
MOST_INCIDENTS = 20


@dataclass(frozen=True)
class MonthIncident:
    """A share of the requests fails for a while; both times are in minutes of the month."""

    share: float
    starts: int
    lasts: int

    @property
    def ends(self) -> int:
        """The minute in which it ends."""
        return self.starts + self.lasts

    @property
    def sentence(self) -> str:
        """What happens."""
        return f"{100 * self.share:g} % fail for {say_length(self.lasts * MINUTE_S)}"


class VirtualMonth:
    """43,200 simulated minutes with incidents; shown in a notebook with their cost.

    ``series`` begins three ordinary days before the month: ``HISTORY`` steps. The window of
    ``objective`` is the month.
    """

    def __init__(
        self, objective: Objective, series: Series, incidents: Sequence[MonthIncident], seed: int
    ) -> None:
        self.objective = objective
        self.series = series
        self.incidents = tuple(incidents)
        self.seed = seed
        self.total = objective.allowed(series.valid_between(HISTORY, len(series)))

    def spent(self, first: int = 0, end: int = MINUTES) -> float:
        """Return the share of the month's budget that minutes ``first`` to ``end`` spend."""
        failures = self.series.bad_between(HISTORY + first, HISTORY + end)
        return failures / self.total if self.total else 0.0

    def compare(self, *rules: RuleSet | str) -> MonthComparison:
        """Return how rules react to the incidents: when they page, and what is spent by then.

        A text is a threshold such as ``5xx > 1 % for 5 min``. Without rules, the workbook's table
        is compared with that threshold. Raises ValueError for a text that is not a threshold.
        """
        chosen = [threshold(each) if isinstance(each, str) else each for each in rules]
        return compare_rules(self, chosen or [GOOGLE, threshold("5xx > 1 % for 5 min")])

    @property
    def sentence(self) -> str:
        """The result of the month."""
        incidents = count_noun(len(self.incidents), "incident")
        return (
            f"A simulated month with {incidents}: {100 * self.spent():.0f} % of its budget spent."
        )

    def __repr__(self) -> str:
        return f"<VirtualMonth, seed {self.seed}. {self.sentence}>"

    def _repr_html_(self) -> Markup:
        return render("slo_month.html", month=self, length=say_length)


def simulate_month(
    objective: Objective,
    seed: int = 0,
    incidents: Sequence[tuple[float, str]] = (),
    *,
    ordinary: float | None = None,
) -> VirtualMonth:
    """Return a month with incidents, each a share of failures and a length such as ``40 min``.

    ``seed`` decides when they happen, and draws each failure. On ordinary days the share
    ``ordinary`` of the requests fails: by default a fifth of what is allowed. Raises ValueError
    for more incidents than the month can hold.
    """
    monthly = replace(objective, window_s=float(MONTH_S))
    source = random.Random(seed)  # noqa: S311 - a simulation
    placed = _place(incidents, source)
    usual = float(ORDINARY * objective.budget_share) if ordinary is None else ordinary
    valid = _requests(objective.rate * MINUTE_S)
    bad = [0] * len(valid)
    for first, end, share in _stretches(placed, usual):
        _fail(valid, bad, (first, end), share, source)
    good = [requests - failed for requests, failed in zip(valid, bad, strict=True)]
    series = Series(good, bad, start=-HISTORY * MINUTE_S, step=MINUTE_S)
    return VirtualMonth(monthly, series, placed, seed)


def _place(incidents: Sequence[tuple[float, str]], source: random.Random) -> list[MonthIncident]:
    """Put each incident into its own part of the month, as long as it needs."""
    if len(incidents) > MOST_INCIDENTS:
        raise ValueError(f"A month holds at most {MOST_INCIDENTS} incidents.")
    lengths = [max(math.ceil(read_length(text) / MINUTE_S), 1) for _, text in incidents]
    free = MINUTES - sum(lengths) - APART * (len(lengths) + 1)
    if free < 0:
        raise ValueError("The incidents do not fit into a month: shorten them, or leave some out.")
    gaps = sorted(source.randint(0, free) for _ in lengths)
    placed, before = [], 0
    for (share, _), lasts, gap in zip(incidents, lengths, gaps, strict=True):
        if not 0 < share <= 1:
            raise ValueError(f"The share of failures {share} is not between 0 and 1.")
        placed.append(MonthIncident(share, APART + before + gap, lasts))
        before += lasts + APART
    return placed


def _requests(per_minute: float) -> list[int]:
    """Return how many requests each minute has; at low traffic most have none."""
    until = [math.floor(per_minute * n + 1e-9) for n in range(HISTORY + MINUTES + 1)]
    return [end - first for first, end in pairwise(until)]


def _stretches(
    incidents: Sequence[MonthIncident], ordinary: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the stretches of the month, each with its share of failures."""
    before = 0
    for each in incidents:
        yield before, HISTORY + each.starts, ordinary
        yield HISTORY + each.starts, HISTORY + each.ends, max(each.share, ordinary)
        before = HISTORY + each.ends
    yield before, HISTORY + MINUTES, ordinary


def _fail(
    valid: Sequence[int],
    bad: list[int],
    stretch: tuple[int, int],
    share: float,
    source: random.Random,
) -> None:
    """Let each request of a stretch fail independently, with a chance of ``share``."""
    first, end = stretch
    if share <= 0:
        return
    if share >= 1:
        bad[first:end] = valid[first:end]
        return
    # Jump from failure to failure: a month has ten million requests, but few failures.
    odds = math.log1p(-share)
    jump = 1 + int(math.log(1 - source.random()) / odds)
    for minute in range(first, end):
        requests = valid[minute]
        while jump <= requests:
            bad[minute] += 1
            jump += 1 + int(math.log(1 - source.random()) / odds)
        jump -= requests
