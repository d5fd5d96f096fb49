"""Minidumps: the memory of a crashed native program, as Breakpad and Crashpad upload it.

https://docs.sentry.io/platforms/native/guides/minidumps/ and Relay's endpoints/minidump.rs. Sentry
reads stack traces from it with the program's debug files; here it is stored as an attachment of
the event that Relay creates for it, which only says that there is a minidump.
"""

import logging
import re
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from kit.ingest.body import MAX_BODY_BYTES
from kit.ingest.endpoints.store_event import compose_event
from kit.ingest.envelope import BadEnvelope, hex_id, parse_object

# The response says what is wrong with a form; no log line is needed.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())
logging.getLogger("python_multipart").propagate = False

FIELD = "upload_file_minidump"
MAX_FILES = 20
MAX_FIELDS = 200
MAX_FIELD_BYTES = 1024 * 1024
# In both byte orders.
_MAGIC = (b"MDMP", b"PMDM")
_RAW_TYPES = ("application/octet-stream", "application/x-dmp")
_NESTED = re.compile(r"sentry((?:\[[^\[\]]*\])+)")
_MAX_DEPTH = 8
_ITEM = {"type": "attachment", "content_type": "application/x-dmp"}


class _InMemory(MultiPartParser):
    """Writes no file of a crash to disk; the body is in memory anyway."""

    spool_max_size = MAX_BODY_BYTES


async def minidump_envelope(content: bytes, headers: Headers) -> bytes:
    """Return an envelope with a crash reporter's upload. Raises HTTPException."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _RAW_TYPES:
        _check(content)
        dump = {**_ITEM, "filename": "Minidump", "attachment_type": "event.minidump"}
        return _with_event({}, [(dump, content)])
    if kind != "multipart/form-data":
        raise HTTPException(
            415,
            f"Send a minidump as {_RAW_TYPES[0]}, or in the field {FIELD} of multipart/form-data"
            f", not as {kind[:100] or 'nothing'}.",
        )
    fields, files = await _form(content, headers)
    if not any(name == FIELD for name, _, _ in files):
        raise HTTPException(400, f"The form has no file in the field {FIELD}.")
    return _with_event(_event(fields), [_attachment(*each) for each in files])


def hyphenated(event_id: str) -> str:
    """Return an event id in the form that crash reporters expect in the response."""
    return str(UUID(event_id))


def _check(content: bytes) -> None:
    if not content.startswith(_MAGIC):
        raise HTTPException(400, "Not a minidump: it does not begin with MDMP.")


async def _form(
    content: bytes, headers: Headers
) -> tuple[list[tuple[str, str]], list[tuple[str, str, bytes]]]:
    """Return the fields of a form, and its files, by name."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield content

    parser = _InMemory(
        headers,
        stream(),
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, str, bytes]] = []
    try:
        form = await parser.parse()
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append((name, value.filename or name, await value.read()))
            else:
                fields.append((name, value))
        await form.close()
    except (MultiPartException, KeyError, UnicodeError) as error:
        reason = getattr(error, "message", error)
        raise HTTPException(400, f"Not a form: {reason}.") from error
    return fields, files


def _attachment(field: str, filename: str, content: bytes) -> tuple[dict[str, Any], bytes]:
    named = {"filename": filename[:200]}
    if field != FIELD:
        return {"type": "attachment", **named}, content
    _check(content)
    return {**_ITEM, **named, "attachment_type": "event.minidump"}, content


def _event(fields: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the event that the fields of a form describe.

    They are JSON in the field ``sentry``, or single values, as in ``sentry[tags][version]``. All
    other fields are extra data.
    """
    event: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in fields:
        if name == "sentry" or name.startswith("sentry___"):
            # As in Relay: a crash is worth more than its description.
            with suppress(BadEnvelope):
                event.update(parse_object(value.encode("utf-8", "replace"), name))
        elif nested := _NESTED.fullmatch(name):
            _put(event, nested[1][1:-1].split("]["), value)
        else:
            extra[name] = value
    given = event.get("extra")
    return {**event, "extra": {**extra, **(given if isinstance(given, dict) else {})}}


def _put(event: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1][:_MAX_DEPTH]:
        inner = event.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        event = inner
    event[path[-1]] = value


def _with_event(event: dict[str, Any], items: list[tuple[dict[str, Any], bytes]]) -> bytes:
    """Return an envelope with the attachments and the event that represents the crash."""
    mechanism = {"type": "minidump", "handled": False, "synthetic": True}
    reason = "The minidump is attached; its stack was not read."
    crash = {"type": "Minidump", "value": reason, "mechanism": mechanism}
    whole = {
        "level": "fatal",
        "timestamp": time.time(),
        **event,
        "event_id": hex_id(event.get("event_id")) or uuid4().hex,
        "type": "error",
        "platform": "native",
        "exception": {"values": [crash]},
    }
    return compose_event(whole, attachments=items)
