"""The spans of a trace, from any item type.

SDKs stream them in batches; a standalone span is an item by itself; older SDKs send a transaction,
which is a span with others inside it. See https://develop.sentry.dev/sdk/telemetry/spans/
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from statistics import median_low
from typing import Any

from kit.ingest.members import sent_spans
from kit.ingest.projects import SPOTLIGHT
from kit.ingest.store import StoredItem
from kit.reading.payload import (
    EARLIEST,
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    duration,
    escape_bidi,
    get_path,
    parse_time,
    shorten,
    truncate,
)

MAX_SPANS = 5000
# A time that is further from all others is not meant.
MAX_TRACE_S = 30 * 86_400.0
MAX_LINKS = 20
MAX_VALUE = 40

# Clocks that were never set say 1970.
_EARLIEST_S = EARLIEST.timestamp()
_HEX_ID = re.compile("[0-9a-fA-F]{16}|[0-9a-fA-F]{32}")
_UNIX_SECONDS = re.compile(r"-?\d{9,}(\.\d*)?")
_STATUS_CODES = {"0": "", "1": "ok", "2": "error"}
# Forms differ in their names; the first one given counts.
_IDS = ("span_id", "spanId")
_PARENT_IDS = ("parent_span_id", "parentSpanId")
_STARTS = ("start_timestamp", "startTimeUnixNano", "startTime")
_ENDS = ("end_timestamp", "timestamp", "endTimeUnixNano", "endTime")
_NAMES = ("name", "description")
# In a standalone span; the others have them as attributes.
_BESIDE = ("exclusive_time", "measurements")


@dataclass(frozen=True)
class SpanLink:
    """A link from a span to another one, often of another trace."""

    trace_id: str
    span_id: str

    def __str__(self) -> str:
        return f"span {self.span_id or '?'} of trace {self.trace_id or '?'}"


@dataclass(frozen=True)
class Span:
    """A piece of work of one service; ``start`` and ``end`` are in seconds since the epoch.

    If ``is_segment``, it is a service span: it covers all that a service does for one request.
    ``remark`` says what is wrong with its times, if they are impossible as sent; ``sent`` is the
    span as it was sent.
    """

    id: str
    parent_id: str
    service: str
    op: str
    name: str
    start: float
    end: float
    status: str = ""
    is_segment: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[SpanLink, ...] = ()
    remark: str = ""
    sent: Any = field(default=None, compare=False, repr=False)

    @property
    def duration(self) -> float:
        """How long it took, in seconds."""
        return self.end - self.start

    @property
    def label(self) -> str:
        """The operation and the name."""
        return f"{self.op} {self.name}".strip() or "unnamed span"


@dataclass(frozen=True)
class UnplacedSpan:
    """A span that has no place on the time axis, and why; ``sent`` is as it was sent."""

    service: str
    label: str
    reason: str
    sent: Any = field(compare=False, repr=False)


@dataclass(frozen=True)
class SpanReading:
    """The spans of some items, the earliest first.

    ``unplaced`` are those without a possible time. ``more`` is how many there are beyond
    ``MAX_SPANS``. ``remark`` is about the clock of all of them; empty if it is right.
    """

    spans: list[Span]
    unplaced: list[UnplacedSpan]
    more: int
    remark: str


def read_spans(items: Sequence[StoredItem]) -> SpanReading:
    """Return the spans of all items, each once, and remarks about the others."""
    sent = (draft for item in items for draft in _READERS.get(item.type, _none)(item))
    drafts = list(islice(sent, MAX_SPANS))
    known = {draft.id for draft in drafts}
    more = sum(not draft.id or draft.id not in known for draft in sent)
    centre = _centre(drafts)
    found: list[Span] = []
    unplaced: list[UnplacedSpan] = []
    by_id: dict[str, Span] = {}
    for draft in drafts:
        placed = draft.place(centre)
        if isinstance(placed, UnplacedSpan):
            unplaced.append(placed)
        elif (earlier := by_id.get(placed.id)) is None:
            found.append(placed)
            by_id |= {placed.id: placed} if placed.id else {}
        elif not _is_same(placed, earlier):
            reason = f"has the id of {earlier.label}"
            unplaced.append(UnplacedSpan(placed.service, placed.label, reason, placed.sent))
    found.sort(key=lambda span: (span.start, -span.end))
    return SpanReading(found, unplaced, more, _clock_remark(centre, items) if found else "")


def spans(items: Sequence[StoredItem]) -> list[Span]:
    """Return the spans of all items, each id once, at most ``MAX_SPANS``, the earliest first.

    SDKs send them as they end, in items of type ``span``; older ones send a transaction, a span
    with others inside it. A span without a possible time is left out.
    """
    return read_spans(items).spans


def segments(items: Sequence[StoredItem]) -> list[Span]:
    """Return the service spans among those of all items, the earliest first."""
    return [span for span in spans(items) if span.is_segment]


def span_id(value: Any) -> str:
    """Return the id of a span as ``Span.id`` has it; empty if there is none.

    Hex digits may be in upper case, and have dashes. All zeros stand for none.
    """
    text = as_str(value)
    digits = text.replace("-", "")
    if not _HEX_ID.fullmatch(digits):
        return text
    return digits.lower() if digits.strip("0") else ""


def service_of(attributes: Mapping[str, Any], project: str) -> str:
    """Return the service of a span or a log: that of the DSN, which is a project.

    Services that export with OpenTelemetry may share a DSN. Each of them names itself.
    """
    # Sentry's SDKs name other origins: what they send belongs to the project, whatever is in it.
    if not as_str(attributes.get("sentry.origin")).startswith("auto.otlp."):
        return project
    return as_str(attributes.get("resource.service.name")) or project


def length(seconds: float) -> str:
    """Return a length of time in the unit that reads best, from microseconds to days."""
    if 0 < seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 7200:
        return duration(seconds)
    hours, minutes = divmod(round(seconds / 60), 60)
    days, rest = divmod(hours, 24)
    return f"{hours} h {minutes} min" if hours < 48 else f"{days:,} d {rest} h"


# Forms


@dataclass(frozen=True)
class _Draft:
    """A span whose times are not yet checked against those of all others."""

    span: Span
    start: float | None
    end: float | None
    received_at: float
    sent_start: Any
    sent_end: Any

    @property
    def id(self) -> str:
        return self.span.id

    def place(self, centre: float) -> Span | UnplacedSpan:
        """Return the span with its possible times, and a remark about impossible ones."""
        start, end = (_near(each, centre) for each in (self.start, self.end))
        remarks = [
            _time_remark("starts", start, self.sent_start),
            _time_remark("ends", end, self.sent_end),
        ]
        begin = start if start is not None else end
        if begin is None:
            reason = " and ".join(filter(None, remarks))
            return UnplacedSpan(self.span.service, self.span.label, reason, self.span.sent)
        stop = end if end is not None else begin
        if stop < begin:
            remarks.append(f"ends {length(begin - stop)} before it starts")
        # Clocks differ and get adjusted: no span is drawn as ending before it began.
        remark = ", ".join(filter(None, remarks))
        return replace(self.span, start=begin, end=max(begin, stop), remark=remark)


def _none(item: StoredItem) -> Iterator[_Draft]:
    yield from ()


def _of_transaction(item: StoredItem) -> Iterator[_Draft]:
    payload = as_mapping(item.payload)
    context = as_mapping(get_path(payload, ("contexts", "trace")))
    # Without a DSN there is no project: the host is the next best name.
    named = as_str(payload.get("server_name")) if item.project == SPOTLIGHT else ""
    service = named or item.project
    whole = {
        **context,
        **{key: payload.get(key) for key in ("start_timestamp", "timestamp")},
        "description": payload.get("transaction"),
        "is_segment": True,
    }
    own = {name: value for name, value in payload.items() if name != "spans"} or item.payload
    yield _draft(whole, service, item, own)
    for each in as_list(payload.get("spans")):
        yield _draft(each, service, item, each)


def _of_span(item: StoredItem) -> Iterator[_Draft]:
    for each in sent_spans(item.payload):
        yield _draft(each, item.project, item, each)


_READERS = {"transaction": _of_transaction, "span": _of_span}


def _draft(given: Any, service: str, item: StoredItem, sent: Any) -> _Draft:
    each = as_mapping(given)
    attributes = _attributes(each)
    start, end = _first(each, _STARTS), _first(each, _ENDS)
    op = as_str(each.get("op")) or as_str(attributes.get("sentry.op"))
    name = as_str(_first(each, _NAMES)) if each else f"not a span: {_shown(sent)}"
    span = Span(
        id=span_id(_first(each, _IDS)),
        parent_id=span_id(_first(each, _PARENT_IDS)),
        service=_words(service_of(attributes, service)),
        op=_words(op),
        name=_words(name),
        start=0.0,
        end=0.0,
        status=_words(_status(each.get("status"))),
        is_segment=each.get("is_segment") is True,
        attributes=attributes,
        links=tuple(_links(each)),
        sent=sent,
    )
    return _Draft(span, _seconds(start), _seconds(end), item.received_at, start, end)


def _first(each: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((each[name] for name in names if each.get(name) is not None), None)


def _attributes(each: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a span by name: typed, plain, or a list of keys and values."""
    given = each.get("attributes")
    if isinstance(given, list):
        given = {as_str(pair.get("key")): pair.get("value") for pair in as_mappings(given)}
    found = {name: _plain(value) for name, value in as_mapping(given).items()}
    beside = {name: each[name] for name in _BESIDE if each.get(name) is not None}
    return {**beside, **found, **as_mapping(each.get("data"))}


