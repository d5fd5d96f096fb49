"""Cards of events that no SDK captured: reports of browsers, and minidumps."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kit.ingest.store import Store
from kit.outcome import Event, make_event
from kit.provenance.origin import UNKNOWN, origin
from kit.provenance.report import report_kind
from kit.reading.server.references import MINIDUMPS, SECURITY_REPORTS
from tests.ingest.sending import Ingest, client, running

from .page import Page

pytestmark = pytest.mark.system

POLICY = "default-src 'self'; script-src 'self'; report-uri /x"
CSP = {
    "document-uri": "https://shop.example/cart?<script>",
    "referrer": "https://shop.example/",
    "violated-directive": "script-src 'self'",
    "effective-directive": "script-src",
    "original-policy": POLICY,
    "disposition": "enforce",
    "blocked-uri": "https://evil.example/steal.js",
    "status-code": 200,
}
DUMP = b"MDMP" + bytes(60)


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    path = tmp_path_factory.mktemp("reports") / "captured.sqlite3"
    with closing(Store(path)) as store, running(store) as ingest:
        yield ingest


def newest(ingest: Ingest) -> Event:
    return make_event(ingest.store.items(type="event")[0])


def report(ingest: Ingest, **changes: Any) -> Event:
    content = json.dumps({"csp-report": {**CSP, **changes}})
    path = "/api/1/security/?sentry_release=shop%401"
    answer = ingest.post(content, path, **{"Content-Type": "application/csp-report"})
    assert answer.status_code == 200
    return newest(ingest)


def crash(ingest: Ingest, **fields: str) -> Event:
    with client() as http:
        url = f"{ingest.url}/api/1/minidump/?sentry_key=key-1"
        files = {"upload_file_minidump": ("crash.dmp", DUMP)}
        assert http.post(url, files=files, data=fields).status_code == 200
    return newest(ingest)


def card(event: Event) -> Page:
    return Page(event._repr_html_())


def facts(page: Page) -> str:
    return " ".join(page.one("p", "cw-facts").text.split())


def test_a_report_is_said_to_be_of_the_browser(ingest: Ingest) -> None:
    page = card(report(ingest))
    assert facts(page).startswith(
        "Reported by a browser, because of the page's Content-Security-Policy. Event"
    )
    assert page.one("h3").text == "CSP report"
    words = page.part("Content-Security-Policy")
    rows = [
        "directive script-src",
        "blocked URI https://evil.example/steal.js",
        "document https://shop.example/cart?<script>",
        f"effective policy {POLICY}",
        "disposition enforce",
    ]
    assert " ".join(rows) in words
    assert "blocked nothing" not in words
    links = [each.attributes["href"] for each in page.all("a")]
    assert SECURITY_REPORTS.url in links
    # Each part is shown once.
    assert "original_policy" not in page.part("Other fields")
    assert "the directive and what was blocked" in page.part("Fingerprint and grouping")


def test_a_policy_that_is_only_tried_blocks_nothing(ingest: Ingest) -> None:
    words = card(report(ingest, disposition="report")).part("Content-Security-Policy")
    assert "the browser reported this and blocked nothing" in words


def test_of_a_report_it_is_known_who_wrote_what(ingest: Ingest) -> None:
    event = report(ingest)
    who = {
        "csp.original_policy": "the browser",
        "request.url": "the browser",
        "logentry.formatted": "the ingest",
        "timestamp": "the ingest",
        "release": "the page's policy",
        "user.id": UNKNOWN,
    }
    assert {path: origin(event, path).who for path in who} == who
    assert "SDK sent it" not in str(event._repr_html_())


def test_a_minidump_is_said_to_be_bytes_without_a_stack(ingest: Ingest) -> None:
    page = card(crash(ingest, **{"sentry[tags][store]": "7", "guid": "x"}))
    assert facts(page).endswith(f"with a minidump. Event {newest(ingest)['event_id']}")
    assert facts(page).startswith("Reported by a crash handler")
    assert "JSON as the ingest made it" in page.part("Raw event")
    assert "Only the bytes of the minidump are kept" in page.part("Minidump")
    assert MINIDUMPS.url in [each.attributes["href"] for each in page.all("a")]
    assert not [each for each in page.all("h4") if each.text == "Stack trace"]
    assert "since there is no stack trace" not in page.part("Fingerprint and grouping")


def test_of_a_minidump_it_is_known_who_wrote_what(ingest: Ingest) -> None:
    # The form may name an SDK: it did not capture the crash all the same.
    event = crash(ingest, sentry=json.dumps({"sdk": {"name": "sentry.python", "version": "2.1"}}))
    assert "Captured by" not in facts(card(event))
    assert origin(event, "exception.values[0].value").who == "the ingest"
    assert origin(event, "level").who == "the crash handler or the ingest"
    assert origin(event, "sdk.name").who == "the crash handler"


def test_an_event_of_the_store_endpoint_is_only_what_it_says(ingest: Ingest) -> None:
    sent = {"message": "the till is empty", "logger": "root"}
    assert ingest.post(json.dumps(sent), "/api/1/store/").status_code == 200
    event = newest(ingest)
    assert facts(card(event)).startswith("Sent by a program that names no SDK. Event")
    assert "if one did" in origin(event, "logger").why


@pytest.mark.parametrize(
    "event",
    [
        {"type": "csp"},
        {"type": "csp", "csp": []},
        {"type": ["csp"], "csp": {}},
        {"type": "csp", "csp": {}, "sdk": {"name": "sentry.go"}},
        {"csp": {"blocked_uri": "self"}},
        {"exception": {"values": [{"type": "Minidump"}]}},
        {"exception": {"values": [{"type": "Minidump", "mechanism": "minidump"}]}},
    ],
)
def test_another_event_is_no_report(event: dict[str, Any]) -> None:
    assert report_kind(event) == ""
    assert "Reported by" not in Event(event)._repr_html_()


@pytest.mark.parametrize("value", [None, 3, [], {"a": "<b>"}, "<script>" * 500])
def test_a_report_of_any_shape_is_shown(value: Any) -> None:
    event = {"type": "csp", "csp": dict.fromkeys(["disposition", "blocked_uri", "<i>"], value)}
    assert "blocked URI" in card(Event(event)).part("Content-Security-Policy")
    many = {f"part-{number}": value for number in range(100)}
    words = card(Event({"type": "csp", "csp": many})).part("Content-Security-Policy")
    assert "40 more in the raw JSON" in words
