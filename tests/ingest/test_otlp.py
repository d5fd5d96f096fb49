"""Traces and logs of OpenTelemetry become those that the SDKs send."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service

from kit.ingest.endpoints.otlp import MAX_BYTES
from kit.ingest.store import Store
from kit.outcome import read_trace
from kit.reading.logs import read_logs
from kit.reading.spans import read_spans
from tests.ingest.sending import Ingest, client, running

pytestmark = pytest.mark.system

PATH = "/api/1/integration/otlp/v1/traces"
JSON, PROTOBUF = "application/json", "application/x-protobuf"
TRACE, FRONT, BACK = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b173", "eee19b7ec3c1b174"
IDS = {"traceId": "trace_id", "spanId": "span_id", "parentSpanId": "parent_span_id"}
LINK_IDS = list(IDS.items())[:2]
START_NS = 1_790_000_000_123_456_789


@pytest.fixture(scope="module")
def running_ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    path = tmp_path_factory.mktemp("otlp") / "captured.sqlite3"
    with closing(Store(path)) as store, running(store) as ingest:
        yield ingest


@pytest.fixture
def ingest(running_ingest: Ingest) -> Ingest:
    """An ingest without anything stored."""
    running_ingest.store._writer.execute("DELETE FROM envelopes")
    return running_ingest


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def span(**fields: Any) -> dict[str, Any]:
    """Return a span as JSON of OTLP has it."""
    return {
        "traceId": TRACE,
        "spanId": FRONT,
        "name": "GET /cart",
        "kind": 2,
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 250_000_000),
        **fields,
    }


def export(*spans: dict[str, Any], service: str = "shop") -> dict[str, Any]:
    scope = {"scope": {"name": "http", "version": "1.2"}, "spans": list(spans)}
    resource = {"attributes": [text("service.name", service), text("host.name", "till-7")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def binary(given: dict[str, Any]) -> bytes:
    """Return an export as protobuf."""
    (group,) = given["resourceSpans"]
    (scope,) = group["scopeSpans"]
    message = trace_service.ExportTraceServiceRequest()
    added = message.resource_spans.add()
    ParseDict(group["resource"], added.resource)
    kept = added.scope_spans.add()
    ParseDict(scope["scope"], kept.scope)
    for each in scope["spans"]:
        links = each.get("links", [])
        found = kept.spans.add()
        ParseDict({k: v for k, v in each.items() if k != "links" and k not in IDS}, found)
        for name, attribute in IDS.items():
            setattr(found, attribute, bytes.fromhex(each.get(name, "")))
        for link in links:
            ids = {attribute: bytes.fromhex(link[name]) for name, attribute in LINK_IDS}
            found.links.add(**ids, flags=link.get("flags", 0))
    return bytes(message.SerializeToString())


def post(ingest: Ingest, given: Any, kind: str = JSON, path: str = PATH) -> httpx.Response:
    content = json.dumps(given).encode() if kind == JSON else binary(given)
    return ingest.post(content, path, **{"Content-Type": kind})


def stored_spans(ingest: Ingest) -> list[Any]:
    """Return the spans as they are stored: as an SDK would have sent them."""
    items = ingest.store.items(type="span")
    for item in items:
        assert item.headers["content_type"] == "application/vnd.sentry.items.span.v2+json"
        assert item.headers["item_count"] == len(item.payload["items"])
        assert item.payload["version"] == 2
    return [span for item in items for span in item.payload["items"]]


WHOLE = span(
    parentSpanId=BACK,
    flags=0x301,
    status={"code": 2, "message": "the till is empty"},
    attributes=[
        text("http.request.method", "GET"),
        {"key": "count", "value": {"intValue": "-9007199254740993"}},
        {"key": "ratio", "value": {"doubleValue": 0.5}},
        {"key": "odd", "value": {"doubleValue": "NaN"}},
        {"key": "paid", "value": {"boolValue": True}},
        {"key": "reels", "value": {"arrayValue": {"values": [{"stringValue": "seven"}]}}},
        {"key": "nested", "value": {"kvlistValue": {"values": []}}},
        {"key": "none"},
    ],
    links=[{"traceId": "b" * 32, "spanId": "c" * 16, "flags": 1}],
    events=[{"name": "exception", "timeUnixNano": str(START_NS), "attributes": [text("a", "b")]}],
)


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_span_becomes_one_of_an_sdk(ingest: Ingest, kind: str, slash: str) -> None:
    answer = post(ingest, export(WHOLE), kind, PATH + slash)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.content == (b"{}" if kind == JSON else b"")
    (found,) = stored_spans(ingest)
    attributes = found.pop("attributes")
    assert found.pop("start_timestamp") == pytest.approx(START_NS / 1e9)
    assert found.pop("end_timestamp") == pytest.approx(START_NS / 1e9 + 0.25)
    assert found.pop("events") == [
        {
            "name": "exception",
            "timestamp": pytest.approx(START_NS / 1e9),
            "attributes": {"a": {"type": "string", "value": "b"}},
        }
    ]
    assert found == {
        "trace_id": TRACE,
        "span_id": FRONT,
        "parent_span_id": BACK,
        "name": "GET /cart",
        "status": "error",
        "kind": "server",
        "is_segment": True,
        "links": [{"trace_id": "b" * 32, "span_id": "c" * 16, "sampled": True, "attributes": {}}],
    }
    assert {name: (each["type"], each["value"]) for name, each in attributes.items()} == {
        "service.name": ("string", "shop"),
        "resource.service.name": ("string", "shop"),
        "resource.host.name": ("string", "till-7"),
        "instrumentation.name": ("string", "http"),
        "instrumentation.version": ("string", "1.2"),
        "http.request.method": ("string", "GET"),
        "count": ("integer", -9007199254740993),
        "ratio": ("double", 0.5),
        "odd": ("string", "nan"),
        "paid": ("boolean", True),
        "reels": ("string", '["seven"]'),
        "sentry.op": ("string", "http.server"),
        "sentry.origin": ("string", "auto.otlp.spans"),
        "sentry.status.message": ("string", "the till is empty"),
    }


@pytest.mark.parametrize(
    ("fields", "is_segment"),
    [
        ({}, True),
        ({"kind": 1}, True),
        ({"parentSpanId": BACK}, True),
        ({"parentSpanId": BACK, "kind": 5}, True),
        ({"parentSpanId": BACK, "kind": 3}, False),
        ({"parentSpanId": BACK, "kind": 1, "flags": 0x300}, True),
        ({"parentSpanId": BACK, "kind": 2, "flags": 0x100}, False),
        ({"parentSpanId": "0" * 16, "kind": 1}, True),
    ],
)
def test_what_covers_a_request_is_the_service_span(
    ingest: Ingest, fields: dict[str, Any], is_segment: bool
) -> None:
    post(ingest, export(span(**fields)))
    (found,) = stored_spans(ingest)
    assert found["is_segment"] is is_segment


def test_the_spans_of_two_services_are_one_waterfall(ingest: Ingest) -> None:
    call = span(spanId=BACK, name="POST /charge", kind=3, parentSpanId=FRONT)
    charge = span(spanId="a" * 16, name="charge", kind=2, parentSpanId=BACK)
    post(ingest, export(span(), call), JSON)
    headers = {"X-Sentry-Auth": "Sentry sentry_key=key-2", "Content-Type": PROTOBUF}
    with client() as http:
        url = f"{ingest.url}/api/2/integration/otlp/v1/traces"
        sent = gzip.compress(binary(export(charge, service="till")))
        answer = http.post(url, content=sent, headers={**headers, "Content-Encoding": "gzip"})
    assert answer.status_code == 200
    spans = read_spans(ingest.store.items(trace_id=TRACE)).spans
    assert {each.id: each.parent_id for each in spans} == {FRONT: "", BACK: FRONT, "a" * 16: BACK}
    assert {each.service for each in spans} == {"shop", "till"}
    drawn = read_trace(ingest.store, TRACE)._repr_html_()
    assert all(name in drawn for name in ("GET /cart", "POST /charge", "charge"))


def test_two_services_that_share_a_dsn_are_told_apart(ingest: Ingest) -> None:
    call = span(spanId=BACK, name="POST /charge", kind=3, parentSpanId=FRONT)
    charge = span(spanId="a" * 16, name="charge", kind=2, parentSpanId=BACK)
    post(ingest, export(span(), call))
    post(ingest, export(charge, service="till"), PROTOBUF)
    assert {item.project for item in ingest.store.items(type="span")} == {"gateway"}
    trace = read_trace(ingest.store, TRACE)
    segments = {(each.name, each.service) for each in trace.segments}
    assert segments == {("GET /cart", "shop"), ("charge", "till")}
    assert "2 services" in trace._repr_html_()


def test_a_service_without_a_name_is_that_of_its_dsn(ingest: Ingest) -> None:
    # No span may name the service of all: only the resource does.
    given = export(span(attributes=[text("service.name", "till")]))
    given["resourceSpans"][0]["resource"] = {}
    post(ingest, given)
    assert [each.service for each in read_trace(ingest.store, TRACE)] == ["gateway"]


def test_spans_without_ids_are_rejected_by_themselves(ingest: Ingest) -> None:
    bad = [
        span(traceId="0" * 32),
        span(spanId=""),
        span(spanId="abc"),
        span(traceId="zz" * 16),
        {},
    ]
    answer = post(ingest, export(span(), *bad))
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert int(partial["rejectedSpans"]) == 5
    assert "traceId" in partial["errorMessage"]
    assert len(stored_spans(ingest)) == 1
    answer = post(ingest, export(span(spanId="")), PROTOBUF)
    told = trace_service.ExportTraceServiceResponse.FromString(answer.content)
    assert told.partial_success.rejected_spans == 1
    assert len(stored_spans(ingest)) == 1


def test_an_export_without_spans_stores_nothing(ingest: Ingest) -> None:
    assert post(ingest, export()).json() == {}
    assert ingest.post(b"", PATH, **{"Content-Type": PROTOBUF}).status_code == 200
    assert ingest.store.items() == []


def test_what_many_spans_have_in_common_does_not_fill_the_memory(ingest: Ingest) -> None:
    given = export(*(span(spanId=f"{n:016x}") for n in range(1, 200)))
    resource = given["resourceSpans"][0]["resource"]
    resource["attributes"].append(text("banner", "x" * 1_000_000))
    answer = post(ingest, given)
    assert answer.status_code == 200
    kept = len(stored_spans(ingest))
    assert 0 < kept < 25
    assert int(answer.json()["partialSuccess"]["rejectedSpans"]) == 199 - kept


@pytest.mark.parametrize(
    ("sent", "kind", "status", "reason"),
    [
        (b"{", JSON, 400, "Not an OTLP export"),
        (b"[]", JSON, 400, "Not an OTLP export"),
        (b'{"resourceSpans": 1}', JSON, 400, "Not an OTLP export"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": {}}]}]}]}', JSON, 400, "Not an"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 1}]}]}]}', JSON, 400, "Not"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, JSON, 400, "nested deeper"),
        (b"\xff", PROTOBUF, 400, "Not an OTLP export"),
        (b"", "text/plain", 415, "not text/plain"),
        (bytes(MAX_BYTES + 1), PROTOBUF, 413, f"over {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_export_is_refused(
    ingest: Ingest, sent: bytes, kind: str, status: int, reason: str
) -> None:
    answer = ingest.post(sent, PATH, **{"Content-Type": kind})
    assert answer.status_code == status
    assert reason in answer.json()["detail"]
    assert ingest.store.items() == []


def test_unknown_fields_are_of_a_newer_version(ingest: Ingest) -> None:
    assert post(ingest, {**export(span(new=1)), "new": {}}).status_code == 200
    assert len(stored_spans(ingest)) == 1


@pytest.mark.parametrize(
    ("number", "level"), [(0, "info"), (1, "trace"), (9, "info"), (13, "warn"), (24, "fatal")]
)
def test_a_log_record_becomes_one_of_an_sdk(ingest: Ingest, number: int, level: str) -> None:
    record = {
        "timeUnixNano": str(START_NS),
        "traceId": TRACE,
        "spanId": FRONT,
        "severityNumber": number,
        "body": {"stringValue": "the till is empty"},
        "attributes": [text("till", "7")],
    }
    resource = {"attributes": [text("service.name", "shop")]}
    group = {"resource": resource, "scopeLogs": [{"logRecords": [record, {}]}]}
    answer = post(ingest, {"resourceLogs": [group]}, JSON, "/api/1/integration/otlp/v1/logs")
    assert (answer.status_code, answer.json()) == (200, {})
    (item,) = ingest.store.items(type="log")
    assert item.trace_ids == {TRACE}
    found = item.payload["items"][0]
    assert (found["level"], found["body"], found["trace_id"]) == (level, "the till is empty", TRACE)
    assert found["attributes"]["till"] == {"type": "string", "value": "7"}
    assert item.payload["items"][1]["body"] == ""
    # The same as in the waterfall.
    assert {entry.service for entry in read_logs([item])} == {"shop"}


PROGRAM = """
import sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
exporter = OTLPSpanExporter(
    endpoint=sys.argv[1], headers={"x-sentry-auth": "sentry sentry_key=key-1"}
)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("till")
with tracer.start_as_current_span("GET /cart", kind=SpanKind.SERVER) as cart:
    with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT) as query:
        query.set_attribute("db.system", "postgresql")
provider.shutdown()
print(format(cart.get_span_context().trace_id, "032x"))
"""


@pytest.mark.slow
def test_the_sdk_of_opentelemetry_sends_a_trace(
    ingest: Ingest, pytestconfig: pytest.Config
) -> None:
    packages = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"]
    folder = pytestconfig.cache.mkdir("opentelemetry")
    if not (folder / "done").exists():
        install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder)]
        subprocess.run([*install, *packages], check=True)
        (folder / "done").touch()
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", PROGRAM, ingest.url + PATH]
    ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    items = ingest.store.items(trace_id=ended.stdout.strip())
    query, cart = sorted(read_spans(items).spans, key=lambda each: each.name, reverse=True)
    assert (cart.name, cart.op, cart.is_segment) == ("GET /cart", "", True)
    assert (query.name, query.op, query.is_segment) == ("SELECT", "db", False)
    assert query.parent_id == cart.id
