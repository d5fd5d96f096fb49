"""Session replays: when someone used a page, which pages, and what belongs to the replay.

A browser's SDK sends a replay as segments, each a ``replay_event`` with its times and addresses,
and a ``replay_recording`` with what happened on screen, usually compressed. The screen is not shown
here. https://develop.sentry.dev/sdk/telemetry/replays/
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kit.ingest.store import StoredItem
from kit.reading.items import payload_object
from kit.reading.payload import (
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    format_bytes,
    get_path,
    plausible_time,
    truncate,
)

REPLAY_TYPES = ("replay_event", "replay_recording")
MAX_PAGES = 100
MAX_IDS = 50
MAX_URL = 300
# Recordings are large: how many are read, and how many bytes of each.
MAX_READ = 20
MAX_RECORDING_BYTES = 4 * 1024 * 1024

_LONGEST_HEADER = 1000
_META, _CUSTOM = 4, 5  # the numbers of events in a recording
_AUTOMATIC = zlib.MAX_WBITS | 32  # with the header of zlib, or of gzip
_LATEST_S = 1e11  # larger numbers are in milliseconds


@dataclass(frozen=True)
class PageVisit:
    """A page of a replay; ``at`` is when it was opened, in seconds since the epoch, if known.

    ``is_guess`` is true if only the segment's own start is known.
    """

    url: str
    at: float | None
    is_guess: bool = False


@dataclass(frozen=True)
class Replay:
    """A replay, of all its segments that arrived; times are in seconds since the epoch."""

    id: str
    service: str
    received_at: float
    segments: tuple[int, ...] = ()
    start: float | None = None
    end: float | None = None
    pages: tuple[PageVisit, ...] = ()
    error_ids: tuple[str, ...] = ()
    trace_ids: tuple[str, ...] = ()
    recordings: int = 0
    recording_bytes: int = 0

    @property
    def duration(self) -> float | None:
        """How long it is, in seconds; None without a start or an end."""
        if self.start is None or self.end is None:
            return None
        return max(self.end - self.start, 0.0)

    @property
    def recording_size(self) -> str:
        """How large its recordings are, in words."""
        return format_bytes(self.recording_bytes)


@dataclass(frozen=True)
class _Segment:
    """A ``replay_event``, and the recording that was sent with it."""

    number: int
    payload: Mapping[str, Any]
    recording: bytes | None

    @property
    def start(self) -> float | None:
        return _seconds(self.payload.get("replay_start_timestamp"))

    @property
    def end(self) -> float | None:
        return _seconds(self.payload.get("timestamp"))

    def visits(self) -> Iterator[PageVisit]:
        """Yield the pages that the recording names, then the others, at the segment's start."""
        recorded = list(_recorded_visits(self.recording)) if self.recording else []
        yield from recorded
        known = {visit.url for visit in recorded}
        for url in _texts(self.payload.get("urls"), MAX_URL):
            if url not in known:
                yield PageVisit(url, self.start, is_guess=True)


def read_replays(items: Iterable[StoredItem]) -> list[Replay]:
    """Return the replays of all items, the latest arrival first.

    Of more than ``MAX_READ`` recordings, only the times of the first ones are read.
    """
    events: dict[tuple[str, str], list[StoredItem]] = {}
    recordings: dict[tuple[str, str], list[StoredItem]] = {}
    for item in items:
        if item.type == "replay_event":
            found = (
                as_str(payload_object(item.payload).get("replay_id")) or item.event_id or "no id"
            )
            events.setdefault((item.project, _id(found)), []).append(item)
        elif item.type == "replay_recording":
            recordings.setdefault((item.project, _id(item.event_id or "no id")), []).append(item)
    room = [MAX_READ]
    found_replays = [
        _replay(key, events.get(key, []), recordings.get(key, []), room)
        for key in dict.fromkeys([*events, *recordings])
    ]
    return sorted(found_replays, key=lambda replay: -replay.received_at)


