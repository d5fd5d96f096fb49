"""The spans of a trace, from whichever item they arrived in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from kit.ingest.store import StoredItem
from kit.reading.payload import (
    as_mapping,
    as_mappings,
    as_str,
    duration,
    get_path,
    parse_time,
    shorten,
)

MAX_SPANS = 5000


@dataclass(frozen=True)
class Span:
    """A piece of work of one service; ``start`` and ``end`` are in seconds since the epoch.

    One that ``is_segment``, a service span, covers all that a service does for one request.
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

    @property
    def duration(self) -> float:
        """How long it took, in seconds."""
        return self.end - self.start


def spans(items: Sequence[StoredItem]) -> list[Span]:
    """Return the spans of all items, each id once, at most ``MAX_SPANS``, the earliest first.

    SDKs send them as they end, in items of type ``span``; older ones send a transaction, a span
    with others inside it. What has no time is left out.
    """
    found = (span for item in items for span in _READERS.get(item.type, _none)(item))
    unique: dict[str, Span] = {}
    for number, span in enumerate(islice(found, MAX_SPANS)):
        unique.setdefault(span.id or f"without an id, {number}", span)
    return sorted(unique.values(), key=lambda span: (span.start, -span.end))


def segments(items: Sequence[StoredItem]) -> list[Span]:
    """Return the service spans among those of all items, the earliest first."""
    return [span for span in spans(items) if span.is_segment]


def length(seconds: float) -> str:
    """Return a length of time in the unit that reads best, down to microseconds."""
    return f"{seconds * 1e6:.0f} µs" if 0 < seconds < 0.001 else duration(seconds)


def _none(item: StoredItem) -> Iterator[Span]:
    yield from ()


def _of_transaction(item: StoredItem) -> Iterator[Span]:
    payload = as_mapping(item.payload)
    context = as_mapping(get_path(payload, ("contexts", "trace")))
    service = as_str(payload.get("server_name")) or item.project
    whole = {**context, "description": payload.get("transaction"), "is_segment": True}
    times = {key: payload.get(key) for key in ("start_timestamp", "timestamp")}
    for each in ({**whole, **times}, *as_mappings(payload.get("spans"))):
        about = {"op": each.get("op"), "name": each.get("description")}
        yield from _span(each, service, about, as_mapping(each.get("data")), "timestamp")


def _of_spans(item: StoredItem) -> Iterator[Span]:
    for each in as_mappings(as_mapping(item.payload).get("items")):
        sent = as_mapping(each.get("attributes"))
        attributes = {name: as_mapping(value).get("value") for name, value in sent.items()}
        about = {"op": attributes.get("sentry.op"), "name": each.get("name")}
        yield from _span(each, item.project, about, attributes, "end_timestamp")


_READERS = {"transaction": _of_transaction, "span": _of_spans}


def _span(
    each: Mapping[str, Any],
    service: str,
    about: Mapping[str, Any],
    attributes: Mapping[str, Any],
    end: str,
) -> Iterator[Span]:
    start, stop = parse_time(each.get("start_timestamp")), parse_time(each.get(end))
    begin = start or stop
    if begin is None:
        return
    yield Span(
        id=as_str(each.get("span_id")),
        parent_id=as_str(each.get("parent_span_id")),
        service=shorten(service).text,
        op=shorten(as_str(about["op"])).text,
        name=shorten(as_str(about["name"])).text,
        start=begin.timestamp(),
        # Clocks differ and are set: no span ends before it began.
        end=max(begin, stop or begin).timestamp(),
        status=shorten(as_str(each.get("status"))).text,
        is_segment=each.get("is_segment") is True,
        attributes=attributes,
    )
