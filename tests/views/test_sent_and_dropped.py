import time
from collections.abc import Callable
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.crons import capture_checkin

from demo_services.trace import start_span
from kit.course.exercises.relaying import fake_sentry
from kit.reading.client_reports import REASONS, Discard, count_telemetry
from kit.views.sent_and_dropped import SentAndDropped, read_sent_and_dropped
from tests.ingest.sending import PATIENCE_S, Ingest

from .ingesting import client_of
from .picture import Picture
from .traces import HOSTILE
from .traces import item as stored


def crash() -> None:
    try:
        raise RuntimeError("no coins")
    except RuntimeError as error:
        sentry_sdk.capture_exception(error)


def twice() -> None:
    """Report one error twice, as two integrations do."""
    error = RuntimeError("no coins")
    for _ in range(2):
        sentry_sdk.capture_exception(error)


def with_processor() -> None:
    sentry_sdk.get_isolation_scope().add_event_processor(lambda event, hint: None)
    crash()


def raise_error(event: Any, hint: Any) -> None:
    raise ValueError("a bug in the filter")


def keep_errors(event: Any, hint: Any) -> Any:
    return event if event["level"] == "error" else None


DROPPED: dict[str, tuple[dict[str, Any], Callable[[], None], dict[str, int], int]] = {
    "returns None": ({"before_send": lambda *_: None}, crash, {"before_send": 1}, 0),
    "raises": ({"before_send": raise_error}, crash, {"callback_error": 1}, 0),
    "sampled": ({"sample_rate": 0.0}, crash, {"sample_rate": 1}, 0),
    "processor": ({}, with_processor, {"event_processor": 1}, 0),
    "duplicate": ({}, twice, {"event_processor": 1}, 1),
    # The one that nobody is told of.
    "ignored": ({"ignore_errors": [RuntimeError]}, crash, {}, 0),
    "not reported": ({"sample_rate": 0.0, "send_client_reports": False}, crash, {}, 0),
    "nothing": ({}, crash, {}, 1),
}


@pytest.mark.system
@pytest.mark.parametrize("case", DROPPED)
def test_each_reason_stands_beside_what_was_sent(ingest: Ingest, case: str) -> None:
    options, happen, reasons, sent = DROPPED[case]
    with client_of(ingest.dsn, **options):
        happen()
    table = read_sent_and_dropped(ingest.store)
    found = table.get("gateway")
    assert (found.reasons() if found else {}) == reasons
    assert (found.sent["error"] if found else 0) == sent
    assert set(table.reasons) == set(reasons) <= set(REASONS)


@pytest.mark.system
def test_what_is_batched_is_counted_one_by_one(ingest: Ingest) -> None:
    options = {"traces_sample_rate": 1.0, "trace_lifecycle": "stream"}
    with client_of(ingest.dsn, release="shop@1.0.0", **options):
        with start_span(op="game", name="spin"), start_span(op="game", name="reels"):
            pass
        capture_checkin("nightly", status="ok")
        sentry_sdk.start_session()
        sentry_sdk.end_session()
    sent = read_sent_and_dropped(ingest.store)["gateway"].sent
    assert sent == {"span": 2, "monitor": 1, "session": 1}
    assert len(read_sent_and_dropped(ingest.store, since=time.time() + 60)) == 0


@pytest.mark.system
def test_spans_that_are_not_sampled_are_reported(ingest: Ingest) -> None:
    with (
        client_of(ingest.dsn, traces_sample_rate=0.0, trace_lifecycle="stream"),
        start_span(op="game", name="spin"),
    ):
        pass
    found = read_sent_and_dropped(ingest.store)["gateway"]
    assert found.dropped == {Discard("span", "sample_rate"): 1}
    assert found.reasons() == {}


@pytest.mark.system
def test_a_report_waits_for_another_envelope_or_a_flush(ingest: Ingest) -> None:
    with client_of(ingest.dsn, before_send=keep_errors) as sdk:
        sdk.capture_event({"message": "dropped", "level": "info"})
        assert sdk.transport is not None
        # Half a minute after the last one. It has no clock that can be set.
        sdk.transport._last_client_report_sent -= 31  # type: ignore[attr-defined]
        assert ingest.store.items() == []
        sdk.capture_event({"message": "sent", "level": "error"})
        ingest.store.wait_for(None, lambda each: each.type == "client_report", PATIENCE_S)
        kinds = {each.type for each in ingest.store.items()}
        assert kinds == {"event", "client_report"}
        sdk.capture_event({"message": "dropped", "level": "info"})
        sdk.flush(timeout=PATIENCE_S)
        assert read_sent_and_dropped(ingest.store)["gateway"].reasons() == {"before_send": 2}


@pytest.mark.system
def test_a_429_that_names_no_data_stops_even_the_reports() -> None:
    with fake_sentry(429) as (dsn, bodies), client_of(dsn) as sdk:
        for _ in range(3):
            crash()
            sdk.flush(timeout=PATIENCE_S)
        assert len(bodies) == 1


def test_reports_add_up() -> None:
    lost = {"reason": "before_send", "category": "error", "quantity": 2}
    items = [
        stored("client_report", {"discarded_events": [lost, lost]}),
        stored("client_report", {"discarded_events": [lost, {**lost, "reason": HOSTILE}]}),
        stored("client_report", {"discarded_events": [lost]}, project="gateway"),
        stored("event", {}),
    ]
    table = SentAndDropped(count_telemetry(items))
    assert list(table) == ["gateway", "payment"]
    assert table["payment"].reasons()["before_send"] == 6
    assert table.sentence == "Error events: 1 sent, 10 dropped according to the SDKs."
    picture = Picture(table._repr_html_())
    gateway, payment = picture.cells[1:]
    assert gateway[1].strip() == "nothing"
    assert payment[1].strip() == "1 error"
    assert payment[2].split()[:3] == ["6", "error:", "before_send"]
    assert "before_send: before_send, or a hook like before_send_span" in picture.words
    assert "Nothing has arrived" in Picture(SentAndDropped({})._repr_html_()).words


@pytest.mark.parametrize("value", [None, -1, "3", True, [], {}, HOSTILE, float("nan"), 10**400])
def test_a_report_of_any_shape_is_shown(value: Any) -> None:
    each = {"reason": value, "category": value, "quantity": value}
    items = [
        stored("client_report", {"discarded_events": [each, value]}),
        stored("client_report", {"discarded_events": value}),
        stored("client_report", value),
        stored("span", {"items": value}),
        stored("log", value),
    ]
    Picture(SentAndDropped(count_telemetry(items))._repr_html_())
