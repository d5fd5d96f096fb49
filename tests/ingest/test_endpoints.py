"""What a DSN points at besides envelopes: each becomes an envelope, and is stored and relayed."""

import json
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from sentry_sdk.envelope import Envelope

from kit.ingest.body import MAX_BODY_BYTES
from kit.ingest.envelope import MAX_ITEM_BYTES
from kit.ingest.store import Store, StoredItem
from kit.reading.check_ins import read_monitors
from tests.ingest.sending import Ingest, body, client, item, new_id, running

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def running_ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    path = tmp_path_factory.mktemp("endpoints") / "captured.sqlite3"
    with closing(Store(path)) as store, running(store) as ingest:
        yield ingest


@pytest.fixture
def ingest(running_ingest: Ingest) -> Ingest:
    """An ingest without anything stored."""
    running_ingest.store._writer.execute("DELETE FROM envelopes")
    running_ingest.relayed.clear()
    return running_ingest


def refused(ingest: Ingest, answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert ingest.store.items() == []
    assert ingest.relayed == []
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return str(answer.json()["detail"])


def only_event(ingest: Ingest) -> StoredItem:
    """Return the only event; it was relayed as an envelope that the SDK's reader knows."""
    (event,) = ingest.store.items(type="event")
    assert event.payload["event_id"] == event.event_id
    relayed = Envelope.deserialize(ingest.relayed[-1])
    assert relayed.headers["event_id"] == event.event_id
    sent = relayed.get_event()
    assert sent is not None
    assert sent["event_id"] == event.event_id
    return event


# The store endpoint

EVENT = {"event_id": "a" * 32, "message": "as of old"}
PLAIN = json.dumps(EVENT).encode()


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (PLAIN, {"Content-Type": "application/json"}),
        (json.dumps(EVENT, indent=2).encode(), {}),
        (b64encode(PLAIN), {"Content-Type": "application/octet-stream"}),
        (b64encode(zlib.compress(PLAIN)), {"Content-Type": "application/octet-stream"}),
        (zlib.compress(PLAIN), {"Content-Encoding": "deflate"}),
        (body(item("event", EVENT)), {"Content-Type": "application/x-sentry-envelope"}),
    ],
    ids=["plain", "several lines", "base64", "raven", "deflate", "envelope"],
)
@pytest.mark.parametrize("path", ["/api/1/store/", "/api/1/store"])
def test_an_event_of_an_old_sdk_is_stored(
    ingest: Ingest, sent: bytes, headers: dict[str, str], path: str
) -> None:
    answer = ingest.post(sent, path, **headers)
    assert (answer.status_code, answer.json()) == (200, {"id": EVENT["event_id"]})
    event = ingest.store.items(type="event")[0]
    assert (event.project, event.payload) == ("gateway", EVENT)


def test_the_oldest_path_has_no_project(ingest: Ingest) -> None:
    key = {"X-Sentry-Auth": "Sentry sentry_key=key-2, sentry_version=5"}
    assert ingest.post(PLAIN, "/api/store/", **key).status_code == 200
    assert only_event(ingest).project == "game-engine"
    envelope = {"Content-Type": "application/x-sentry-envelope"}
    sent = body(item("event", EVENT))
    assert ingest.post(sent, "/api/store/", **key, **envelope).status_code == 200
    with client() as http:
        answer = http.post(f"{ingest.url}/api/store/?sentry_key=wrong", content=PLAIN)
    assert answer.status_code == 401


def test_an_event_without_id_gets_one(ingest: Ingest) -> None:
    answer = ingest.post(
        b'{"event_id": null, "message": "x", "extra": {"x": NaN}}', "/api/1/store/"
    )
    event = only_event(ingest)
    assert answer.json() == {"id": event.event_id}
    assert event.payload["message"] == "x"


def test_a_transaction_of_an_old_sdk_is_one(ingest: Ingest) -> None:
    ingest.post(json.dumps({**EVENT, "type": "transaction"}), "/api/1/store/")
    assert [each.type for each in ingest.store.items()] == ["transaction"]


