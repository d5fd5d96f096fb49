"""The waterfall: every span of a trace, of all services, on one time axis.

Event data is untrusted: its text reaches the page only through Jinja's autoescape, and styles
contain only numbers that were computed here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from zlib import crc32

from markupsafe import Markup

from demo_services.services import SERVICES
from kit.html import render
from kit.ingest.store import MOST, StoredItem
from kit.reading.items import ItemGroup, group_items, raw_value
from kit.reading.payload import (
    as_mapping,
    as_str,
    escape_bidi,
    event_message,
    exceptions,
    get_path,
    parse_time,
    shorten,
    truncate,
)
from kit.reading.replays import REPLAY_TYPES, Replay, read_replays
from kit.reading.spans import (
    MAX_SPANS,
    MAX_TRACE_S,
    Span,
    SpanLink,
    SpanReading,
    UnplacedSpan,
    length,
    read_spans,
    span_id,
)
from kit.views.axis import percent, seconds_ticks
from kit.words import count_noun

MAX_ROWS = 80
# So many equal siblings share one row: fifty queries are one staircase, not fifty rows.
GROUPED = 5
COLOURS = 6
# How many spans with impossible times are named, and how many unplaced ones are shown raw.
MAX_NAMED = 8
_MAX_LABEL = 80
# How many starts and pages of replays are marked.
MAX_VISITS = 8
# What the drawing shows.
_DRAWN = ("event", "span", "transaction")

_TICKS = 5
# Redundant beside the name of the service.
_LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost)(?=:)")

Interval = tuple[float, float]


@dataclass(frozen=True)
class ErrorMark:
    """An error event: when it happened, in seconds since the epoch, and its type.

    If that time is impossible, ``at`` is the end of its span, and ``is_guess`` is true.
    """

    at: float
    type: str
    is_guess: bool = False


@dataclass(frozen=True)
class WaterfallRow:
    """A row of the waterfall: a span, or equal siblings one after the other."""

    spans: tuple[Span, ...]
    depth: int
    is_entry: bool
    critical: tuple[Interval, ...]
    marks: tuple[ErrorMark, ...]

    @property
    def service(self) -> str:
        """The service whose work it is."""
        return self.spans[0].service

    @property
    def start(self) -> float:
        """When the first began, in seconds since the epoch."""
        return self.spans[0].start

    @property
    def end(self) -> float:
        """When the last ended, in seconds since the epoch."""
        return max(span.end for span in self.spans)

    @property
    def seconds(self) -> float:
        """How long all of them took together, in seconds."""
        return sum(span.duration for span in self.spans)

    @property
    def critical_seconds(self) -> float:
        """How much of the critical path is theirs, in seconds."""
        return sum(end - start for start, end in self.critical)

    @property
    def what(self) -> str:
        """The operation and the name, with how many there are."""
        count = f"{len(self.spans)} × " if len(self.spans) > 1 else ""
        return count + self.spans[0].label

    @property
    def took(self) -> str:
        """The duration in words."""
        return length(self.seconds) + (" in total" if len(self.spans) > 1 else "")

    @property
    def links(self) -> list[SpanLink]:
        """The spans that its own link to."""
        return [link for span in self.spans for link in span.links]

    @property
    def remark(self) -> str:
        """What is wrong with the times of its spans; empty if nothing is."""
        found = dict.fromkeys(span.remark for span in self.spans if span.remark)
        return "; ".join(list(found)[:MAX_NAMED])

    @property
    def critical_took(self) -> str:
        """Its part of the critical path in words; empty if it has none."""
        return length(self.critical_seconds) if self.critical else ""

    @property
    def errors(self) -> str:
        """The types of the errors that happened in it."""
        return ", ".join(dict.fromkeys(mark.type for mark in self.marks))

    @property
    def status(self) -> str:
        """The worst status that its spans report; empty if they report none."""
        found = [span.status for span in self.spans if span.status]
        return next((each for each in found if each != "ok"), found[0] if found else "")


@dataclass(frozen=True)
class ReplayMark:
    """Where a replay starts or opens another page: when, in seconds since the epoch."""

    service: str
    what: str
    url: str
    at: float

    @property
    def label(self) -> str:
        """What happened, and on which page."""
        return f"{self.what} {self.url}".strip()


@dataclass
class _SpanTree:
    """Spans by their parents. Whatever the parents say, every span is in it exactly once."""

    roots: list[Span] = field(default_factory=list)
    children: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    by_id: dict[str, Span] = field(default_factory=dict)

    def is_entry(self, span: Span) -> bool:
        """Whether the work enters the span's service here."""
        parent = self.by_id.get(span.parent_id)
        return parent is None or parent.service != span.service


