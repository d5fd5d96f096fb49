"""OpenTelemetry traces and logs, as its exporters send them over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp and https://docs.sentry.io/concepts/otlp/. Spans
are converted as in Relay (relay-spans/src/otel_to_sentry_v2.rs). Sentry drops span events; here
they are kept as ``events``.
"""

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.exceptions import HTTPException

from kit.ingest.body import MAX_BODY_BYTES
from kit.ingest.envelope import MAX_ITEM_BYTES, BadEnvelope, compose, parse_object

if TYPE_CHECKING:
    from google.protobuf.message import Message

Exporting = Callable[[bytes, str], "Export"]

JSON, PROTOBUF = "application/json", "application/x-protobuf"
# For a body: the result is several times as large.
MAX_BYTES = 5 * 1024 * 1024
GROWTH = 5
# For an item, which the screen reads as a whole.
_CHUNK_BYTES = 1024 * 1024
_ERROR = 2
_KINDS = ("", "internal", "server", "client", "producer", "consumer")
_SERVER, _CLIENT, _CONSUMER = 2, 3, 5
_REMOTE_KNOWN, _REMOTE = 0x100, 0x200
_LEVELS = ("info", "trace", "debug", "info", "warn", "error", "fatal")
_IDS = ("traceId", "spanId", "parentSpanId")
_HEX = re.compile("([0-9a-fA-F]{2})+")
# As Relay writes it: this distinguishes them from items sent by Sentry's SDKs.
_ORIGIN = "sentry.origin"
_NAMESPACES = (("db.", "db"), ("rpc.", "rpc"), ("messaging.", "queue"), ("gen_ai.", "gen_ai"))


class Export(NamedTuple):
    """The result of an export: an envelope, unless it is empty, and the bytes of the response."""

    envelope: bytes | None
    answer: bytes


def export_traces(content: bytes, kind: str) -> Export:
    """Return the spans of a trace export. Raises HTTPException."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

    export = _read(service.ExportTraceServiceRequest(), content, kind)
    spans = (
        _span(span, common)
        for group in export.resource_spans
        for scope, common in _scopes(group, group.scope_spans)
        for span in scope.spans
    )
    chunks, reason = _chunks(spans)
    sent = sum(len(scope.spans) for group in export.resource_spans for scope in group.scope_spans)
    rejected = sent - sum(map(len, chunks))
    answer = service.ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = reason
    return Export(_envelope("span", chunks), _written(answer, kind))


def export_logs(content: bytes, kind: str) -> Export:
    """Return the log records of a log export. Raises HTTPException."""
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as service

    export = _read(service.ExportLogsServiceRequest(), content, kind)
    records = (
        _record(record, common)
        for group in export.resource_logs
        for scope, common in _scopes(group, group.scope_logs)
        for record in scope.log_records
    )
    chunks, reason = _chunks(records)
    sent = sum(len(each.log_records) for group in export.resource_logs for each in group.scope_logs)
    rejected = sent - sum(map(len, chunks))
    answer = service.ExportLogsServiceResponse()
    if rejected:
        answer.partial_success.rejected_log_records = rejected
        answer.partial_success.error_message = reason
    return Export(_envelope("log", chunks), _written(answer, kind))


def exported_type(content_type: str) -> str:
    """Return which of the two formats an export has. Raises HTTPException."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (JSON, PROTOBUF):
        raise HTTPException(
            415, f"OTLP is {PROTOBUF} or {JSON}, not {kind[:100] or 'a missing Content-Type'}."
        )
    return kind


def _read(message: Any, content: bytes, kind: str) -> Any:
    from google.protobuf.json_format import ParseDict
    from google.protobuf.json_format import ParseError as BadJson
    from google.protobuf.message import DecodeError

    try:
        if kind == JSON:
            sent = _with_ids_in_base64(parse_object(content, "the export"))
            return ParseDict(sent, message, ignore_unknown_fields=True)
        message.ParseFromString(content)
    except (BadEnvelope, BadJson, DecodeError, ValueError, TypeError, AttributeError) as error:
        raise HTTPException(400, f"Not an OTLP export: {str(error)[:300]}.") from error
    return message


