"""The log explorer: the logs of a trace, of all services, on the time axis of its waterfall.

Log data is untrusted: its text reaches the page only through Jinja's autoescape, and styles contain
only numbers that were computed here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.ingest.store import StoredItem
from kit.reading.event import headline
from kit.reading.logs import MAX_LOGS, LogEntry, read_logs
from kit.reading.payload import (
    MAX_ROWS,
    Text,
    as_mapping,
    as_str,
    as_text,
    get_part,
    get_path,
    plausible_time,
    service,
    shorten,
)
from kit.reading.spans import Span, length, spans
from kit.views.axis import Tick, percent, seconds_ticks
from kit.views.waterfall import service_colours
from kit.words import count_noun

MAX_LINES = 200
# On a page that also shows other things.
MAX_RECENT = 30
UNKNOWN_TIME = "?"
_TICKS = 5
# The protocol writes "warn", and so does JavaScript; Python's logging says "warning".
_LEVELS = {"fatal": "◆", "error": "✖", "warn": "▲", "warning": "▲", "info": "●", "debug": "○"}
_GRAVE = ("fatal", "error", "warn", "warning")
_TONES = {"fatal": "error", "error": "error", "warn": "warning", "warning": "warning"}


@dataclass(frozen=True)
class LogRow:
    """A line of the explorer: a log, or an error event that happened between two of them.

    ``after`` is the time since the beginning of the trace; ``place`` is in percent of its axis.
    """

    service: str
    level: str
    message: Text
    colour: int
    after: str
    place: str
    span: str = ""
    given: tuple[tuple[str, Text], ...] = ()
    added: tuple[tuple[str, Text], ...] = ()
    is_event: bool = False

    @property
    def icon(self) -> str:
        """The level's icon: colour alone must not convey it."""
        return _LEVELS.get(self.level, "○")

    @property
    def tone(self) -> str:
        """The level whose colour it has."""
        return _TONES.get(self.level, "info")


@dataclass(frozen=True)
class _Axis:
    """The time axis: seconds since the epoch at which it begins, and how long it is."""

    start: float
    total: float

    def place(self, time: float | None) -> str:
        return percent((time or self.start) - self.start, self.total)

    def after(self, time: float | None) -> str:
        if time is None:
            return UNKNOWN_TIME
        seconds = time - self.start
        return ("−" if seconds < 0 else "") + length(abs(seconds))


def log_explorer(items: Sequence[StoredItem], trace_id: str) -> Markup:
    """Return the logs of a trace as lines along its time axis, its error events between them.

    ``items`` are those of the trace, of any type. Of more than ``MAX_LINES`` lines, it shows
    warnings and errors, then the first, with a note.
    """
    found = spans(items)
    entries = [_with_plausible_time(entry) for entry in read_logs(items, trace_id)]
    errors = [(as_mapping(item.payload), item.project) for item in items if item.type == "event"]
    axis = _axis(found, entries)
    served = [*(span.service for span in found), *(entry.service for entry in entries)]
    colours = service_colours(served)
    by_id = {span.id: span for span in found if span.id}
    timed = [
        *((entry.time, _log_row(entry, axis, colours, by_id)) for entry in entries),
        *((_time(each), _event_row(each, project, axis, colours)) for each, project in errors),
    ]
    rows = [row for _, row in sorted(timed, key=lambda each: each[0] or 0.0)]
    shown = _gravest(rows)
    return render(
        "logs.html",
        rows=shown,
        ticks=seconds_ticks(axis.total, _TICKS),
        summary=_summary(entries, len(errors)),
        notes=list(_notes(rows, shown, entries, found)),
        is_trace=True,
    )


def recent_logs(items: Sequence[StoredItem]) -> Markup:
    """Return the newest logs of all items, of any trace, newest first.

    Each has the time of day instead of the time since its trace began. At most ``MAX_RECENT`` are
    shown, with a note if there are more.
    """
    entries = [_with_plausible_time(entry) for entry in read_logs(items)]
    shown = entries[-MAX_RECENT:][::-1]
    axis = _axis([], shown)
    colours = service_colours(entry.service for entry in shown)
    rows = [
        replace(_log_row(entry, axis, colours, {}), after=_time_of_day(entry.time))
        for entry in shown
    ]
    return render(
        "logs.html",
        rows=rows,
        ticks=_ends(axis),
        summary=_summary(entries, 0, "No log has arrived."),
        notes=list(_recent_notes(entries, rows)),
        is_trace=False,
    )


def _time_of_day(time: float | None) -> str:
    return UNKNOWN_TIME if time is None else f"{datetime.fromtimestamp(time, UTC):%H:%M:%S}"