def waterfall(items: Sequence[StoredItem]) -> Markup:
    """Return the spans of a trace as a waterfall, with its errors and its critical path.

    ``items`` are those of one trace, of any type: what is not drawn is named, and shown raw. Of
    more than ``MAX_ROWS`` rows only those with errors and the longest are shown, with a note.
    """
    reading = read_spans(items)
    found = reading.spans
    marks, astray = _marks(items, found)
    rows = list(_rows(_tree(found), marks))
    shown = _longest(rows)
    start = min((span.start for span in found), default=0.0)
    total = max((span.end for span in found), default=start) - start
    # A trace of zero length still needs an axis.
    axis = total or 0.001
    visits = _replay_marks(items) if found else []
    return render(
        "waterfall.html",
        bars=list(_bars(shown, start, axis)),
        ticks=seconds_ticks(axis, _TICKS),
        rows=[(row, length(row.start - start)) for row in shown],
        visits=list(_visits(_nearest(visits, start, start + axis), start, axis)),
        summary=_summary(rows, found, total),
        notes=[
            *_notes(rows, shown, astray),
            *_reading_notes(items, reading, rows),
            *_visit_notes(visits),
        ],
        undrawn=[*_unplaced_group(reading.unplaced), *_undrawn(items, bool(found))],
    )


# Tree


def _tree(found: Sequence[Span]) -> _SpanTree:
    tree = _SpanTree(by_id={span.id: span for span in found if span.id})
    for span in found:
        if tree.by_id.get(span.parent_id) in (None, span):
            tree.roots.append(span)
        else:
            tree.children[span.parent_id].append(span)
    reached = {id(span) for span, _ in _walk(tree)}
    # Spans that are each other's parents have no root: the earliest becomes one.
    for span in found:
        if id(span) not in reached:
            tree.children[span.parent_id].remove(span)
            tree.roots.append(span)
            reached |= {id(below) for below, _ in _walk(_SpanTree([span], tree.children))}
    return tree


def _walk(tree: _SpanTree) -> Iterator[tuple[Span, int]]:
    """Yield every span under its parent, the earliest first, and how deep it is."""
    stack = [(span, 0) for span in reversed(tree.roots)]
    while stack:
        span, depth = stack.pop()
        yield span, depth
        if span.id:
            stack += [(child, depth + 1) for child in reversed(tree.children.get(span.id, []))]


def _rows(tree: _SpanTree, marks: Mapping[int, list[ErrorMark]]) -> Iterator[WaterfallRow]:
    critical = _critical_path(tree)

    def kind(placed: tuple[int, tuple[Span, int]]) -> Any:
        index, (span, depth) = placed
        alone = tree.children.get(span.id) or id(span) in marks
        return index if alone else (span.parent_id, span.service, span.op, span.name, depth)

    for _, group in groupby(enumerate(_walk(tree)), key=kind):
        members = [placed for _, placed in group]
        size = len(members) if len(members) >= GROUPED else 1
        for first in range(0, len(members), size):
            some, depth = [span for span, _ in members[first : first + size]], members[first][1]
            yield WaterfallRow(
                spans=tuple(some),
                depth=depth,
                is_entry=tree.is_entry(some[0]),
                critical=tuple(part for span in some for part in critical.get(id(span), ())),
                marks=tuple(marks.get(id(some[0]), ())),
            )


def _critical_path(tree: _SpanTree) -> dict[int, list[Interval]]:
    """Return when each span, by ``id()``, was on the critical path.

    From the end of the trace back to its start: the trace waited for the child that ended last and,
    before that one began, for the one that ended last before it. The rest of a span's time is its
    own.
    """
    path: dict[int, list[Interval]] = defaultdict(list)
    ends = [span.end for span in tree.roots]
    whole = (min((s.start for s in tree.roots), default=0.0), max(ends, default=0.0))
    pending: list[tuple[Span | None, Interval]] = [(None, whole)]
    while pending:
        span, (start, end) = pending.pop()
        inside = tree.roots if span is None else tree.children.get(span.id, []) if span.id else []
        cursor = end
        for child in sorted(inside, key=lambda each: each.end, reverse=True):
            until = min(child.end, end)
            if until > cursor or child.start >= until or until <= start:
                continue
            if span is not None and until < cursor:
                path[id(span)].append((until, cursor))
            cursor = max(child.start, start)
            pending.append((child, (cursor, until)))
        if span is not None and start < cursor:
            path[id(span)].append((start, cursor))
    return path


