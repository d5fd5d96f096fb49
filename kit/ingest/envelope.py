"""Reading Sentry envelopes: https://develop.sentry.dev/sdk/data-model/envelopes/."""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count
from typing import Any

from sentry_sdk.envelope import Item as SdkItem
from sentry_sdk.envelope import parse_json

MAX_ITEM_BYTES = 5 * 1024 * 1024
MAX_ITEMS = 1000
# What Sentry's own Relay accepts: the recursion limit of serde_json.
MAX_DEPTH = 128

CONTAINERS = frozenset({"log", "span", "trace_metric"})
JSON_TYPES = CONTAINERS | {
    "check_in",
    "client_report",
    "event",
    "feedback",
    "profile",
    "profile_chunk",
    "session",
    "sessions",
    "transaction",
}


class BadEnvelope(ValueError):
    """The body is not an envelope; the message says where and why."""


class TooLarge(BadEnvelope):
    """An item is over ``MAX_ITEM_BYTES``, or there are over ``MAX_ITEMS`` of them."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of an envelope; ``length`` bytes of ``body``, its header line included.

    Headers and payload are read anew whenever they are asked for: as objects they would be many
    times as large as the bytes, for as long as the item waits to be written.
    """

    type: str
    event_id: str | None
    trace_ids: frozenset[str]
    body: bytes = field(repr=False)
    offset: int
    length: int

    @property
    def data(self) -> bytes:
        """Header line and payload, as they were sent."""
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
        """The id that the envelope gives itself, else that of its first item with one."""
        own = hex_id(self.headers.get("event_id"))
        return own or next((item.event_id for item in self.items if item.event_id), None)


def parse(body: bytes) -> Envelope:
    """Parse a decompressed body. Raises BadEnvelope, or TooLarge, for every defect."""
    stream = io.BytesIO(body)
    headers = _object(stream.readline(), "the envelope header")
    return Envelope(body, headers, tuple(_items(body, stream, headers)))


def parse_item(data: bytes) -> tuple[dict[str, Any], Any]:
    """Return headers and payload of one item, given the bytes that an ``Item`` points at."""
    return _read_item(io.BytesIO(data), "the item")


def hex_id(value: object) -> str | None:
    """Return an event or trace id as 32 lower-case hex digits; None for anything else."""
    if not isinstance(value, str):
        return None
    digits = value.replace("-", "").lower()
    return digits if re.fullmatch("[0-9a-f]{32}", digits) else None


def _items(body: bytes, stream: io.BytesIO, envelope_headers: dict[str, Any]) -> Iterator[Item]:
    for number in count(1):
        offset = stream.tell()
        if _at_end(stream):
            return
        if number > MAX_ITEMS:
            raise TooLarge(f"the envelope has over {MAX_ITEMS} items; send several envelopes")
        headers, payload = _read_item(stream, f"item {number}")
        yield Item(
            type=headers["type"],
            event_id=_event_id(payload, envelope_headers),
            trace_ids=_trace_ids(headers["type"], payload, envelope_headers),
            body=body,
            offset=offset,
            length=stream.tell() - offset,
        )


def _at_end(stream: io.BytesIO) -> bool:
    offset = stream.tell()
    if stream.readline().strip():
        stream.seek(offset)
        return False
    # The SDK's reader stops at a blank line; whatever follows one would be lost unseen.
    if stream.read().strip():
        raise BadEnvelope(f"there is a blank line instead of an item header at byte {offset}")
    return True


def _read_item(stream: io.BytesIO, what: str) -> tuple[dict[str, Any], Any]:
    """Let the SDK read an item that was looked over first: it checks no length and no depth."""
    start = stream.tell()
    headers, payload = _look_ahead(stream, what)
    if headers["type"] in JSON_TYPES:
        _check_depth(payload, f"the payload of {what}")
    stream.seek(start)
    try:
        item = SdkItem.deserialize_from(stream)
    except ValueError as error:
        raise BadEnvelope(f"the payload of {what} is not JSON: {error}") from error
    assert item is not None, "a header line was seen"
    if headers["type"] not in JSON_TYPES:
        return item.headers, payload
    parsed = item.payload.json
    if parsed is None:
        parsed = _json(payload, f"the payload of {what}")
    if not isinstance(parsed, dict):
        raise BadEnvelope(f"the payload of {what} is not a JSON object")
    return item.headers, parsed


