"""What context is worth here: measured figures, assumptions to edit, and what neither tells."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from math import comb
from statistics import median
from typing import Protocol

from kit.html import render
from kit.reliability.drill.result import DrillResult
from kit.reliability.drill.timeline import as_whole_percent, minutes_and_seconds
from kit.words import count_noun

MIN_PAIRS = 5
CONFIDENCE = 0.9
NO_EFFECT = "no effect shown"
NOT_MEASURED = (
    "How long an incident takes at your company: yours are not drawn from fourteen faults.",
    "How long it takes without Sentry: in the drill everyone had the events.",
    "The time to notice, to fix, to review and to deploy: context changes the diagnosis.",
    "What failed requests cost you: players who leave are not in these figures.",
    "Whether the people in the experiment and in the drill are like your team.",
)


class TimedExperiment(Protocol):
    """The result of the experiment of notebook 13."""

    @property
    def ratio(self) -> float | None:
        """How many times as long it took with the log lines; None if unknown."""


@dataclass(frozen=True)
class Assumptions:
    """Figures that were not measured here: change each to your own."""

    incidents_a_month: float = 4.0
    people: float = 2.0
    cost_an_hour: float = 80.0
    price_a_month: float = 100.0
    care_hours_a_month: float = 2.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 <= value < 1e9:
                raise ValueError(f"{each.name} must be a number of 0 or more, not {value!r}.")

    @property
    def cost_a_month(self) -> float:
        """What Sentry and its upkeep cost a month."""
        return self.price_a_month + self.care_hours_a_month * self.cost_an_hour


_MEANINGS = {
    "incidents_a_month": "incidents a month that somebody has to diagnose",
    "people": "people who diagnose one, at the same time",
    "cost_an_hour": "what an hour of one of them costs",
    "price_a_month": "what Sentry costs a month, on your plan",
    "care_hours_a_month": "hours a month that somebody spends on its upkeep",
}


@dataclass(frozen=True)
class WorthFigure:
    """A figure of the page: where it comes from, and what it is.

    ``source`` is ``measured``, ``computed``, or the keyword argument of an assumption.
    """

    what: str
    value: str
    source: str
    is_assumption: bool = False


@dataclass(frozen=True, repr=False)
class CaseForSentry:
    """What context is worth here; shown in a notebook as a page.

    ``ratios`` has one per pair: a learner who solved rounds with log lines and with event cards.
    ``diagnoses`` are the seconds from detection to diagnosis in the drills.
    """

    ratios: tuple[float, ...]
    diagnoses: tuple[float, ...]
    assumed: Assumptions

    @property
    def ratio(self) -> float | None:
        """The median of the ratios; None for fewer than five pairs."""
        return median(self.ratios) if len(self.ratios) >= MIN_PAIRS else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 90 % interval for the median ratio of people like these; None for too few pairs."""
        return median_interval(self.ratios) if len(self.ratios) >= MIN_PAIRS else None

    @property
    def is_effect_shown(self) -> bool:
        """Whether the whole interval is on one side of 1."""
        interval = self.interval
        return interval is not None and (interval[0] > 1 or interval[1] < 1)

    @property
    def minutes_saved(self) -> tuple[float, float] | None:
        """Minutes of diagnosis that context saves per incident, at least and at most.

        None while no effect is shown. Drills are played with context: without it, a diagnosis
        would take that ratio times as long.
        """
        interval = self.interval
        if interval is None or not self.is_effect_shown or not self.diagnoses:
            return None
        minutes = median(self.diagnoses) / 60
        return minutes * (interval[0] - 1), minutes * (interval[1] - 1)

    @property
    def break_even(self) -> tuple[float, float] | None:
        """Incidents a month at which it breaks even, at best and at worst; None if not shown."""
        saved = self._saved_an_incident
        if saved is None or saved[0] <= 0:
            return None
        cost = self.assumed.cost_a_month
        return cost / saved[1], cost / saved[0]

    @property
    def _saved_an_incident(self) -> tuple[float, float] | None:
        if self.minutes_saved is None:
            return None
        low, high = self.minutes_saved
        each = self.assumed.people * self.assumed.cost_an_hour / 60
        return low * each, high * each

    @property
    def sentence(self) -> str:
        """The result in words."""
        pairs = count_noun(len(self.ratios), "pair")
        if self.ratio is None:
            return (
                f"Too few measurements: {pairs}. A ratio needs at least {MIN_PAIRS}: let a class "
                "do the experiment of notebook 13."
            )
        if not self.is_effect_shown:
            return f"{pairs}: {NO_EFFECT}. The ratio may as well be 1."
        if self.minutes_saved is None:
            return f"{pairs}: context changed the time to find a cause. No drill is diagnosed yet."
        if self.break_even is None:
            return f"{pairs}: with event cards it took longer. Here context does not pay."
        low, high = self.break_even
        known = self.assumed.incidents_a_month
        pays = "it pays" if known >= high else "it does not pay" if known < low else "it may pay"
        return (
            f"It breaks even at {_span(low, high)} incidents a month. "
            f"At {known:g} a month, which is assumed, {pays}."
        )

    @property
    def measured(self) -> list[WorthFigure]:
        """The figures that were measured, or follow from measurements."""
        return list(self._measured())

    def _measured(self) -> Iterator[WorthFigure]:
        pairs = count_noun(len(self.ratios), "pair")
        if self.ratio is not None and self.interval is not None:
            value = f"{self.ratio:.2f}" if self.is_effect_shown else NO_EFFECT
            source = f"measured: median of {pairs}, experiment 13"
            yield WorthFigure("log lines against event card, time to the cause", value, source)
            low, high = self.interval
            chance = (
                f"computed: the median of such people, {as_whole_percent(coverage(self.ratios))}"
            )
            yield WorthFigure("… which lies between", f"{low:.2f} and {high:.2f}", chance)
        else:
            yield WorthFigure("log lines against event card", "–", f"measured: {pairs}, too few")
        count = count_noun(len(self.diagnoses), "drill")
        took = minutes_and_seconds(median(self.diagnoses) if self.diagnoses else None)
        yield WorthFigure(
            "detected to diagnosed, with events", took, f"measured: median of {count}"
        )
        if self.minutes_saved is not None:
            saved = f"{_span(*self.minutes_saved)} min"
            yield WorthFigure("saved per incident", saved, "computed: diagnosis × (ratio - 1)")

    @property
    def assumptions(self) -> list[WorthFigure]:
        """The figures that are assumed, each with the keyword argument that changes it."""
        return [
            WorthFigure(_MEANINGS[each.name], f"{value:g}", f"{each.name}={value:g}", True)
            for each in fields(self.assumed)
            for value in [getattr(self.assumed, each.name)]
        ]

    @property
    def outcomes(self) -> list[WorthFigure]:
        """What follows from both."""
        cost = f"{self.assumed.cost_a_month:,.0f}"
        found = [WorthFigure("Sentry and its upkeep, a month", cost, "computed: assumptions alone")]
        saved = self._saved_an_incident
        if saved is not None:
            amount = _span(*saved)
            found.append(WorthFigure("saved per incident, in money", amount, "computed: both"))
        if self.break_even is not None:
            even = f"{_span(*self.break_even)} incidents a month"
            found.append(WorthFigure("break-even", even, "computed: both"))
        return found

    @property
    def not_measured(self) -> Sequence[str]:
        """What these figures do not say."""
        return NOT_MEASURED

    def __repr__(self) -> str:
        figures = (*self.measured, *self.assumptions, *self.outcomes)
        lines = [f"  {each.what}: {each.value}  ({each.source})" for each in figures]
        return "\n".join([self.sentence, *lines, "Not measured:", *_indented(NOT_MEASURED)])

    def _repr_html_(self) -> str:
        return render("drill_worth.html", case=self)