# Errors


def _marks(
    items: Sequence[StoredItem], found: Sequence[Span]
) -> tuple[dict[int, list[ErrorMark]], list[str]]:
    """Return the errors by the ``id()`` of their span, and the types of those without one."""
    by_id = {span.id: span for span in found if span.id}
    marks: dict[int, list[ErrorMark]] = defaultdict(list)
    astray = []
    for event in (as_mapping(item.payload) for item in items if item.type == "event"):
        span = by_id.get(span_id(get_path(event, ("contexts", "trace", "span_id"))))
        if span is None:
            astray.append(_type(event))
        else:
            marks[id(span)].append(_mark(event, span))
    return marks, astray


def _mark(event: Mapping[str, Any], span: Span) -> ErrorMark:
    then = parse_time(event.get("timestamp"))
    at = then.timestamp() if then else None
    if at is None or abs(at - span.end) > MAX_TRACE_S:
        return ErrorMark(span.end, _type(event), is_guess=True)
    return ErrorMark(at, _type(event))


def _type(event: Mapping[str, Any]) -> str:
    values = exceptions(event)
    found = as_str(values[-1].get("type")) if values else event_message(event)
    return shorten(found).text or "error"


# Replays


def _replay_marks(items: Sequence[StoredItem]) -> list[ReplayMark]:
    """Return the starts of replays and their changes of page, the earliest first."""
    replays = read_replays(item for item in items if item.type in REPLAY_TYPES)
    marks = [mark for replay in replays for mark in _marks_of(replay)]
    return sorted(marks, key=lambda mark: mark.at)


def _marks_of(replay: Replay) -> Iterator[ReplayMark]:
    pages = [page for page in replay.pages if page.at is not None]
    first = pages[:1]
    if replay.start is not None:
        url = first[0].url if first else ""
        yield ReplayMark(
            _words(replay.service),
            "replay starts" + (" on" if url else ""),
            _words(url),
            replay.start,
        )
        pages = pages[1:]
    for page in pages:
        what = "page, at this time or later," if page.is_guess else "page"
        yield ReplayMark(_words(replay.service), what, _words(page.url), page.at or 0.0)


def _nearest(marks: Sequence[ReplayMark], start: float, end: float) -> list[ReplayMark]:
    """Return at most ``MAX_VISITS`` marks, those nearest to the trace, in their order."""

    def distance(mark: ReplayMark) -> float:
        return max(start - mark.at, mark.at - end, 0.0)

    return sorted(sorted(marks, key=distance)[:MAX_VISITS], key=lambda mark: mark.at)


def _visit_notes(marks: Sequence[ReplayMark]) -> Iterator[str]:
    if len(marks) > MAX_VISITS:
        more = count_noun(len(marks) - MAX_VISITS, "more mark")
        yield f"{more} of replays: only those nearest to the trace are shown."


def _words(text: str) -> str:
    return escape_bidi(shorten(text).text)


# What is not drawn


def _undrawn(items: Sequence[StoredItem], has_spans: bool) -> list[ItemGroup]:
    return group_items(
        item for item in items if item.type not in _DRAWN and not (has_spans and _is_marked(item))
    )


def _is_marked(item: StoredItem) -> bool:
    """Whether marks say what is in an item: those of a replay with a time."""
    return item.type == "replay_event" and bool(_replay_marks([item]))


def _unplaced_group(unplaced: Sequence[UnplacedSpan]) -> Iterator[ItemGroup]:
    """Yield the unplaced spans as one group, with how they were sent."""
    if unplaced:
        raw = tuple(raw_value(span.sent) for span in unplaced[:MAX_NAMED])
        yield ItemGroup("unplaced span", len(unplaced), "", raw)


# Words


def _longest(rows: Sequence[WaterfallRow]) -> list[WaterfallRow]:
    """Return at most ``MAX_ROWS`` rows: those with errors, then the longest, in their order."""
    by_weight = sorted(range(len(rows)), key=lambda i: (not rows[i].marks, -rows[i].seconds, i))
    return [rows[index] for index in sorted(by_weight[:MAX_ROWS])]