def test_a_page_may_send_an_event_as_the_address_of_an_image(ingest: Ingest) -> None:
    query = {"sentry_version": "4", "sentry_key": "key-1", "sentry_data": PLAIN.decode()}
    with client() as http:
        answer = http.get(f"{ingest.url}/api/1/store/", params=query)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/gif"
    assert answer.content.startswith(b"GIF89a")
    assert only_event(ingest).payload == EVENT


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"", 400, "body is empty"),
        (b"[]", 400, "neither JSON nor"),
        (b"{", 400, "is not JSON"),
        (b'{"event_id": "short"}', 400, "its event_id is not"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, 400, "nested deeper"),
        (b64encode(b"no zlib"), 400, "neither JSON nor"),
        (b64encode(zlib.compress(b"no JSON")), 400, "is not JSON"),
        (b64encode(zlib.compress(bytes(6_000_000))), 413, "event is over"),
        (b'{"a":"' + bytes(6_000_000).replace(b"\0", b"x") + b'"}', 413, "over the limit"),
    ],
)
def test_what_is_no_event_is_refused(ingest: Ingest, sent: bytes, status: int, reason: str) -> None:
    assert reason in refused(ingest, ingest.post(sent, "/api/1/store/"), status)


# Security reports

CSP = {
    "document-uri": "https://shop.example/cart",
    "referrer": "https://shop.example/",
    "violated-directive": "script-src 'self'",
    "effective-directive": "script-src",
    "blocked-uri": "https://evil.example:8443/steal.js?card=1",
    "status-code": 200,
}
REPORT = {
    "type": "csp-violation",
    "url": "https://shop.example/cart",
    "body": {
        "documentURL": "https://shop.example/cart",
        "blockedURL": "https://evil.example/steal.js",
        "effectiveDirective": "script-src-elem",
        "statusCode": 200,
        "sample": "",
    },
}


def report(ingest: Ingest, given: Any, kind: str, path: str = "/api/1/security/") -> httpx.Response:
    return ingest.post(json.dumps(given), path, **{"Content-Type": kind})


@pytest.mark.parametrize("path", ["/api/1/security/", "/api/1/csp-report/"])
@pytest.mark.parametrize("kind", ["application/csp-report", "application/json; charset=utf-8"])
def test_a_report_becomes_an_event(ingest: Ingest, path: str, kind: str) -> None:
    with client() as http:
        query = "?sentry_key=key-1&sentry_release=shop%401&sentry_environment=production"
        headers = {"Content-Type": kind, "User-Agent": "Browser/1"}
        answer = http.post(
            ingest.url + path + query, content=json.dumps({"csp-report": CSP}), headers=headers
        )
    assert (answer.status_code, answer.content) == (200, b"")
    event = only_event(ingest).payload
    assert event["logentry"] == {"formatted": "Blocked 'script' from 'evil.example:8443'"}
    assert (event["type"], event["culprit"]) == ("csp", "script-src 'self'")
    assert (event["release"], event["environment"]) == ("shop@1", "production")
    assert dict(event["tags"])["blocked-host"] == "evil.example"
    assert event["request"]["url"] == "https://shop.example/cart"
    assert event["request"]["headers"][1] == ["User-Agent", "Browser/1"]
    assert event["csp"]["blocked_uri"] == CSP["blocked-uri"]
    assert event["csp"]["status_code"] == 200
    assert event["timestamp"] == pytest.approx(time.time(), abs=300)


def test_reports_of_the_reporting_api_become_an_event_each(ingest: Ingest) -> None:
    given = [REPORT, {"type": "deprecation", "body": {"id": "x"}}, REPORT]
    assert report(ingest, given, "application/reports+json").status_code == 200
    events = ingest.store.items(type="event")
    assert len(events) == len(ingest.relayed) == 2
    assert len({event.event_id for event in events}) == 2
    titles = {event.payload["logentry"]["formatted"] for event in events}
    assert titles == {"Blocked 'script' from 'evil.example'"}
    assert events[0].payload["csp"]["script_sample"] == ""


@pytest.mark.parametrize(
    ("directive", "blocked", "title"),
    [
        ("script-src", "inline", "Blocked unsafe inline 'script'"),
        ("script-src", "eval", "Blocked unsafe eval() 'script'"),
        ("script-src", "self", "Blocked unsafe (eval() or inline) 'script'"),
        ("style-src-elem", "", "Blocked 'style' or 'link' element"),
        ("img-src", "data", "Blocked 'image' from 'data:'"),
        ("img-src", "blob:https://shop.example/1", "Blocked 'image' from 'blob:'"),
        ("form-action", "https://evil.example/", "Blocked 'form' action to 'evil.example'"),
        ("default-src", "http://[", "Blocked 'default-src' from 'http://['"),
        ("frame-src", "self", "Blocked inline 'frame-src'"),
    ],
)
def test_a_report_is_titled_as_sentry_does(
    ingest: Ingest, directive: str, blocked: str, title: str
) -> None:
    csp = {"violated-directive": f"{directive} 'self'", "blocked-uri": blocked}
    report(ingest, {"csp-report": csp}, "application/csp-report")
    assert only_event(ingest).payload["logentry"]["formatted"] == title


