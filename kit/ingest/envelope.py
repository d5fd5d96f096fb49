"""Reads Sentry envelopes: https://develop.sentry.dev/sdk/data-model/envelopes/."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, count
from typing import Any

import msgspec
from sentry_sdk.envelope import parse_json

MAX_ITEM_BYTES = 5 * 1024 * 1024
# A busy process has a hundred threads, and a profile samples all their stacks a hundred times a
# second.
MAX_PROFILE_BYTES = 16 * 1024 * 1024
MAX_ITEMS = 1000
# Sentry's own Relay accepts this depth: the recursion limit of serde_json.
MAX_DEPTH = 128

CONTAINERS = frozenset({"log", "span", "trace_metric"})
PROFILES = frozenset({"profile", "profile_chunk"})
# Items without a trace of their own: they belong to the trace of the items sent with them.
ACCOMPANYING = frozenset({"attachment", "replay_recording", "replay_video", "user_report"})
JSON_TYPES = (
    CONTAINERS
    | PROFILES
    | {
        "check_in",
        "client_report",
        "event",
        "feedback",
        "session",
        "sessions",
        "transaction",
    }
)


_HEX_ID = re.compile("[0-9a-f]{32}")


class BadEnvelope(ValueError):
    """The body is not an envelope; the message says where and why."""


class TooLarge(BadEnvelope):
    """An item exceeds the limit of its type, or there are more than ``MAX_ITEMS`` items."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an envelope: ``length`` bytes of ``body``, including its header line.

    Headers and payload are parsed on each access: as objects they would be many times as large as
    the bytes, and the item may have to wait until it is written.
    """

    type: str
    event_id: str | None
    trace_ids: frozenset[str]
    body: bytes = field(repr=False)
    offset: int
    length: int

    @property
    def data(self) -> bytes:
        """Header line and payload, as sent."""
        return self.body[self.offset : self.offset + self.length]

    @property
    def headers(self) -> dict[str, Any]:
        """The item's own header."""
        return parse_item(self.data)[0]

    @property
    def payload(self) -> Any:
        """An object for ``JSON_TYPES``, bytes for all others."""
        return parse_item(self.data)[1]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope, and ``body``, the bytes that it was parsed from."""

    body: bytes
    headers: dict[str, Any]
    items: tuple[Item, ...]

    @property
    def event_id(self) -> str | None:
        """The envelope's own id, else the id of the first item that has one."""
        own = hex_id(self.headers.get("event_id"))
        return own or next((item.event_id for item in self.items if item.event_id), None)


def parse(body: bytes) -> Envelope:
    """Parse a decompressed body. Raises BadEnvelope or TooLarge for every defect."""
    reader = _Reader(body)
    headers = parse_object(reader.line(), "the envelope header")
    return Envelope(body, headers, _with_shared_traces(tuple(_items(reader, headers))))


def parse_item(data: bytes) -> tuple[dict[str, Any], Any]:
    """Return headers and payload of one item from the bytes that an ``Item`` points at."""
    headers, payload = _split(_Reader(data), "the item")
    if headers["type"] in JSON_TYPES:
        return headers, parse_object(payload, "the payload of the item")
    return headers, payload


def compose(headers: dict[str, Any], *items: tuple[dict[str, Any], bytes]) -> bytes:
    """Return the bytes of an envelope; each item is a header without a length, and a payload."""
    lines = [json.dumps(headers).encode()]
    for header, payload in items:
        lines += [json.dumps({**header, "length": len(payload)}).encode(), payload]
    return b"\n".join([*lines, b""])


def hex_id(value: object) -> str | None:
    """Return an event or trace id as 32 lower-case hex digits; None for anything else."""
    if not isinstance(value, str):
        return None
    digits = value.replace("-", "").lower()
    return digits if _HEX_ID.fullmatch(digits) else None


class _Reader:
    """Reads a body sequentially, by lines and lengths."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.offset = 0

    def line(self) -> bytes:
        """Return the next line with its line end; empty at the end of the body."""
        start = self.offset
        self.offset = self.body.find(b"\n", start) + 1 or len(self.body)
        return self.body[start : self.offset]

    def take(self, length: int) -> bytes:
        """Return the next ``length`` bytes; fewer at the end of the body."""
        start = self.offset
        self.offset = min(start + length, len(self.body))
        return self.body[start : self.offset]


def _items(reader: _Reader, envelope_headers: dict[str, Any]) -> Iterator[Item]:
    for number in count(1):
        offset = reader.offset
        if _at_end(reader):
            return
        if number > MAX_ITEMS:
            raise TooLarge(f"the envelope has over {MAX_ITEMS} items; split it")
        headers, payload = _split(reader, f"item {number}")
        kind = headers["type"]
        claims = _claims_of(kind, payload, f"item {number}")
        yield Item(
            type=kind,
            event_id=hex_id(claims.event_id) or hex_id(envelope_headers.get("event_id")),
            trace_ids=_trace_ids(kind, claims, envelope_headers),
            body=reader.body,
            offset=offset,
            length=reader.offset - offset,
        )


def _with_shared_traces(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Give attachments and recordings the traces of the items sent with them."""
    if not any(item.type in ACCOMPANYING and not item.trace_ids for item in items):
        return items
    shared = frozenset[str]().union(*(item.trace_ids for item in items))
    return tuple(
        replace(item, trace_ids=shared)
        if item.type in ACCOMPANYING and not item.trace_ids
        else item
        for item in items
    )


def _at_end(reader: _Reader) -> bool:
    offset = reader.offset
    is_blank = not reader.line().strip()
    # The SDK's reader stops at a blank line, and the rest would be lost silently.
    if is_blank and reader.body[reader.offset :].strip():
        raise BadEnvelope(f"there is a blank line instead of an item header at byte {offset}")
    reader.offset = offset
    return is_blank


