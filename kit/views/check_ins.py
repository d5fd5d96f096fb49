"""Check-ins: whether jobs ran when they should have. Lateness is simulated."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import overload

from markupsafe import Markup

from kit.html import render
from kit.ingest.store import MOST, Store
from kit.reading.check_ins import Monitor, read_monitors
from kit.reading.lateness import TimelineEntry, timeline
from kit.reading.payload import duration
from kit.words import count_noun

MAX_MONITORS = 6
MAX_ENTRIES = 8


@dataclass(frozen=True)
class MonitorState:
    """A job at a moment: its runs and its missed runs, latest first."""

    monitor: Monitor
    timeline: tuple[TimelineEntry, ...]

    @property
    def slug(self) -> str:
        """The name of the job."""
        return self.monitor.slug

    @property
    def states(self) -> list[str]:
        """The state of each run, such as ``ok`` or ``missed``, latest first."""
        return [entry.state for entry in self.timeline]

    @property
    def config(self) -> str:
        """The schedule that the job declared, as a line."""
        config = self.monitor.config
        limits = (("margin", config.margin), ("max. runtime", config.max_runtime))
        told = [f"{name} {duration(value)}" for name, value in limits if value is not None]
        if config.interval is None:
            told.append("missed runs are only calculated for intervals")
        return ", ".join([config.schedule, *told])


class CheckIns(Sequence[MonitorState]):
    """Jobs at the moment ``now``, the latest check-in first; shown as tables.

    ``checkins["nightly"]`` is the job of that slug.
    """

    def __init__(self, monitors: Sequence[Monitor], now: float) -> None:
        self.now = now
        states = (MonitorState(each, tuple(timeline(each, now))) for each in monitors)
        # Runs that began later are not known at that moment.
        self._states = tuple(state for state in states if state.timeline)

    @overload
    def __getitem__(self, which: int | str) -> MonitorState: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[MonitorState]: ...
    def __getitem__(self, which: int | str | slice) -> MonitorState | Sequence[MonitorState]:
        if isinstance(which, str):
            return {state.slug: state for state in reversed(self._states)}[which]
        return self._states[which]

    def __len__(self) -> int:
        return len(self._states)

    @property
    def as_of(self) -> datetime:
        """The moment as a time of day."""
        return datetime.fromtimestamp(self.now, UTC)

    def __repr__(self) -> str:
        ill = sum(not state.timeline[0].is_healthy for state in self)
        return f"<CheckIns of {count_noun(len(self), 'job')}, {ill} in trouble>"

    def _repr_html_(self) -> Markup:
        return render(
            "check_ins.html",
            check_ins=self,
            shown=self[:MAX_MONITORS],
            most=MAX_ENTRIES,
            at=lambda entry: datetime.fromtimestamp(entry.at, UTC),
        )


def read_check_ins(
    store: Store, now: float | None = None, *, project: str | None = None
) -> CheckIns:
    """Return the jobs with stored check-ins, of a project or of all, as of ``now``.

    ``now`` is in seconds since the epoch; a future time shows what will be late by then if nothing
    else arrives. Only the last ``MOST`` check-ins are read. Raises StoreError.
    """
    items = store.items(type="check_in", project=project, limit=MOST)
    monitors = read_monitors(reversed(items))
    return CheckIns(monitors[::-1], time.time() if now is None else now)
