"""Items by type: how many there are, which view shows them, and how they were sent.

Items without a view are shown as they were sent, so that everything stored is visible.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kit.ingest.envelope import BadEnvelope, parse_object
from kit.ingest.store import StoredItem
from kit.reading.payload import as_mapping, escape_bidi, truncate
from kit.words import count_noun

MAX_TYPES = 30
# How many of each type, the newest, and how many characters of each.
MAX_RAW = 2
MAX_RAW_TEXT = 2000
MAX_RAW_BYTES = 64
_MAX_TYPE = 60

OF_A_PROJECT = "workshop.project(name)"

# Where to see the items of a type.
VIEWS = {
    "event": "event cards and workshop.issues()",
    "transaction": "the waterfall of its trace, workshop.trace(trace_id)",
    "span": "the waterfall of its trace, workshop.trace(trace_id)",
    "log": "the log explorer, workshop.trace_logs(trace_id)",
    "session": "workshop.release_health()",
    "sessions": "workshop.release_health()",
    "check_in": "workshop.check_ins()",
    "client_report": "workshop.sent_and_dropped()",
    "profile_chunk": "a flame graph, outcome.profile",
    "attachment": OF_A_PROJECT,
    "feedback": OF_A_PROJECT,
    "user_report": OF_A_PROJECT,
    "trace_metric": OF_A_PROJECT,
    "replay_event": f"{OF_A_PROJECT}, and the waterfall of its traces",
    "replay_recording": OF_A_PROJECT,
}


@dataclass(frozen=True)
class RawItem:
    """An item as it was sent, cut to a readable length, with a remark on what was cut."""

    text: str
    remark: str = ""


@dataclass(frozen=True)
class ItemGroup:
    """Items of one type. ``view`` says where else to see them; empty if only here, raw."""

    noun: str
    count: int
    view: str
    raw: tuple[RawItem, ...]

    @property
    def phrase(self) -> str:
        """How many there are, with their noun."""
        return count_noun(self.count, self.noun)

    @property
    def unshown(self) -> int:
        """How many are not shown raw."""
        return self.count - len(self.raw)


def group_items(items: Iterable[StoredItem]) -> list[ItemGroup]:
    """Return items by type, the newest of each type raw."""
    by_type: dict[str, list[StoredItem]] = {}
    for item in items:
        by_type.setdefault(item.type, []).append(item)
    counts = {kind: len(some) for kind, some in sorted(by_type.items())}
    return count_items(counts, lambda kind: _newest(by_type[kind]))


def count_items(
    counts: Mapping[str, int], newest: Callable[[str], Sequence[StoredItem]]
) -> list[ItemGroup]:
    """Return how many items of each type there are, and the newest of each type raw.

    ``newest`` returns the latter, given the type. It is called for the first ``MAX_TYPES`` types.
    """
    return [
        ItemGroup(
            item_noun(kind),
            count,
            VIEWS.get(kind, ""),
            tuple(map(raw_item, newest(kind))) if number < MAX_TYPES else (),
        )
        for number, (kind, count) in enumerate(counts.items())
    ]


def item_noun(kind: str) -> str:
    """Return the noun for items of a type."""
    return f"{escape_bidi(truncate(kind, _MAX_TYPE))} item"


def raw_item(item: StoredItem) -> RawItem:
    """Return an item as it was sent: its header, then its payload."""
    header = raw_value(item.headers or {"type": item.type})
    payload = raw_value(item.payload)
    return RawItem(f"{header.text}\n{payload.text}", payload.remark)


def raw_value(value: Any) -> RawItem:
    """Return a value as JSON, or bytes as text if they are text; it may be cut."""
    if isinstance(value, bytes):
        return _raw_bytes(value)
    text = ""
    try:
        # Piece by piece: a profile has megabytes, and a page needs the first lines.
        for piece in json.JSONEncoder(ensure_ascii=False, indent=1, default=repr).iterencode(value):
            text += escape_bidi(piece[: MAX_RAW_TEXT + 1])
            if len(text) > MAX_RAW_TEXT:
                return RawItem(text[:MAX_RAW_TEXT] + "…", _cut_after(MAX_RAW_TEXT))
    except (RecursionError, ValueError):
        return RawItem(text, "The rest cannot be printed as JSON.")
    return RawItem(text)


def printable_text(value: bytes) -> str | None:
    """Return bytes as text; None if they are not printable."""
    try:
        text = escape_bidi(value.decode())
    except UnicodeDecodeError:
        return None
    some = islice(text, MAX_RAW_TEXT)
    return text if all(each.isprintable() or each in "\n\r\t" for each in some) else None


def payload_object(payload: Any) -> Mapping[str, Any]:
    """Return the JSON object that a payload is, or contains as bytes; else an empty one.

    Bytes are read as the ingest reads them, which rejects what is nested too deeply.
    """
    if isinstance(payload, bytes):
        with suppress(BadEnvelope):
            return parse_object(payload, "the payload")
        return {}
    return as_mapping(payload)


def _raw_bytes(value: bytes) -> RawItem:
    text = printable_text(value)
    if text is None:
        some = value[:MAX_RAW_BYTES].hex(" ")
        first = f", the first {MAX_RAW_BYTES} in hex" if len(value) > MAX_RAW_BYTES else ", in hex"
        return RawItem(some, f"{count_noun(len(value), 'byte')} of binary data{first}.")
    if len(text) > MAX_RAW_TEXT:
        return RawItem(text[:MAX_RAW_TEXT] + "…", _cut_after(MAX_RAW_TEXT))
    return RawItem(text)


def _newest(items: Sequence[StoredItem]) -> list[StoredItem]:
    return sorted(items, key=lambda item: -item.received_at)[:MAX_RAW]


def _cut_after(characters: int) -> str:
    return f"Cut after {characters:,} characters. workshop.store.items() has all of it."