def _split(reader: _Reader, what: str) -> tuple[dict[str, Any], bytes]:
    """Return the next item's header and the bytes of its payload.

    Like the SDK's own reader, which checks neither lengths nor sizes.
    """
    headers = parse_object(reader.line(), f"the header of {what}")
    kind, length = headers.get("type"), headers.get("length")
    # This also refuses lone surrogates, which no database can store.
    if not isinstance(kind, str) or not kind or not kind.isprintable():
        raise BadEnvelope(f"the header of {what} has no type")
    if length is None:
        payload = reader.line().removesuffix(b"\n")
    elif type(length) is not int or length < 0:
        raise BadEnvelope(f"the length of {what} is not a number of bytes")
    else:
        payload = _exactly(reader, length, what)
    limit = MAX_PROFILE_BYTES if kind in PROFILES else MAX_ITEM_BYTES
    if len(payload) > limit:
        raise TooLarge(f"{what} has {len(payload)} bytes, over the limit of {limit}")
    return headers, payload


def _exactly(reader: _Reader, length: int, what: str) -> bytes:
    payload = reader.take(length)
    if len(payload) < length:
        raise BadEnvelope(f"{what} ends after {len(payload)} of its {length} bytes")
    if reader.line().strip():
        raise BadEnvelope(f"{what} continues after its {length} bytes")
    return payload


class _Claims(msgspec.Struct):
    """The ids in a payload that say where it belongs."""

    event_id: Any = None
    contexts: Any = None
    transaction: Any = None
    trace_id: Any = None
    trace_ids: Any = None
    items: Any = None


_READ_CLAIMS = msgspec.json.Decoder(_Claims).decode
# The standard library accepts these and msgspec does not: NaN and Infinity, numbers beyond a
# double, lone surrogates, bytes that are not UTF-8.
_REFUSED_BY_MSGSPEC = (msgspec.MsgspecError, UnicodeError)


def _claims_of(kind: str, payload: bytes, what: str) -> _Claims:
    """Return the ids in a payload that say where it belongs; other types have none."""
    if kind in JSON_TYPES:
        return _claims(payload, what)
    if kind == "replay_event":
        # Stored as bytes, whatever it is.
        with suppress(BadEnvelope):
            return _claims(payload, what)
    return _Claims()


def _claims(payload: bytes, what: str) -> _Claims:
    """Check that a payload is a JSON object; parse only its claims into objects."""
    _check_depth(payload, f"the payload of {what}")
    if not _may_hold_huge_integers(payload):
        try:
            return _READ_CLAIMS(payload)
        except _REFUSED_BY_MSGSPEC:
            pass
    whole = parse_object(payload, f"the payload of {what}")
    return _Claims(**{name: whole.get(name) for name in _Claims.__struct_fields__})


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Return ``data`` as a JSON object; errors call it ``what``. Raises BadEnvelope."""
    _check_depth(data, what)
    parsed = _json(data, what)
    if not isinstance(parsed, dict):
        raise BadEnvelope(f"{what} is not a JSON object")
    return parsed


def _json(data: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except _REFUSED_BY_MSGSPEC:
        pass
    try:
        return parse_json(data)
    except ValueError as error:
        raise BadEnvelope(f"{what} is not JSON: {error}") from error


# Python refuses integers with too many digits; the lowest limit that can be set is 640.
_HUGE_DIGITS = 640
_SAMPLES = 8


def _may_hold_huge_integers(data: bytes) -> bool:
    """Whether an integer may be too long for the readers: msgspec does not count skipped digits.

    A run of that many digits has a digit at several equidistant places in a row.
    """
    samples = data[:: _HUGE_DIGITS // _SAMPLES]
    return len(data) > _HUGE_DIGITS and _SAMPLED_DIGITS.search(samples) is not None


_SAMPLED_DIGITS = re.compile(b"[0-9]{%d}" % _SAMPLES)

_NOT_OPENING = bytes(set(range(256)) - set(b"[{"))
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[{]}"'))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _check_depth(data: bytes, what: str) -> None:
    """Refuse deep JSON before a parser recurses into it.

    If the kernel raised its recursion limit, the parser would overflow the C stack.
    """
    if len(data.translate(None, _NOT_OPENING)) > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise BadEnvelope(f"{what} is nested deeper than {MAX_DEPTH} levels")


def _depth(data: bytes) -> int:
    """Return how deeply brackets are nested, ignoring those in strings."""
    if b"\\" in data:
        # Escapes are removed first, so that each remaining quote opens or closes a string.
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    quoted = data.translate(None, _NO_STRUCTURE).replace(b'""', b"")
    brackets = b"".join(quoted.split(b'"')[::2])
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _trace_ids(kind: str, claims: _Claims, envelope_headers: dict[str, Any]) -> frozenset[str]:
    """Return the traces that an item belongs to, by itself or else by its envelope."""
    own = _hex_ids(_claimed_traces(kind, claims))
    return own or _hex_ids([_dig(envelope_headers, "trace", "trace_id")])


def _claimed_traces(kind: str, claims: _Claims) -> Iterable[Any]:
    if kind in CONTAINERS:
        if isinstance(claims.items, list):
            return (_dig(member, "trace_id") for member in claims.items)
        return [claims.trace_id]
    if kind == "profile":
        return [_dig(claims.transaction, "trace_id")]
    if kind == "replay_event" and isinstance(claims.trace_ids, list):
        return claims.trace_ids
    return [_dig(claims.contexts, "trace", "trace_id")]


def _hex_ids(values: Iterable[Any]) -> frozenset[str]:
    return frozenset(found for value in values if (found := hex_id(value)))


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