def make_case(
    experiments: Iterable[TimedExperiment | tuple[float, float]],
    drills: Iterable[DrillResult],
    assumed: Assumptions,
) -> CaseForSentry:
    """Return the case that these measurements make.

    An experiment is a result of notebook 13, or a pair of a learner's mean seconds: with log lines,
    and with event cards. One without a ratio is left out. Raises ValueError for a time below 0.
    """
    ratios = tuple(ratio for ratio in map(_ratio, experiments) if ratio is not None)
    took = tuple(seconds for seconds in (drill.diagnosis_s for drill in drills) if seconds)
    return CaseForSentry(ratios, took, assumed)


def _ratio(experiment: TimedExperiment | tuple[float, float]) -> float | None:
    if not isinstance(experiment, tuple):
        return experiment.ratio
    logs, card = experiment
    if not (logs > 0 and card > 0):
        raise ValueError(f"A time to find a cause must be more than 0 seconds, not {experiment!r}.")
    return logs / card


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest pair of values that encloses the true median, at 90 % or more.

    Each value is below the median with one chance in two, so the ranks follow from coin tosses. No
    distribution is assumed. With five values or fewer, it is the least and the greatest.
    """
    ranked = sorted(values)
    cut = _cut(len(ranked))
    return ranked[cut], ranked[-1 - cut]


def coverage(values: Sequence[float]) -> float:
    """Return how likely the true median is in the interval."""
    return _coverage(len(values), _cut(len(values)))


def _cut(count: int) -> int:
    """Return how many values may be left out at each end."""
    allowed = [cut for cut in range(count // 2) if _coverage(count, cut) >= CONFIDENCE]
    return max(allowed, default=0)


def _coverage(count: int, cut: int) -> float:
    outside: int = 2 * sum(comb(count, below) for below in range(cut + 1))
    return 1 - outside / float(2**count)


def _span(low: float, high: float) -> str:
    """Return a range with only as many digits as are useful."""
    shown = [f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}" for value in (low, high)]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