def _replay(
    key: tuple[str, str],
    events: list[StoredItem],
    recordings: list[StoredItem],
    room: list[int],
) -> Replay:
    by_number = {_number(_recording_header(item.payload)): item.payload for item in recordings}
    segments = []
    for payload in (payload_object(item.payload) for item in events):
        recording = by_number.get(_number(payload)) if room[0] else None
        room[0] -= recording is not None
        segments.append(_Segment(_number(payload), payload, recording))
    segments.sort(key=lambda segment: segment.number)
    starts = [each.start for each in segments if each.start is not None]
    ends = [each.end for each in segments if each.end is not None]
    return Replay(
        id=key[1],
        service=key[0],
        received_at=max(item.received_at for item in [*events, *recordings]),
        segments=tuple(segment.number for segment in segments),
        start=min(starts, default=None),
        end=max(ends, default=None),
        pages=tuple(_pages(segments)),
        error_ids=_all_ids(segments, "error_ids"),
        trace_ids=_all_ids(segments, "trace_ids"),
        recordings=len(recordings),
        recording_bytes=sum(len(as_bytes(item.payload)) for item in recordings),
    )


def _pages(segments: Iterable[_Segment]) -> list[PageVisit]:
    """Return the pages in their order; of a page named repeatedly, only the first visit."""
    visits = [visit for segment in segments for visit in segment.visits()]
    visits.sort(key=lambda visit: visit.at or 0.0)
    pages: list[PageVisit] = []
    for visit in visits:
        if not pages or pages[-1].url != visit.url:
            pages.append(visit)
    return pages[:MAX_PAGES]


def as_bytes(payload: Any) -> bytes:
    """Return a payload if it is bytes, else empty bytes."""
    return payload if isinstance(payload, bytes) else b""


def _all_ids(segments: Iterable[_Segment], name: str) -> tuple[str, ...]:
    found = dict.fromkeys(
        each for segment in segments for each in _texts(segment.payload.get(name), 40)
    )
    return tuple(found)[:MAX_IDS]


def _texts(value: Any, longest: int) -> list[str]:
    texts = (truncate(as_str(each), longest) for each in as_list(value)[:MAX_PAGES])
    return [text for text in texts if text]


def _id(text: str) -> str:
    return truncate(text.replace("-", "").lower(), 40)


def _number(payload: Mapping[str, Any]) -> int:
    value = payload.get("segment_id")
    return value if type(value) is int and 0 <= value < 10**6 else 0


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > _LATEST_S:
        value = value / 1000 if value < _LATEST_S * 1000 else None
    then = plausible_time(value)
    return then.timestamp() if then else None


# Recordings


def _recording_header(payload: Any) -> Mapping[str, Any]:
    line, found, _ = as_bytes(payload)[:_LONGEST_HEADER].partition(b"\n")
    return payload_object(line) if found else {}


def _recorded_visits(recording: bytes) -> Iterator[PageVisit]:
    for event in _recorded_events(recording):
        url, time = _visit(event)
        at = _seconds(time)
        if url and at is not None:
            yield PageVisit(truncate(url, MAX_URL), at)


def _visit(event: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the address that an event of a recording opens, and when; an empty one for others."""
    data = as_mapping(event.get("data"))
    if event.get("type") == _META:
        return as_str(data.get("href")), event.get("timestamp")
    payload = as_mapping(data.get("payload"))
    operation = as_str(payload.get("op"))
    if event.get("type") == _CUSTOM and operation.startswith("navigation."):
        return as_str(payload.get("description")), payload.get("startTimestamp")
    return "", None


def _recorded_events(recording: bytes) -> list[Mapping[str, Any]]:
    """Return the events of a recording; none if it is too large, or has another form."""
    _, _, data = as_bytes(recording).partition(b"\n")
    if not data.lstrip().startswith(b"["):
        try:
            # Larger data is cut, and then not valid JSON.
            data = zlib.decompressobj(_AUTOMATIC).decompress(data, MAX_RECORDING_BYTES)
        except zlib.error:
            return []
    if len(data) > MAX_RECORDING_BYTES:
        return []
    return as_mappings(get_path(payload_object(b'{"events":' + data + b"}"), ("events",)))
