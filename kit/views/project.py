"""Everything that one project sent, on one page: a section for each kind of telemetry.

Item data is untrusted: its text reaches the page only through Jinja's autoescape, styles contain
only numbers that were computed here, and ``kit.views.attachments`` decides about files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.ingest.envelope import PROFILES
from kit.ingest.store import MOST, Store, StoredItem
from kit.reading.client_reports import count_telemetry
from kit.reading.event import headline
from kit.reading.feedback import FEEDBACK_TYPES, Feedback, read_feedback
from kit.reading.grouping import culprit, simulated_issue
from kit.reading.items import OF_A_PROJECT, ItemGroup, group_items
from kit.reading.logs import LogEntry, read_logs
from kit.reading.metrics import Metric, number, read_metrics
from kit.reading.payload import (
    as_list,
    as_mapping,
    as_str,
    escape_bidi,
    get_path,
    shorten,
    truncate,
)
from kit.reading.replays import REPLAY_TYPES, Replay, read_replays
from kit.reading.spans import Span, length, read_spans
from kit.views.attachments import Attachment, read_attachments
from kit.views.axis import percent
from kit.views.check_ins import read_check_ins
from kit.views.logs import recent_logs
from kit.views.release_health import read_release_health
from kit.views.sent_and_dropped import SentAndDropped
from kit.words import count_noun

# Of each section, on screen only.
MAX_SHOWN = 20
MAX_VISITS = 12
MAX_IMAGES_SIZE = 400_000
BARS = 24
# How many of each type are read, the newest first; of large ones fewer.
MAX_EVENTS = 500
MAX_LARGE = 50

_LARGE = PROFILES | {"attachment", "replay_recording", "replay_video"}
_LEVELS = ("fatal", "error", "warning", "info", "debug")
_MAX_ID = 40

Items = Mapping[str, Sequence[StoredItem]]


@dataclass(frozen=True)
class ErrorGroup:
    """Error events of one issue, as ``workshop.issues()`` groups them, named after the latest."""

    title: str
    culprit: str
    level: str
    release: str
    count: int
    last_seen: float
    event_id: str


@dataclass(frozen=True)
class TraceEntry:
    """A trace that the project took part in: its first service span, and how many spans it has."""

    trace_id: str
    name: str
    status: str
    start: float
    seconds: float
    spans: int

    @property
    def took(self) -> str:
        """How long the span took, in words."""
        return length(self.seconds)


@dataclass(frozen=True)
class ProfileEntry:
    """A profile chunk: its platform, and how many samples it has."""

    platform: str
    samples: int
    received_at: float


@dataclass(frozen=True)
class MetricRow:
    """The row of a metric: bars over time, each as the corners of a polygon."""

    metric: Metric
    bars: list[str] = field(repr=False)
    bars_say: str


class ProjectPage:
    """Everything that one project sent; shown in a notebook as a page, newest of each kind first.

    ``items`` are what was read from the store, by type, newest first.
    """

    def __init__(
        self,
        name: str,
        items: Items,
        views: Sequence[Markup] = (),
        make_event: Callable[[Any], dict[str, Any]] = dict,
    ) -> None:
        self.name = name
        self.items = {kind: list(some) for kind, some in items.items() if some}
        self._views = tuple(views)
        self._make_event = make_event

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Its error events; in a notebook each is shown as a card."""
        return [self._make_event(as_mapping(item.payload)) for item in self._of("event")]

    @cached_property
    def errors(self) -> list[ErrorGroup]:
        """Its error events, grouped as issues. The grouping is simulated."""
        found: dict[tuple[str, ...], list[StoredItem]] = {}
        for item in self._of("event"):
            key = simulated_issue(as_mapping(item.payload), item.project)
            found.setdefault(key, []).append(item)
        return [_error_group(items) for items in found.values()]

    @cached_property
    def traces(self) -> list[TraceEntry]:
        """The traces that it took part in."""
        return _traces(self._of("span", "transaction"))

    @cached_property
    def logs(self) -> list[LogEntry]:
        """Its structured logs."""
        return read_logs(self._of("log"))[::-1]

    @cached_property
    def metrics(self) -> list[Metric]:
        """Its metrics with all their numbers, by name."""
        return read_metrics(self._of("trace_metric"))

    @cached_property
    def feedback(self) -> list[Feedback]:
        """What people wrote about it."""
        return read_feedback(self._of(*FEEDBACK_TYPES))

    @cached_property
    def attachments(self) -> list[Attachment]:
        """The files that it sent with events."""
        return read_attachments(self._of("attachment"))

    @cached_property
    def replays(self) -> list[Replay]:
        """The browser sessions that it recorded."""
        return read_replays(self._of(*REPLAY_TYPES))

    @property
    def profiles(self) -> list[ProfileEntry]:
        """What its profilers sent."""
        return [_profile_entry(item) for item in self._of(*PROFILES)]

    @property
    def sentence(self) -> str:
        """How many items arrived, and when the last one did."""
        groups = self._groups
        if not groups:
            return f"Nothing from {self.name} is stored."
        last = max(some[0].received_at for some in self.items.values())
        counted = count_noun(sum(group.count for group in groups), "item")
        return f"{counted}, the last at {moment(last)} UTC."

    def _of(self, *kinds: str) -> list[StoredItem]:
        """Return the items of some types, the newest first."""
        found = [item for kind in kinds for item in self.items.get(kind, ())]
        return sorted(found, key=lambda item: -item.id)

    @cached_property
    def _groups(self) -> list[ItemGroup]:
        groups = group_items(item for some in self.items.values() for item in some)
        # Items that this page shows need no hint where to see them.
        return [
            replace(group, view="") if group.view.startswith(OF_A_PROJECT) else group
            for group in groups
        ]

    def __repr__(self) -> str:
        return f"<ProjectPage {self.name}: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        logs = self._of("log")
        start, end = _metric_times(self.metrics)
        return render(
            "project.html",
            page=self,
            most=MAX_SHOWN,
            most_visits=MAX_VISITS,
            notes=list(_notes(self.items)),
            about=self._titles(),
            logs=recent_logs(logs) if logs else "",
            metrics=[_metric_row(metric, start, end) for metric in self.metrics[:MAX_SHOWN]],
            metric_times=(start, end),
            bar_count=BARS,
            images=_images(self.attachments[:MAX_SHOWN]),
            views=[*self._views, *self._dropped()],
            groups=self._groups,
            moment=moment,
            length=length,
        )

    def _titles(self) -> dict[str, str]:
        """Return what its error events are called, by their ids."""
        return {item.event_id: _title(item) for item in self._of("event") if item.event_id}

    def _dropped(self) -> Iterator[Markup]:
        """Yield the table of what the SDK dropped, if it reported anything."""
        if self._of("client_report"):
            yield SentAndDropped(count_telemetry(self._of(*self.items)))._repr_html_()


