"""What alarms are worth: scores events, not points, each figure with an interval."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles

from kit.reliability.prediction.detectors import Detector, alarm_points
from kit.reliability.prediction.simulation import MemorySeries

# Alarms closer than this count as one.
MERGE_S = 60.0
RESAMPLES = 400


@dataclass(frozen=True)
class SeriesScore:
    """What the alarms in one series are worth.

    ``lead_s`` is the time from the first right alarm to the limit, ``off`` the error of its date as
    a share of that lead; None without one. ``right_points`` counts where one is right.
    """

    kind: str
    is_event: bool
    right: int
    wrong: int
    points: int
    right_points: int
    hours: float
    lead_s: float | None = None
    off: float | None = None


def score_series(detector: Detector, series: MemorySeries, merge_s: float = MERGE_S) -> SeriesScore:
    """Return what the alarms of a detector are worth in a series.

    An alarm is right from the start of a leak until the limit is reached; each counts.
    """
    step, last = detector.begin(series.limit_mb), -merge_s
    right = wrong = 0
    lead = off = None
    for point in series.watched:
        at, said = point[0], step(point)
        if said is None or said is False:
            continue
        is_new, last = at - last >= merge_s, at
        if is_new and not series.is_right_at(at):
            wrong += 1
        elif is_new:
            right += 1
            if lead is None and series.ends_at is not None:
                lead = series.ends_at - at
                off = None if said is True else abs(said - lead) / lead
    points, is_event = len(series.watched), series.began_at is not None
    hours = series.length_s / 3600
    return SeriesScore(
        series.name, is_event, right, wrong, points, series.right_points, hours, lead, off
    )


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval; all None if there is nothing to divide."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: "Estimate") -> bool:
        """Whether the two intervals have a value in common."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return True
        return self.low <= other.high and other.low <= self.high


Measure = Callable[[Sequence[SeriesScore]], float | None]


def precision_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return the share of alarms that are right."""
    return _divide(
        sum(each.right for each in scores), sum(each.right + each.wrong for each in scores)
    )


def recall_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return the share of leaks that had an alarm before their limit."""
    events = [each for each in scores if each.is_event]
    return _divide(sum(each.lead_s is not None for each in events), len(events))


def false_per_hour_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return how many wrong alarms come per watched hour."""
    return _divide(sum(each.wrong for each in scores), sum(each.hours for each in scores))


def lead_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return the median of seconds from the alarm to the limit."""
    leads = _leads(scores)
    return median(leads) if leads else None


def short_lead_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return the seconds that nine leads of ten exceed."""
    leads = _leads(scores)
    return quantiles(leads, n=10, method="inclusive")[0] if len(leads) > 1 else None


def date_error_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return the median error of the date, as a share of the lead."""
    errors = [each.off for each in scores if each.off is not None]
    return median(errors) if errors else None


def base_rate_of(scores: Sequence[SeriesScore]) -> float | None:
    """Return the share of points at which an alarm would be right: the precision of chance."""
    return _divide(sum(each.right_points for each in scores), sum(each.points for each in scores))


MEASURES: dict[str, Measure] = {
    "precision": precision_of,
    "recall": recall_of,
    "false_per_hour": false_per_hour_of,
    "lead_s": lead_of,
    "short_lead_s": short_lead_of,
    "date_error": date_error_of,
}


def estimate(scores: Sequence[SeriesScore], measure: Measure, seed: int = 0) -> Estimate:
    """Return a figure with its interval, by resampling whole series with replacement."""
    value = measure(scores)
    if value is None:
        return Estimate(None)
    random = Random(seed)  # noqa: S311 - resampling
    drawn = (measure(random.choices(scores, k=len(scores))) for _ in range(RESAMPLES))
    found = sorted(each for each in drawn if each is not None)
    beyond = round(0.025 * (len(found) - 1))
    return Estimate(value, found[beyond], found[-1 - beyond])


def point_adjusted_f1(detector: Detector, series: Iterable[MemorySeries]) -> float:
    """Return the F1 of points with point adjustment, which you should not use.

    One alarm anywhere in a fault makes all its points count as found.
    """
    found = missed = wrong = 0
    for each in series:
        alarms = alarm_points(detector, each.points, each.limit_mb)
        faulty = [each.is_right_at(at) for at, _ in each.points]
        wrong += sum(alarm and not fault for alarm, fault in zip(alarms, faulty, strict=True))
        if any(alarm and fault for alarm, fault in zip(alarms, faulty, strict=True)):
            found += sum(faulty)
        else:
            missed += sum(faulty)
    return 2 * found / max(2 * found + missed + wrong, 1)


def _leads(scores: Sequence[SeriesScore]) -> list[float]:
    return [each.lead_s for each in scores if each.lead_s is not None]


def _divide(part: float, whole: float) -> float | None:
    return part / whole if whole else None