def _summary(rows: Sequence[WaterfallRow], found: Sequence[Span], total: float) -> str:
    if not rows:
        return "No span of this trace has arrived."
    services = len({span.service for span in found})
    counted = (
        f"{count_noun(len(found), 'span')} in {count_noun(services, 'service')}, {length(total)}."
    )
    errors = Counter(mark.type for row in rows for mark in row.marks)
    failed = f" Errors: {', '.join(_times(*each) for each in errors.items())}." if errors else ""
    longest = max(rows, key=lambda row: row.critical_seconds)
    if not longest.critical:
        return counted + failed
    return (
        f"{counted} The longest part of the critical path, {longest.critical_took}, "
        f"is {longest.what} in {longest.service}.{failed}"
    )


def _notes(
    rows: Sequence[WaterfallRow], shown: Sequence[WaterfallRow], astray: Sequence[str]
) -> Iterator[str]:
    if len(shown) < len(rows):
        yield f"{len(shown)} of {len(rows):,} rows are shown: those with errors, and the longest."
    if astray:
        kinds = [_times(*each) for each in Counter(astray).items()]
        yield f"Errors outside every span of this trace: {_some(kinds, MAX_ROWS, ', ')}."


def _reading_notes(
    items: Sequence[StoredItem], reading: SpanReading, rows: Sequence[WaterfallRow]
) -> Iterator[str]:
    if len(items) == MOST:
        yield f"Only the newest {MOST:,} items are read."
    if reading.more:
        yield (
            f"Only the first {MAX_SPANS:,} spans are counted and shown; "
            f"{count_noun(reading.more, 'more span')} arrived."
        )
    if reading.remark:
        yield reading.remark
    if reading.unplaced:
        named = [f"{_name(each)} {each.reason}" for each in reading.unplaced]
        yield f"{count_noun(len(named), 'span')} not on the time axis: {_some(named)}."
    if remarks := [f"{_name(span)} {span.remark}" for span in reading.spans if span.remark]:
        yield f"{count_noun(len(remarks), 'span')} with an impossible time: {_some(remarks)}."
    if guessed := [mark.type for row in rows for mark in row.marks if mark.is_guess]:
        yield f"Errors without a possible time, shown at the end of their span: {_some(guessed)}."


def _name(span: Span | UnplacedSpan) -> str:
    return f"{truncate(span.label, _MAX_LABEL)} of {truncate(span.service, _MAX_LABEL)}"


def _some(phrases: Sequence[str], most: int = MAX_NAMED, separator: str = "; ") -> str:
    more = [f"{len(phrases) - most:,} more"] if len(phrases) > most else []
    return separator.join([*phrases[:most], *more])


def _times(name: str, number: int) -> str:
    return f"{number} × {name}" if number > 1 else name


# Drawing


@dataclass(frozen=True)
class _DrawnRow:
    """What the drawing shows of a row; places and widths are in percent of the time axis."""

    row: WaterfallRow
    colour: int
    name: str
    bars: list[tuple[str, str]]
    critical: list[tuple[str, str]]
    marks: list[str]


@dataclass(frozen=True)
class _DrawnVisit:
    """A mark of a replay; ``place`` is in percent of the time axis, empty outside of it."""

    mark: ReplayMark
    place: str
    after: str


def _visits(marks: Iterable[ReplayMark], start: float, total: float) -> Iterator[_DrawnVisit]:
    for mark in marks:
        seconds = mark.at - start
        place = percent(seconds, total) if 0 <= seconds <= total else ""
        after = ("−" if seconds < 0 else "") + length(abs(seconds))
        yield _DrawnVisit(mark, place, after)


def service_colours(services: Iterable[str]) -> dict[str, int]:
    """Return the number of the colour of each service, the same in all traces and views."""
    # The system's services have one each; that of any other depends only on its name.
    own = {name: number % COLOURS for number, name in enumerate(SERVICES)}
    return {name: own.get(name, crc32(ascii(name).encode()) % COLOURS) for name in services}


def _bars(rows: Sequence[WaterfallRow], start: float, total: float) -> Iterator[_DrawnRow]:
    colours = service_colours(row.service for row in rows)

    def place_all(intervals: Iterable[Interval]) -> list[tuple[str, str]]:
        return [(percent(a - start, total), percent(b - a, total)) for a, b in intervals]

    for row in rows:
        yield _DrawnRow(
            row=row,
            colour=colours[row.service],
            name=_LOOPBACK.sub("", row.what),
            bars=place_all((span.start, span.end) for span in row.spans),
            critical=place_all(row.critical),
            # A different clock may put it outside of the picture.
            marks=[percent(mark.at - start, total) for mark in row.marks[:MAX_ROWS]],
        )