@pytest.mark.parametrize(
    ("given", "kind", "status", "reason"),
    [
        ({"csp-report": CSP}, "text/plain", 415, "text/plain is no report's type"),
        ({}, "application/csp-report", 400, "no csp-report"),
        (1, "application/csp-report", 400, "no csp-report"),
        ({"csp-report": {}}, "application/csp-report", 400, "no csp-report with a directive"),
        ([{"type": "deprecation"}], "application/reports+json", 400, "it is about deprecation"),
        ({"expect-ct-report": {}}, "application/json", 400, "Expect-CT, which browsers"),
        ([REPORT] * 101, "application/reports+json", 413, "over 100 reports"),
    ],
)
def test_what_is_no_report_is_refused(
    ingest: Ingest, given: Any, kind: str, status: int, reason: str
) -> None:
    assert reason in refused(ingest, report(ingest, given, kind), status)


# Minidumps

DUMP = b"MDMP" + bytes(range(256)) * 40


def upload(ingest: Ingest, files: dict[str, tuple[str, bytes]], **fields: str) -> httpx.Response:
    with client() as http:
        url = f"{ingest.url}/api/1/minidump/?sentry_key=key-1"
        return http.post(url, files=files, data=fields)


def test_a_minidump_becomes_an_event_with_an_attachment(ingest: Ingest) -> None:
    files = {
        "upload_file_minidump": ("crash.dmp", DUMP),
        "log": ("shop.log", b"\r\n--boundary\r\nlines\n"),
    }
    fields = {
        "sentry": json.dumps({"release": "shop@1", "tags": {"store": "7"}, "extra": {"a": 1}}),
        "sentry[tags][channel]": "beta",
        "sentry[level]": "error",
        "guid": "x",
    }
    answer = upload(ingest, files, **fields)
    assert answer.status_code == 200
    event = only_event(ingest)
    assert answer.text.replace("-", "") == event.event_id
    assert len(answer.text) == 36
    payload = event.payload
    assert (payload["platform"], payload["level"]) == ("native", "error")
    assert payload["exception"]["values"][0]["mechanism"]["type"] == "minidump"
    assert payload["tags"] == {"store": "7", "channel": "beta"}
    assert payload["extra"] == {"guid": "x", "a": 1}
    log, dump = ingest.store.items(event_id=event.event_id or "", type="attachment")
    assert (dump.payload, dump.headers["filename"]) == (DUMP, "crash.dmp")
    assert dump.headers["attachment_type"] == "event.minidump"
    assert (log.payload, log.headers["filename"]) == (files["log"][1], "shop.log")


@pytest.mark.parametrize("path", ["/api/1/minidump", "/api/1/minidump/"])
def test_a_minidump_may_be_the_body(ingest: Ingest, path: str) -> None:
    headers = {"Content-Type": "application/x-dmp"}
    assert ingest.post(DUMP, path, **headers).status_code == 200
    (dump,) = ingest.store.items(event_id=only_event(ingest).event_id or "", type="attachment")
    assert (dump.payload, dump.headers["filename"]) == (DUMP, "Minidump")


def test_a_crash_is_kept_whatever_is_said_of_it(ingest: Ingest) -> None:
    fields = {
        "sentry": "no JSON",
        "sentry[event_id]": "none",
        "sentry[a][b]": "1",
        "sentry[a][b][c]": "2",
        "sentry[][]": "3",
        "sentry" + "[x]" * 100: "4",
        "sentry[type]": "transaction",
    }
    answer = upload(ingest, {"upload_file_minidump": ("crash.dmp", DUMP)}, **fields)
    assert answer.status_code == 200
    assert only_event(ingest).payload["a"] == {"b": "1"}


@pytest.mark.parametrize(
    ("sent", "kind", "status", "reason"),
    [
        (b"ELF", "application/octet-stream", 400, "does not begin with MDMP"),
        (b"", "application/x-dmp", 400, "does not begin with MDMP"),
        (DUMP, "text/plain", 415, "not as text/plain"),
        (DUMP, "multipart/form-data", 400, "Not a form"),
        (DUMP, "multipart/form-data; boundary=x", 400, "Not a form"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 400, "no file in the field"),
        (DUMP + bytes(MAX_ITEM_BYTES), "application/x-dmp", 413, "over the limit"),
        (DUMP + bytes(MAX_BODY_BYTES), "application/x-dmp", 413, "body is over"),
    ],
)
def test_what_is_no_minidump_is_refused(
    ingest: Ingest, sent: bytes, kind: str, status: int, reason: str
) -> None:
    answer = ingest.post(sent, "/api/1/minidump/", **{"Content-Type": kind})
    assert reason in refused(ingest, answer, status)