def _ends(axis: _Axis) -> list[Tick]:
    times = (datetime.fromtimestamp(at, UTC) for at in (axis.start, axis.start + axis.total))
    first, last = (f"{time:%d %b, %H:%M:%S}" for time in times)
    ends = [Tick("0.00", first, is_end=False), Tick("100.00", last, is_end=True)]
    return ends if first != last else ends[:1]


def _axis(found: Sequence[Span], entries: Sequence[LogEntry]) -> _Axis:
    """Return the axis of the waterfall; without spans, one from the first log to the last."""
    times = [entry.time for entry in entries if entry.time is not None]
    starts = [span.start for span in found if plausible_time(span.start)] or times
    ends = [span.end for span in found if plausible_time(span.end)] or times
    start = min(starts, default=0.0)
    # A trace of zero length still needs an axis.
    return _Axis(start, max(ends, default=start) - start or 0.001)


def _log_row(
    entry: LogEntry, axis: _Axis, colours: Mapping[str, int], by_id: Mapping[str, Span]
) -> LogRow:
    span = by_id.get(entry.span_id)
    given = entry.given
    return LogRow(
        service=entry.service,
        level=entry.level or "info",
        message=shorten(entry.message),
        colour=colours[entry.service],
        after=axis.after(entry.time),
        place=axis.place(entry.time),
        span=f"{span.op} {span.name}".strip() if span else "",
        given=_pairs(given),
        added=_pairs({name: each for name, each in entry.attributes.items() if name not in given}),
    )


def _event_row(
    event: Mapping[str, Any], project: str, axis: _Axis, colours: Mapping[str, int]
) -> LogRow:
    name = shorten(service(event, project)).text
    return LogRow(
        service=name,
        level=shorten(as_str(event.get("level"))).text or "error",
        message=shorten(headline(event).words),
        colour=colours.get(name, 0),
        after=axis.after(_time(event)),
        place=axis.place(_time(event)),
        span=shorten(as_str(get_path(get_part(event, "contexts"), ("trace", "op")))).text,
        given=(("event_id", shorten(as_str(event.get("event_id")))),),
        is_event=True,
    )


def _time(event: Mapping[str, Any]) -> float | None:
    then = plausible_time(event.get("timestamp"))
    return then.timestamp() if then else None


def _with_plausible_time(entry: LogEntry) -> LogEntry:
    """Return a log without its time if that is not plausible: it would stretch the axis."""
    return entry if plausible_time(entry.time) else replace(entry, time=None)


def _pairs(attributes: Mapping[str, Any]) -> tuple[tuple[str, Text], ...]:
    some = islice(attributes.items(), MAX_ROWS)
    return tuple((shorten(name, 80).text, shorten(as_text(value))) for name, value in some)


def _gravest(rows: Sequence[LogRow]) -> list[LogRow]:
    """Return at most ``MAX_LINES`` rows: events, warnings and errors, then the first."""
    by_weight = sorted(
        range(len(rows)),
        key=lambda i: (not rows[i].is_event, rows[i].level not in _GRAVE, i),
    )
    return [rows[index] for index in sorted(by_weight[:MAX_LINES])]


# Words


def _summary(
    entries: Sequence[LogEntry], errors: int, none: str = "No log of this trace has arrived."
) -> str:
    if not entries:
        return none
    services = len({entry.service for entry in entries})
    counted = f"{count_noun(len(entries), 'log')} of {count_noun(services, 'service')}"
    levels = Counter(entry.level for entry in entries if entry.level in _GRAVE)
    grave = "".join(f", {number} of level {level}" for level, number in levels.items())
    events = f" {count_noun(errors, 'error event')} between them." if errors else ""
    return f"{counted}{grave}.{events}"


def _notes(
    rows: Sequence[LogRow],
    shown: Sequence[LogRow],
    entries: Sequence[LogEntry],
    found: Sequence[Span],
) -> Iterator[str]:
    if len(shown) < len(rows):
        yield (
            f"{len(shown)} of {len(rows):,} lines are shown: events, warnings and errors, then the "
            f"first. {len(rows) - len(shown):,} are left out."
        )
    yield from _timeless_note(rows)
    if len(entries) == MAX_LOGS:
        yield f"Only the first {MAX_LOGS:,} logs are counted."
    if entries and not found:
        yield "No span of this trace has arrived: the axis begins with the first log."


def _timeless_note(rows: Sequence[LogRow]) -> Iterator[str]:
    timeless = sum(row.after == UNKNOWN_TIME for row in rows)
    if timeless:
        have = "has" if timeless == 1 else "have"
        yield f"{count_noun(timeless, 'line')} {have} no plausible time."


def _recent_notes(entries: Sequence[LogEntry], rows: Sequence[LogRow]) -> Iterator[str]:
    if len(rows) < len(entries):
        yield f"The newest {len(rows)} of {len(entries):,} logs are shown."
    yield from _timeless_note(rows)
    if len(entries) == MAX_LOGS:
        yield f"Only {MAX_LOGS:,} logs are counted."
