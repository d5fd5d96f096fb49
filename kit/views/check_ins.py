"""Check-ins: whether jobs ran when they were to run. What is late is simulated."""

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
    """A job at a moment: its runs, and those that it missed, the latest first."""

    monitor: Monitor
    timeline: tuple[TimelineEntry, ...]

    @property
    def slug(self) -> str:
        """The name of the job."""
        return self.monitor.slug

    @property
    def states(self) -> list[str]:
        """What became of each run, such as ``ok`` or ``missed``, the latest first."""
        return [entry.state for entry in self.timeline]

    @property
    def config(self) -> str:
        """What the job said of its schedule, as a line."""
        config = self.monitor.config
        limits = (("margin", config.margin), ("max. runtime", config.max_runtime))
        told = [f"{name} {duration(value)}" for name, value in limits if value is not None]
        if config.interval is None:
            told.append("missed runs are worked out for intervals only")
        return ", ".join([config.schedule, *told])


class CheckIns(Sequence[MonitorState]):
    """Jobs at the moment ``now``, the one that checked in last first; shown as tables.

    ``checkins["nightly"]`` is the job of that slug.
    """

    def __init__(self, monitors: Sequence[Monitor], now: float) -> None:
        self.now = now
        states = (MonitorState(each, tuple(timeline(each, now))) for each in monitors)
        # What began after that moment is not known then.
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
    """Return the jobs whose check-ins are stored, of a project or of all, as they stand at ``now``.

    ``now`` is in seconds since the epoch; a later time than this one shows what will be late by
    then if nothing else comes. Only the last ``MOST`` check-ins are looked at. Raises StoreError.
    """
    items = store.items(type="check_in", project=project, limit=MOST)
    monitors = read_monitors(reversed(items))
    return CheckIns(monitors[::-1], time.time() if now is None else now)
