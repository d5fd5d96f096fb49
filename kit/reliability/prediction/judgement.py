"""Judges predictions: detectors against a coin and the best threshold, on known truth."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from markupsafe import Markup

from kit.actionable import WorkshopError
from kit.html import render
from kit.reliability.prediction.comparison import RiverComparison, read_recording
from kit.reliability.prediction.detectors import (
    Detector,
    OwnDetect,
    detect_above,
    detect_trend,
    detect_with,
    toss_coin,
)
from kit.reliability.prediction.scores import (
    MEASURES,
    Estimate,
    SeriesScore,
    base_rate_of,
    estimate,
    lead_of,
    point_adjusted_f1,
    precision_of,
    score_series,
)
from kit.reliability.prediction.simulation import (
    HELD_OUT,
    LEAKS,
    TRAINING,
    MemorySeries,
    simulate_all,
)

LEAST_PRECISION = 0.9
COIN_SEED = 7
# With point adjustment, even a coin this rare scores high on faults of two minutes and more.
ADJUSTED_RATE, LONG_FAULT_S = 0.05, 120.0
# Of a normal distribution: 95 % and 99.9 %.
_Z_95, _Z_999 = 1.96, 3.29
_SHARES = [share / 100 for share in range(70, 97, 2)]


class ForecastJudgeError(WorkshopError):
    """This cannot be judged; the message says why, and what to pass instead."""


@dataclass(frozen=True)
class DetectorScore:
    """What one detector is worth, each figure with its interval.

    In ``figures``, ``lead_s`` is the median of seconds from an alarm to the limit, ``short_lead_s``
    the lead that nine in ten exceed, ``date_error`` the median error of the predicted date, as a
    share of the lead.
    """

    name: str
    scores: tuple[SeriesScore, ...]

    @cached_property
    def figures(self) -> dict[str, Estimate]:
        """All figures by name."""
        return {name: estimate(self.scores, measure) for name, measure in MEASURES.items()}

    def figure(self, name: str) -> Estimate:
        """Return one of MEASURES with its interval. Raises KeyError."""
        return self.figures[name]

    @property
    def alarms(self) -> int:
        """How many alarms there were."""
        return sum(each.right + each.wrong for each in self.scores)

    @cached_property
    def is_chance(self) -> bool:
        """Whether its precision is that of a coin, the base rate."""
        return is_by_chance(self.scores)

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The figures as shown in a table, each with its interval."""
        return [say_estimate(name, each) for name, each in self.figures.items()]


@dataclass(frozen=True, repr=False)
class ForecastJudgement:
    """Detectors on the same series, including the coin and the best threshold.

    ``base_rate`` is the share of time in which an alarm would be right, which is the precision of
    a coin. ``river`` is the recorded comparison with learnt models.
    """

    rows: tuple[DetectorScore, ...]
    series: tuple[MemorySeries, ...]
    base_rate: float
    river: RiverComparison | None = None

    def of(self, name: str) -> DetectorScore:
        """Return the row with this name, or whose name begins with it. Raises KeyError."""
        for row in self.rows:
            if row.name.startswith(name):
                return row
        raise KeyError(name)

    @property
    def sentence(self) -> str:
        """How much earlier than the threshold the trend alarms, if at all."""
        trend, threshold = self.of("trend"), self.of("over")
        lead, other = trend.figure("lead_s").value, threshold.figure("lead_s").value
        precision = trend.figure("precision").value
        if not lead or not other or not precision:
            return "The trend raised no right alarm."
        return (
            f"The trend alarms {lead:.0f} s ahead, the best threshold {other:.0f} s: "
            f"{lead / other:.1f} times as early, and right in {100 * precision:.0f} %."
        )

    def __str__(self) -> str:
        lines = [f"{'':16}" + "".join(f"{head:>14}" for head in HEADS)]
        lines += [
            f"{row.name:16}" + "".join(f"{each:>14}" for each, _ in row.cells) for row in self.rows
        ]
        return "\n".join([self.sentence, *lines, f"base rate {self.base_rate:.2f}"])

    def __repr__(self) -> str:
        return f"<ForecastJudgement of {len(self.series)} series: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        leaks = sum(each.began_at is not None for each in self.series)
        return render("forecast_judgement.html", judgement=self, heads=HEADS, leaks=leaks)


HEADS = ("precision", "recall", "false/h", "lead p50", "lead p10", "date off by")