def _plain(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if "value" in value:
        return value["value"]
    # OpenTelemetry names the type in the key, as in {"stringValue": "GET"}.
    [(name, inner), *others] = value.items() or [("", None)]
    return inner if not others and as_str(name).endswith("Value") else value


def _words(text: str) -> str:
    """Return text of an event as it is shown in a drawing, among other texts."""
    return escape_bidi(shorten(text).text)


def _status(value: Any) -> str:
    """Return a status, which is a word, or an object with a code and a message."""
    if not isinstance(value, Mapping):
        return as_str(value)
    code = as_str(value.get("code")).removeprefix("STATUS_CODE_").lower()
    return ": ".join(filter(None, (_STATUS_CODES.get(code, code), as_str(value.get("message")))))


def _links(each: Mapping[str, Any]) -> Iterator[SpanLink]:
    for link in as_mappings(each.get("links"))[:MAX_LINKS]:
        trace = shorten(as_str(_first(link, ("trace_id", "traceId"))), MAX_VALUE).text
        yield SpanLink(trace, shorten(span_id(_first(link, _IDS)), MAX_VALUE).text)


# Times


def _seconds(value: Any) -> float | None:
    """Return a time in seconds since the epoch; those of OpenTelemetry are in nanoseconds."""
    if isinstance(value, str) and _UNIX_SECONDS.fullmatch(value):
        value = float(value)
    if isinstance(value, float | int) and abs(value) > 1e17:
        value = value / 1e9 if abs(value) < 1e20 else None
    then = None if isinstance(value, bool) else parse_time(value)
    return then.timestamp() if then else None


def _near(time: float | None, centre: float) -> float | None:
    return time if time is not None and abs(time - centre) <= MAX_TRACE_S else None


def _centre(drafts: Sequence[_Draft]) -> float:
    """Return a time in the middle of the plausible ones.

    Those are near the arrival; if no clock is right, they are all that are not zero.
    """
    sent = [
        (time, draft.received_at)
        for draft in drafts
        for time in (draft.start, draft.end)
        if time is not None
    ]
    near = [time for time, received in sent if abs(time - received) <= MAX_TRACE_S]
    times = near or [time for time, _ in sent if time >= _EARLIEST_S] or [time for time, _ in sent]
    return median_low(times) if times else 0.0


def _time_remark(verb: str, time: float | None, sent: Any) -> str:
    if time is not None:
        return ""
    if sent is None:
        return f"has no {verb.removesuffix('s')}"
    return f"{verb} at {_shown(sent)}, which is impossible"


def _clock_remark(centre: float, items: Sequence[StoredItem]) -> str:
    received = max((item.received_at for item in items), default=0.0)
    if received < _EARLIEST_S or abs(centre - received) <= MAX_TRACE_S:
        return ""
    days = [f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d}" for each in (centre, received)]
    return f"The spans say {days[0]}, but arrived on {days[1]}: a clock is wrong, or they waited."


def _shown(value: Any) -> str:
    return truncate(as_str(value), MAX_VALUE) or "nothing"


def _is_same(span: Span, other: Span) -> bool:
    """Whether two spans with the same id are one that was sent twice."""
    return (span.label, span.start, span.end) == (other.label, other.start, other.end)