def read_project(
    store: Store, name: str, make_event: Callable[[Any], dict[str, Any]] = dict
) -> ProjectPage:
    """Return the newest items of each type of a project; an empty page for an unknown one.

    ``make_event`` creates the events that ``.events`` returns. Raises StoreError.
    """
    kinds = store.count_types()
    items = {kind: store.items(type=kind, project=name, limit=_limit(kind)) for kind in kinds}
    views = []
    if items.get("check_in"):
        views.append(read_check_ins(store, project=name)._repr_html_())
    if items.get("session") or items.get("sessions"):
        views.append(read_release_health(store, project=name)._repr_html_())
    return ProjectPage(name, items, views, make_event)


def _limit(kind: str) -> int:
    if kind in _LARGE:
        return MAX_LARGE
    return MAX_EVENTS if kind == "event" else MOST


def moment(seconds: float | None) -> str:
    """Return a time as a page shows it, in UTC; a dash where there is none."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%d %b, %H:%M:%S}"


def _notes(items: Items) -> Iterator[str]:
    cut = [kind for kind, some in items.items() if len(some) >= _limit(kind)]
    for kind in cut[:MAX_SHOWN]:
        yield f"Only the newest {_limit(kind):,} items of type {truncate(kind, 60)} are read."


def _error_group(items: Sequence[StoredItem]) -> ErrorGroup:
    latest = items[0]
    event = as_mapping(latest.payload)
    level = as_str(event.get("level"))
    return ErrorGroup(
        title=_title(latest),
        culprit=escape_bidi(truncate(culprit(event), 120)),
        level=level if level in _LEVELS else "error",
        release=escape_bidi(truncate(as_str(event.get("release")), 60)),
        # An event that was sent again counts once.
        count=len({item.event_id or item.id for item in items}),
        last_seen=latest.received_at,
        event_id=latest.event_id or "",
    )


def _title(item: StoredItem) -> str:
    return escape_bidi(truncate(headline(as_mapping(item.payload)).title, 160))


def _traces(items: Sequence[StoredItem]) -> list[TraceEntry]:
    """Return the traces of spans, the latest first, each with the span that began it here."""
    by_trace: dict[str, list[Span]] = {}
    for place, span in enumerate(read_spans(items).spans):
        # Without a trace each span is one by itself.
        by_trace.setdefault(_trace_of(span) or f"?{place}", []).append(span)
    entries = [_trace_entry(trace_id, some) for trace_id, some in by_trace.items()]
    return sorted(entries, key=lambda entry: -entry.start)


def _trace_of(span: Span) -> str:
    sent = as_mapping(span.sent)
    named = sent.get("trace_id") or sent.get("traceId")
    return truncate(as_str(named or get_path(sent, ("contexts", "trace", "trace_id"))), _MAX_ID)


def _trace_entry(trace_id: str, found: Sequence[Span]) -> TraceEntry:
    first = next((span for span in found if span.is_segment), found[0])
    return TraceEntry(
        trace_id="" if trace_id.startswith("?") else trace_id,
        name=truncate(first.label, 120),
        status=first.status,
        start=first.start,
        seconds=first.duration,
        spans=len(found),
    )


def _profile_entry(item: StoredItem) -> ProfileEntry:
    payload = as_mapping(item.payload)
    samples = len(as_list(get_path(payload, ("profile", "samples"))))
    return ProfileEntry(
        shorten(as_str(payload.get("platform")), 40).text, samples, item.received_at
    )


def _images(attachments: Sequence[Attachment]) -> list[str]:
    """Return the picture of each attachment; an empty text for none, or when the page is full."""
    room, images = MAX_IMAGES_SIZE, []
    for each in attachments:
        image = each.image
        images.append(image if len(image) <= room else "")
        room -= len(images[-1])
    return images


# Metrics


def _metric_times(metrics: Sequence[Metric]) -> tuple[float, float]:
    times = [point.time for metric in metrics for point in metric.points]
    return min(times, default=0.0), max(times, default=0.0)


def _metric_row(metric: Metric, start: float, end: float) -> MetricRow:
    parts = metric.over_time(start, end, BARS)
    values = [value for value in parts if value is not None]
    if not values:
        return MetricRow(metric, [], "")
    extent = f"{number(min(values))} to {number(max(values))}"
    say = f"{len(values)} of {BARS} parts have values, {extent}"
    return MetricRow(metric, list(_bars(parts)), say)


def _bars(parts: Sequence[float | None]) -> Iterator[str]:
    """Yield a bar for each part with a number, from the line of zero up or down to it."""
    # Divided first: the sum of two large numbers may overflow.
    largest = max((abs(value) for value in parts if value is not None), default=0.0)
    scaled = [None if each is None else each / largest if largest else 0.0 for each in parts]
    known = [value for value in scaled if value is not None]
    low, high = min(0.0, *known), max(0.0, *known)
    span, width = (high - low) or 1.0, 100 / len(parts)
    for place, value in enumerate(scaled):
        if value is None:
            continue
        left, right = f"{place * width:.2f}", f"{(place + 0.8) * width:.2f}"
        zero, top = percent(high, span), percent(high - value, span)
        yield _box(left, right, zero, top)


def _box(left: str, right: str, zero: str, top: str) -> str:
    if zero == top:  # a zero is seen as a line
        top = f"{max(float(zero) - 4, 0.0):.2f}"
        zero = f"{float(top) + 4:.2f}"
    return f"{left},{zero} {left},{top} {right},{top} {right},{zero}"