def judge_forecast(
    *detectors: Detector | OwnDetect, seeds: Iterable[int] = HELD_OUT
) -> ForecastJudgement:
    """Return what detectors are worth on simulated series of five kinds, for each seed.

    Your own detector is a function ``detect(points, limit)``, called after each point with the last
    24, pairs of seconds and MB; true is an alarm. It is compared with the guarded trend, the best
    static threshold, which is chosen on the training seeds, and a coin with as many alarms as the
    trend. Raises ForecastJudgeError if there is nothing to judge.
    """
    known = _judge_known(tuple(seeds))
    given = [
        each if isinstance(each, Detector) else detect_with(each, _name_of(each))
        for each in detectors
    ]
    own = [_score_given(each, known.series) for each in given]
    return replace(known, rows=(*known.rows, *own))


@lru_cache(maxsize=4)
def _judge_known(seeds: tuple[int, ...]) -> ForecastJudgement:
    """Return the trend with the coin and the threshold; the same seeds give the same result."""
    series = tuple(simulate_all(seeds))
    if not series:
        raise ForecastJudgeError("There are no seeds to judge on. Next: seeds=range(60, 100).")
    trend = score_detector(detect_trend(), series)
    rate = trend.alarms / sum(each.points for each in trend.scores)
    others = (toss_coin(rate, COIN_SEED), best_threshold())
    coin, threshold = (score_detector(each, series) for each in others)
    base_rate = base_rate_of(trend.scores) or 0.0
    return ForecastJudgement((coin, threshold, trend), series, base_rate, read_recording())


def score_detector(detector: Detector, series: Iterable[MemorySeries]) -> DetectorScore:
    """Return what a detector is worth. Its errors are raised here."""
    return DetectorScore(detector.name, tuple(score_series(detector, each) for each in series))


def _score_given(detector: Detector, series: Iterable[MemorySeries]) -> DetectorScore:
    """Return what the caller's detector is worth. Raises ForecastJudgeError if it fails."""
    try:
        return score_detector(detector, series)
    except Exception as error:
        raise ForecastJudgeError(
            f"The detector {detector.name!r} raised {type(error).__name__}: {error}. "
            "Next: try it on one series, such as simulate_memory('leak', 60).points[:24]."
        ) from error


@lru_cache(maxsize=1)
def best_threshold() -> Detector:
    """Return the threshold with the longest lead among those with precision 0.9 in training."""
    series = simulate_all(TRAINING)
    found: list[tuple[float, float]] = []
    for share in _SHARES:
        scores = [score_series(detect_above(share), each) for each in series]
        if (precision_of(scores) or 0) >= LEAST_PRECISION:
            found.append((lead_of(scores) or 0.0, share))
    return detect_above(max(found)[1])


def is_by_chance(scores: Sequence[SeriesScore]) -> bool:
    """Whether the precision is within the 99.9 % interval of the base rate, like a coin's.

    The interval is that of as many independent alarms, or the bootstrap's if that is wider: alarms
    in one series may depend on each other.
    """
    precision, base = estimate(scores, precision_of), base_rate_of(scores)
    if base is None or precision.value is None:
        return True
    alarms = sum(each.right + each.wrong for each in scores)
    drawn = ((precision.high or 0.0) - (precision.low or 0.0)) / (2 * _Z_95)
    error = max(math.sqrt(base * (1 - base) / alarms), drawn)
    return abs(precision.value - base) <= _Z_999 * error


def adjusted_coin(seeds: Iterable[int] = HELD_OUT) -> float:
    """Return the F1 of a coin with point adjustment, on leaks of two minutes or more: a warning.

    One point in twenty is an alarm.
    """
    leaks = simulate_all(seeds, LEAKS)
    long = [each for each in leaks if (each.ends_at or 0) - (each.began_at or 0) >= LONG_FAULT_S]
    return point_adjusted_f1(toss_coin(ADJUSTED_RATE, COIN_SEED), long)


def say_estimate(name: str, figure: Estimate) -> tuple[str, str]:
    """Return a figure as shown in a table, and its interval; a dash for None."""
    if figure.value is None:
        return "–", ""
    low, high = figure.low or 0.0, figure.high or 0.0
    if name.endswith("lead_s"):
        return f"{figure.value:.0f} s", f"{low:.0f} to {high:.0f}"
    if name == "date_error":
        return f"{100 * figure.value:.0f} %", f"{100 * low:.0f} to {100 * high:.0f}"
    return f"{figure.value:.2f}", f"{low:.2f} to {high:.2f}"


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", "yours"))
