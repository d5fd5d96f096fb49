"""The budget as a falling line, with the alerts that fired on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.reliability.slo.burn import BurnAlert
from kit.reliability.slo.durations import HOUR_S, MINUTE_S, say_length
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import Series
from kit.views.axis import Tick, percent, tick_step, ticks

MOST_MARKS = 8
_TICKS_UP, _TICKS_ACROSS = 4, 6
# Alert labels closer than this, in percent of the width, go on separate lines.
_NEAR = 19.0
_MOST_ROWS = 3
_UNITS = ((2 * HOUR_S, HOUR_S, "h"), (2 * MINUTE_S, MINUTE_S, "min"), (0, 1, "s"))


@dataclass(frozen=True)
class AlertMark:
    """An alert on the line; ``left`` is in percent. ``lasted`` says for how long it fired.

    ``row`` is the line of its label above the picture, from below; None if there is no room.
    """

    left: str
    label: str
    lasted: str
    row: int | None
    is_page: bool
    is_late: bool


@dataclass(frozen=True)
class BudgetChart:
    """The picture of a budget: points of an SVG of 100 by 100, and labels beside it.

    ``ahead`` continues the line at the current rate. ``hidden`` is how many alerts have no mark.
    """

    line: str
    area: str
    ahead: str
    up: list[Tick]
    across: list[Tick]
    marks: list[AlertMark]
    hidden: int

    @property
    def rows(self) -> int:
        """How many lines of labels there are above the picture."""
        return max((mark.row + 1 for mark in self.marks if mark.row is not None), default=0)


def draw_budget(
    objective: Objective,
    series: Series,
    total: float,
    per_second: float,
    alerts: Sequence[BurnAlert],
) -> BudgetChart:
    """Return the line over one window: from the first request, or the last window if it is full."""
    window = objective.window_s
    end = series.start + len(series)
    is_full = len(series) >= window
    begin = end - window if is_full else series.start
    top = total or 1.0
    steps = list(_steps(series, begin, window, total))
    points = [f"{percent(at - begin, window)},{percent(top - left, top)}" for at, left in steps]
    shown = [alert for alert in alerts if alert.began >= begin][-MOST_MARKS:]
    recent = sum(1 for alert in alerts if alert.began >= begin)
    last = steps[-1][1] if steps else total
    foot = f"{percent(end - begin, window)},100 0.00,100"
    return BudgetChart(
        line=" ".join(points),
        area=" ".join((*points, foot)) if points else "",
        ahead=_ahead(end - begin, last, window, top, per_second),
        up=ticks(top, _TICKS_UP),
        across=_time_ticks(window, is_full),
        marks=list(_marks(shown, begin, window, is_full)),
        hidden=recent - len(shown),
    )


def _steps(
    series: Series, begin: float, window: float, total: float
) -> Iterator[tuple[float, float]]:
    """Yield the corners of the line: when, and how many failures were left then."""
    before: float | None = None
    spent = series.rolling_bad(window)
    for index, bad in enumerate(spent):
        at, left = series.end_of(index), total - bad
        if at < begin:
            continue
        if before is None:
            before = total if series.start >= begin else left
            yield max(begin, series.start), before
        if left != before or index == len(spent) - 1:
            yield at, before
            yield at, left
        before = left


def _ahead(now: float, left: float, window: float, top: float, per_second: float) -> str:
    if left <= 0 or per_second <= 0 or now >= window:
        return ""
    gone = now + left / per_second
    end = min(gone, window)
    rest = left - (end - now) * per_second
    return (
        f"{percent(now, window)},{percent(top - left, top)} "
        f"{percent(end, window)},{percent(top - rest, top)}"
    )


def _time_ticks(window: float, is_full: bool) -> list[Tick]:
    """Return the time ticks: since the first request, or before now."""
    size, unit = next((size, unit) for least, size, unit in _UNITS if window >= least)
    whole = window / size
    found = ticks(whole, _TICKS_ACROSS, f" {unit}")
    if not is_full:
        return found
    step = tick_step(whole, _TICKS_ACROSS)
    ago = [whole - step * n for n in range(len(found)) if whole - step * n >= 0]
    return [
        Tick(
            percent(at, whole),
            "now" if at == whole else f"\N{MINUS SIGN}{whole - at:.6g} {unit}",
            is_end=at == whole,
        )
        for at in reversed(ago)
    ]


def _marks(
    alerts: Sequence[BurnAlert], begin: float, window: float, is_full: bool
) -> Iterator[AlertMark]:
    # Where the last label of each row is.
    taken = [-_NEAR] * _MOST_ROWS
    for alert in alerts:
        at = alert.began - begin
        left = percent(at, window)
        row = next((row for row in range(_MOST_ROWS) if float(left) - taken[row] >= _NEAR), None)
        if row is not None:
            taken[row] = float(left)
        time = f"\N{MINUS SIGN}{_clock(window - at)}" if is_full else _clock(at)
        lasted = "still firing"
        if alert.ended is not None:
            lasted = f"for {say_length(alert.ended - alert.began)}"
        yield AlertMark(
            left=left,
            label=f"{alert.severity} {time}",
            lasted=lasted,
            row=row,
            is_page=alert.severity == "page",
            is_late=float(left) > 100 - _NEAR,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), MINUTE_S)
    hours, minutes = divmod(minutes, MINUTE_S)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
