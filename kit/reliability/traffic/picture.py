"""The traffic as a picture: the outcomes in each second, and a sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kit.html import render
from kit.reading.spans import length
from kit.reliability.traffic.outcomes import Counts
from kit.reliability.traffic.plan import TrafficPlan
from kit.views.axis import Tick, percent, seconds_ticks, tick_step, ticks
from kit.words import count_noun

# The most bars that a narrow page can show distinctly.
MAX_BARS = 120
_STEPS_S = (1, 2, 5, 10, 15, 30, 60)
_RATE_OVER_S = 10
_TICKS = 8
_MINUTES_FROM_S = 180
# The share of the height reserved for bad requests when there are none.
_LEAST_BELOW = 0.18
_LEAST_TOP = 1.0

Second = tuple[int, Counts]


@dataclass(frozen=True)
class TrafficState:
    """The state of the traffic: ``counts`` of the whole run, ``recent`` of its last minute."""

    plan: TrafficPlan
    began_at: float | None
    now: float
    is_running: bool
    counts: Counts
    recent: Counts
    in_flight: int
    unfinished: int
    seconds: Sequence[Second]

    @property
    def length_s(self) -> float:
        """How long it has run, in seconds."""
        return self.now - self.began_at if self.began_at is not None else 0.0

    @property
    def rate(self) -> float:
        """How many requests were due per second, over the last ten seconds."""
        over_s = min(max(self.length_s, 1.0), _RATE_OVER_S)
        since = self.now - over_s
        return sum(counts.total for second, counts in self.seconds if second >= since) / over_s

    @property
    def recent_p95(self) -> str:
        """The 95th percentile of the response time in the last minute."""
        return length(self.recent.p95) if self.recent.valid else "–"

    @property
    def sentence(self) -> str:
        """What the picture shows."""
        if self.began_at is None:
            plan = self.plan
            return (
                f"{plan.rate:g} requests a second, for {say_time(plan.length_s)}: not started yet."
            )
        told = f"{count_noun(self.counts.valid, 'request')} in {say_time(self.length_s)}"
        return " ".join((f"{told}: {_say_counts(self.counts)}", *self._remarks()))

    def _remarks(self) -> list[str]:
        refused, shed = self.counts.not_valid, self.counts.shed
        remarks = {
            f"{refused:,} more {_was(refused)} not valid, such as a bet above the purse.": refused,
            f"{shed:,} more {_was(shed)} not sent: too many were in flight.": shed,
            f"{self.unfinished:,} more had no answer yet when it stopped.": self.unfinished,
        }
        return [remark for remark, count in remarks.items() if count]


@dataclass(frozen=True)
class _Chart:
    """Both outlines are points of a 100 by 100 SVG; ``zero`` is the height of the zero line."""

    good: str
    bad: str
    zero: str
    across: list[Tick]
    up: list[Tick]
    bar_s: int


def draw_traffic(state: TrafficState) -> Markup:
    """Return the traffic as a chart of good and bad requests a second, with its figures."""
    return render("traffic.html", state=state, chart=_draw_chart(state))


def say_share(share: float) -> str:
    """Return a share as a percentage that is 0 or 100 only for none or all."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    if share < 0.001:
        return "under 0.1 %"
    return f"{min(100 * share, 99.9):.1f} %"


def say_time(seconds: float) -> str:
    """Return a length of time in minutes and whole seconds, such as ``1 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _say_counts(counts: Counts) -> str:
    if not counts.valid:
        return "no results yet."
    bad = f"{counts.bad:,} bad ({say_share(counts.bad_share)})" if counts.bad else "none bad"
    return f"{counts.good:,} good, {bad}, p95 {length(counts.p95)}."


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _draw_chart(state: TrafficState) -> _Chart | None:
    """Return the chart of all whole seconds so far; None before the first."""
    if state.began_at is None:
        return None
    first, whole = math.floor(state.began_at), math.floor(state.length_s)
    if whole < 1:
        return None
    bar_s = next(each for each in _STEPS_S if whole <= each * MAX_BARS)
    bars = math.ceil(whole / bar_s)
    good, bad = [0.0] * bars, [0.0] * bars
    for second, counts in state.seconds:
        place = (second - first) // bar_s
        if 0 <= place < bars:
            over_s = min(bar_s, whole - place * bar_s)
            good[place] += counts.good / over_s
            bad[place] += counts.bad / over_s
    return _scale(good, bad, whole, bar_s)


def _scale(good: Sequence[float], bad: Sequence[float], whole: int, bar_s: int) -> _Chart:
    above, below = _round_up(max(good)), _round_up(max(bad)) if any(bad) else 0.0
    height = max(above + below, above / (1 - _LEAST_BELOW))
    edges = [min(bar_s * number, whole) for number in range(len(good) + 1)]
    up = [Tick(percent(above - each, height), f"{each:g}", False) for each in _marks(above)]
    # Only one mark below zero: there may be little room.
    down = [Tick(percent(above + below, height), f"{below:g}", False)] if below else []
    return _Chart(
        good=_outline([above - each for each in good], edges, above, height),
        bad=_outline([above + each for each in bad], edges, above, height) if any(bad) else "",
        zero=percent(above, height),
        across=_time_ticks(whole),
        up=[*up, *down],
        bar_s=bar_s,
    )


def _outline(depths: Sequence[float], edges: Sequence[int], zero: float, height: float) -> str:
    """Return the points around bars that stand on, or hang from, the line at ``zero``."""
    points = [(edges[0], zero)]
    for place, depth in enumerate(depths):
        points += [(edges[place], depth), (edges[place + 1], depth)]
    points.append((edges[-1], zero))
    return " ".join(f"{percent(x, edges[-1])},{percent(y, height)}" for x, y in points)


def _marks(top: float) -> list[float]:
    step = tick_step(top, 2)
    return [step * number for number in range(int(top / step + 0.01) + 1)]


def _round_up(highest: float) -> float:
    step = tick_step(max(highest, _LEAST_TOP), 2)
    return step * math.ceil(max(highest, _LEAST_TOP) / step)


def _time_ticks(whole: int) -> list[Tick]:
    return (
        ticks(whole / 60, _TICKS, " min")
        if whole >= _MINUTES_FROM_S
        else seconds_ticks(whole, _TICKS)
    )