def _look_ahead(stream: io.BytesIO, what: str) -> tuple[dict[str, Any], bytes]:
    headers = _object(stream.readline(), f"the header of {what}")
    kind, length = headers.get("type"), headers.get("length")
    # Not printable are, among others, lone surrogates, which no database can store.
    if not isinstance(kind, str) or not kind or not kind.isprintable():
        raise BadEnvelope(f"the header of {what} has no type")
    if length is None:
        payload = stream.readline().removesuffix(b"\n")
    elif type(length) is not int or length < 0:
        raise BadEnvelope(f"the length of {what} is not a number of bytes")
    else:
        payload = _exactly(stream, length, what)
    if len(payload) > MAX_ITEM_BYTES:
        raise TooLarge(f"{what} has {len(payload)} bytes, over the limit of {MAX_ITEM_BYTES}")
    return headers, payload


def _exactly(stream: io.BytesIO, length: int, what: str) -> bytes:
    payload = stream.read(min(length, stream.getbuffer().nbytes))
    if len(payload) < length:
        raise BadEnvelope(f"{what} ends after {len(payload)} of its {length} bytes")
    if stream.readline().strip():
        raise BadEnvelope(f"{what} goes on after its {length} bytes")
    return payload


def _object(line: bytes, what: str) -> dict[str, Any]:
    parsed = _json(line, what)
    if not isinstance(parsed, dict):
        raise BadEnvelope(f"{what} is not a JSON object")
    return parsed


def _json(data: bytes, what: str) -> Any:
    _check_depth(data, what)
    try:
        return parse_json(data)
    except ValueError as error:
        raise BadEnvelope(f"{what} is not JSON: {error}") from error


_STRUCTURE = b'[{]}"'
_REST = bytes(set(range(256)) - set(_STRUCTURE))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _check_depth(data: bytes, what: str) -> None:
    """Refuse deep JSON before a parser recurses into it.

    A kernel may have raised its recursion limit, and then the parser overflows the C stack.
    """
    if b"\\" in data:
        # Escapes go first, so that each quote left over opens or closes a string.
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    quoted = data.translate(None, _REST).replace(b'""', b"")
    brackets = b"".join(quoted.split(b'"')[::2])
    if any(depth > MAX_DEPTH for depth in accumulate(map(_STEP.__getitem__, brackets))):
        raise BadEnvelope(f"{what} is nested deeper than {MAX_DEPTH} levels")


def _event_id(payload: Any, envelope_headers: dict[str, Any]) -> str | None:
    return hex_id(_dig(payload, "event_id")) or hex_id(envelope_headers.get("event_id"))


def _trace_ids(kind: str, payload: Any, envelope_headers: dict[str, Any]) -> frozenset[str]:
    """Where an item says to which traces it belongs; the envelope speaks for those that do not."""
    own = _hex_ids(_claimed_traces(kind, payload))
    return own or _hex_ids([_dig(envelope_headers, "trace", "trace_id")])


def _claimed_traces(kind: str, payload: Any) -> Iterable[Any]:
    if kind in CONTAINERS:
        items = _dig(payload, "items")
        members = items if isinstance(items, list) else [payload]
        return (_dig(member, "trace_id") for member in members)
    if kind == "profile":
        return [_dig(payload, "transaction", "trace_id")]
    return [_dig(payload, "contexts", "trace", "trace_id")]


def _hex_ids(values: Iterable[Any]) -> frozenset[str]:
    return frozenset(found for value in values if (found := hex_id(value)))


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