def test_a_form_without_a_minidump_is_refused(ingest: Ingest) -> None:
    answer = upload(ingest, {"upload_file_minidump": ("crash.dmp", b"text")})
    assert "does not begin with MDMP" in refused(ingest, answer, 400)
    answer = upload(ingest, {"log": ("shop.log", DUMP)})
    assert "no file in the field upload_file_minidump" in refused(ingest, answer, 400)
    many = {f"file-{n}": ("x", b"x") for n in range(30)}
    assert "Too many files" in refused(ingest, upload(ingest, many), 400)


# Check-ins


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/api/1/cron/nightly/key-1/", "/api/1/cron/nightly/key-1"])
def test_a_job_checks_in_with_curl(ingest: Ingest, method: str, path: str) -> None:
    with client() as http:
        query = {"status": "ok", "environment": "production", "duration": "1.5"}
        answer = http.request(method, ingest.url + path, params=query)
    assert answer.status_code == 202
    (monitor,) = read_monitors(ingest.store.items())
    assert (monitor.slug, monitor.environment) == ("nightly", "production")
    assert monitor.runs[0].status == "ok"
    assert len(ingest.relayed) == 1


def test_runs_of_a_job_that_names_no_id_are_told_apart(ingest: Ingest) -> None:
    for status in ("in_progress", "ok", "in_progress", "error"):
        path = f"/api/1/cron/nightly/?status={status}"
        assert ingest.post(b"", path).status_code == 202
    (monitor,) = read_monitors(ingest.store.items()[::-1])
    assert [run.status for run in monitor.runs] == ["ok", "error"]


def test_a_job_may_send_its_schedule(ingest: Ingest) -> None:
    check_in = {
        "status": "in_progress",
        "check_in_id": new_id(),
        "monitor_config": {"schedule": {"type": "interval", "value": 1, "unit": "hour"}},
    }
    answer = report(ingest, check_in, "application/json", "/api/1/cron/nightly/")
    assert answer.status_code == 202
    (monitor,) = read_monitors(ingest.store.items())
    assert (monitor.config.interval, monitor.runs[0].id) == (3600, check_in["check_in_id"])


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("", 400, "needs a status"),
        ("status=fine", 400, "one of in_progress, ok, error"),
        ("status=ok&check_in_id=1", 400, "check_in_id is not"),
        ("status=ok&duration=nan", 400, "not a number of seconds"),
        ("status=ok&duration=long", 400, "not a number of seconds"),
        ("status=ok&sentry_key=key-1", 401, "given twice"),
    ],
)
def test_what_is_no_check_in_is_refused(
    ingest: Ingest, query: str, status: int, reason: str
) -> None:
    with client() as http:
        answer = http.get(f"{ingest.url}/api/1/cron/nightly/key-1/?{query}")
    assert reason in refused(ingest, answer, status)


# What is not taken


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("nel/", 501, "reports of network errors"),
        ("unreal/key-1/", 501, "Unreal Engine"),
        ("playstation/", 501, "PlayStations"),
        (f"events/{'a' * 32}/attachments/", 501, "attachments without their event"),
        ("integration/otlp/v1/metrics", 404, "otlp/v1/traces and integration/otlp/v1/logs"),
        ("projects/", 404, "There is no 'projects' here"),
        ("", 404, "There is no '' here"),
    ],
)
def test_what_is_not_taken_says_what_it_is(
    ingest: Ingest, path: str, status: int, reason: str
) -> None:
    assert reason in refused(ingest, ingest.post(b"", f"/api/1/{path}"), status)


@pytest.mark.parametrize("path", ["store", "security", "minidump", "cron/a", "otlp/v1/traces"])
def test_everything_needs_the_key(ingest: Ingest, path: str) -> None:
    wrong = {"X-Sentry-Auth": "Sentry sentry_key=wrong"}
    assert "does not belong to" in refused(
        ingest, ingest.post(PLAIN, f"/api/1/{path}/", **wrong), 401
    )
    none = {"X-Sentry-Auth": ""}
    assert "missing" in refused(ingest, ingest.post(PLAIN, f"/api/1/{path}/", **none), 401)


def test_a_wrong_method_is_told_the_right_one(ingest: Ingest) -> None:
    with client() as http:
        answer = http.put(f"{ingest.url}/api/1/security/")
    assert "PUT is not allowed here; use POST" in refused(ingest, answer, 405)
