"""The store endpoint: one event as JSON, as SDKs sent it before envelopes.

https://develop.sentry.dev/sdk/foundations/transport/ and Relay's endpoints/store.rs
"""

import binascii
import json
import zlib
from base64 import b64decode
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from starlette.exceptions import HTTPException

from kit.ingest.body import MAX_BODY_BYTES
from kit.ingest.envelope import BadEnvelope, compose, hex_id, parse_object

# The response for a page that sends its event in an image URL: one transparent pixel.
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")


def event_envelope(content: bytes) -> bytes:
    """Return an envelope with the event in a body. Raises HTTPException.

    Old SDKs compress the JSON themselves and encode that in base64.
    """
    content = _plain(content)
    try:
        event = parse_object(content, "the event")
    except BadEnvelope as error:
        raise HTTPException(400, f"Not an event: {error}.") from error
    return compose_event(event, content)


def compose_event(
    event: dict[str, Any],
    content: bytes = b"",
    attachments: Iterable[tuple[dict[str, Any], bytes]] = (),
) -> bytes:
    """Return an envelope with an event and attachments; an event without an id gets one.

    ``content`` is the event's JSON as sent, if any. Raises HTTPException for an invalid id.
    """
    given = event.get("event_id")
    event_id = hex_id(given) if given is not None else uuid4().hex
    if event_id is None:
        raise HTTPException(400, "Not an event: its event_id is not 32 hexadecimal digits.")
    if given is None or not content:
        content = json.dumps({**event, "event_id": event_id}).encode()
    kind = "transaction" if event.get("type") == "transaction" else "event"
    item = {"type": kind, "content_type": "application/json"}
    return compose({"event_id": event_id}, (item, content), *attachments)


def _plain(content: bytes) -> bytes:
    content = content.strip()
    if not content:
        raise HTTPException(400, "The body is empty; send an event as JSON.")
    if content.startswith(b"{"):
        return content
    try:
        packed = b64decode(content, validate=True)
        if packed.startswith(b"{"):
            return packed
        unpacking = zlib.decompressobj()
        unpacked = unpacking.decompress(packed, MAX_BODY_BYTES // 4)
    except (binascii.Error, zlib.error) as error:
        raise HTTPException(
            400, f"Not an event: it is neither JSON nor JSON in zlib and base64: {error}."
        ) from error
    if unpacking.unconsumed_tail:
        raise HTTPException(413, f"The event is over {MAX_BODY_BYTES // 4} bytes.")
    return unpacked