def _with_ids_in_base64(value: Any) -> Any:
    """Return JSON with ids in base64, as protobuf's reader expects bytes; OTLP has them in hex."""
    if isinstance(value, list):
        return [_with_ids_in_base64(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _in_base64(each) if name in _IDS else _with_ids_in_base64(each)
        for name, each in value.items()
    }


def _in_base64(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # An invalid id becomes a span without one, and only that span is rejected.
    return b64encode(bytes.fromhex(value)).decode() if _HEX.fullmatch(value) else ""


def _written(answer: "Message", kind: str) -> bytes:
    from google.protobuf.json_format import MessageToJson

    if kind == JSON:
        return str(MessageToJson(answer)).encode()
    return bytes(answer.SerializeToString())


def _scopes(group: Any, scopes: Iterable[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each scope of a group, with the attributes that its members share."""
    resource = _attributes(group.resource.attributes)
    common = {f"resource.{name}": value for name, value in resource.items()}
    if "service.name" in resource:
        common["service.name"] = resource["service.name"]
    for scope in scopes:
        own = {
            f"instrumentation.{name}": {"type": "string", "value": value}
            for name, value in (("name", scope.scope.name), ("version", scope.scope.version))
            if value
        }
        yield scope, {**common, **own}


def _span(span: Any, common: dict[str, Any]) -> dict[str, Any] | None:
    """Return a span in the form in which SDKs stream it; None when it has no ids."""
    trace_id, span_id = _id(span.trace_id, 16), _id(span.span_id, 8)
    if not trace_id or not span_id:
        return None
    own = _attributes(span.attributes)
    op = _op(span.kind, own)
    if op and "sentry.op" not in own:
        own["sentry.op"] = {"type": "string", "value": op}
    if span.status.message:
        own["sentry.status.message"] = {"type": "string", "value": span.status.message}
    parent_id = _id(span.parent_span_id, 8)
    found = {
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": parent_id or None,
        "name": span.name or op or None,
        "status": "error" if span.status.code == _ERROR else "ok",
        "kind": _KINDS[span.kind] if 0 < span.kind < len(_KINDS) else None,
        "is_segment": _is_segment(span, parent_id),
        "start_timestamp": span.start_time_unix_nano / 1e9,
        "end_timestamp": span.end_time_unix_nano / 1e9,
        "links": [_link(each) for each in span.links],
        "events": [_event(each) for each in span.events],
        "attributes": {**common, **own, **_origin("spans")},
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _origin(what: str) -> dict[str, Any]:
    return {_ORIGIN: {"type": "string", "value": f"auto.otlp.{what}"}}


def _is_segment(span: Any, parent_id: str) -> bool:
    """Whether a span covers everything that its service does for one request."""
    if span.flags & _REMOTE_KNOWN:
        return not parent_id or bool(span.flags & _REMOTE)
    # Older SDKs do not report where the parent is: for these kinds it is in another service.
    return not parent_id or span.kind in (_SERVER, _CONSUMER)


def _op(kind: int, attributes: dict[str, Any]) -> str:
    """Return the operation that Sentry would show, from OpenTelemetry's conventions."""
    if "http.request.method" in attributes or "http.method" in attributes:
        return {_SERVER: "http.server", _CLIENT: "http.client"}.get(kind, "http")
    for prefix, op in _NAMESPACES:
        if any(name.startswith(prefix) for name in attributes):
            return op
    return ""


def _link(link: Any) -> dict[str, Any]:
    return {
        "trace_id": link.trace_id.hex(),
        "span_id": link.span_id.hex(),
        "sampled": bool(link.flags & 1),
        "attributes": _attributes(link.attributes),
    }


def _event(event: Any) -> dict[str, Any]:
    return {
        "name": event.name,
        "timestamp": event.time_unix_nano / 1e9,
        "attributes": _attributes(event.attributes),
    }


def _record(record: Any, common: dict[str, Any]) -> dict[str, Any] | None:
    """Return a log record in the form in which SDKs send it."""
    time = record.time_unix_nano or record.observed_time_unix_nano
    level = _LEVELS[min((max(record.severity_number, 0) + 3) // 4, len(_LEVELS) - 1)]
    body = _plain(record.body)
    found = {
        "timestamp": time / 1e9,
        "trace_id": _id(record.trace_id, 16) or None,
        "span_id": _id(record.span_id, 8) or None,
        "level": level,
        "severity_number": record.severity_number,
        "body": body if isinstance(body, str) else "" if body is None else json.dumps(body),
        "attributes": {**common, **_attributes(record.attributes), **_origin("logs")},
    }
    return {name: value for name, value in found.items() if value is not None}


def _id(value: bytes, length: int) -> str:
    """Return an id in hex; empty for an invalid one, such as all zeros."""
    return value.hex() if len(value) == length and any(value) else ""


def _attributes(given: Iterable[Any]) -> dict[str, Any]:
    typed = ((each.key, _typed(_plain(each.value))) for each in given)
    return {name: value for name, value in typed if value is not None}


_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "double", str: "string"}


def _typed(value: Any) -> dict[str, Any] | None:
    """Return a value with its type; None for what Relay drops."""
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, list):
        # As in Relay; an attribute may not contain nested lists.
        value = json.dumps([each for each in value if type(each) in _TYPES])
    elif isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    return {"type": _TYPES[type(value)], "value": value}


def _plain(value: Any) -> Any:
    """Return an attribute's value as JSON; None for bytes that are not text."""
    which = value.WhichOneof("value")
    if which == "array_value":
        return [_plain(each) for each in value.array_value.values]
    if which == "kvlist_value":
        return {each.key: _plain(each.value) for each in value.kvlist_value.values}
    if which == "bytes_value":
        try:
            return value.bytes_value.decode()
        except UnicodeDecodeError:
            return None
    found = getattr(value, which) if which else None
    return found if type(found) in _TYPES else None


def _chunks(given: Iterable[dict[str, Any] | None]) -> tuple[list[list[bytes]], str]:
    """Return what to store as JSON, in parts of bounded size, and why the rest is rejected.

    The attributes of a group are repeated in each of its spans, which could add up to gigabytes, so
    the sum is bounded.
    """
    chunks: list[list[bytes]] = []
    reason, size, room = "", 0, 0
    for each in given:
        if each is None:
            reason = "Some have no valid traceId and spanId."
            continue
        data = msgspec.json.encode(each)
        size += len(data)
        if size > MAX_BODY_BYTES:
            return chunks, f"With all attributes it is over {MAX_BODY_BYTES} bytes."
        if len(data) > MAX_ITEM_BYTES // 2:
            reason = f"Some are over {MAX_ITEM_BYTES // 2} bytes."
            continue
        if len(data) > room:
            chunks.append([])
            room = _CHUNK_BYTES
        chunks[-1].append(data)
        room -= len(data)
    return chunks, reason


def _envelope(kind: str, chunks: list[list[bytes]]) -> bytes | None:
    content_type = f"application/vnd.sentry.items.{'span.v2' if kind == 'span' else kind}+json"
    version = b'{"version":2,' if kind == "span" else b"{"
    items = [
        (
            {"type": kind, "item_count": len(each), "content_type": content_type},
            version + b'"items":[' + b",".join(each) + b"]}",
        )
        for each in chunks
    ]
    return compose({}, *items) if items else None
