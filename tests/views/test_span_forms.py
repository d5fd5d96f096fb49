"""Spans in every form of the protocol, and times that nobody can mean."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.ingest.store import StoredItem
from kit.reading.spans import MAX_TRACE_S, SpanLink, length, read_spans, segments, spans
from kit.views.waterfall import waterfall

from .picture import Picture
from .traces import ANYTHING, FRONTEND, GATEWAY, HOSTILE, START, error, item

TRACE = "1" * 32
NEVER = "0001-01-01T00:00:00Z"


def in_transaction(span: dict[str, Any]) -> StoredItem:
    sent = {name: value for name, value in span.items() if name not in ("name", "attributes")}
    sent |= {"description": span.get("name"), "data": span.get("attributes")}
    sent["timestamp"] = sent.pop("end_timestamp", None)
    own = {
        "transaction": "/web",
        "start_timestamp": START,
        "timestamp": START + 1,
        "contexts": {"trace": {"trace_id": TRACE, "span_id": "a" * 16}},
    }
    return item("transaction", {**own, "spans": [sent]}, "web")


def alone(span: dict[str, Any]) -> StoredItem:
    sent = dict(span)
    return item(
        "span",
        {
            **{name: value for name, value in sent.items() if name not in ("name", "attributes")},
            "trace_id": TRACE,
            "description": sent.get("name"),
            "data": sent.get("attributes"),
            "timestamp": sent.get("end_timestamp"),
            "exclusive_time": 700,
            "measurements": {"lcp": {"value": 1}},
        },
        "web",
    )


def in_batch(span: dict[str, Any]) -> StoredItem:
    attributes = {
        name: {"value": value, "type": "string"} for name, value in span["attributes"].items()
    }
    return item("span", {"items": [{**span, "attributes": attributes}]}, "web")


def with_raw_attributes(span: dict[str, Any]) -> StoredItem:
    return item("span", {"items": [span]}, "web")


def of_opentelemetry(span: dict[str, Any]) -> StoredItem:
    names = {
        "span_id": "spanId",
        "parent_span_id": "parentSpanId",
        "start_timestamp": "startTimeUnixNano",
        "end_timestamp": "endTimeUnixNano",
    }
    sent = {names.get(name, name): value for name, value in span.items()}
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        if isinstance(sent.get(name), float) and 0 < abs(sent[name]) < 1e11:
            sent[name] = str(round(sent[name] * 1e9))
    pairs = [{"key": k, "value": {"stringValue": v}} for k, v in span["attributes"].items()]
    return item("span", {**sent, "attributes": pairs}, "web")


FORMS = [in_transaction, alone, in_batch, with_raw_attributes, of_opentelemetry]
PLAIN = {
    "span_id": "CCCCCCCC-CCCC-CCCC",
    "parent_span_id": "a" * 16,
    "name": "button#pay",
    "start_timestamp": START + 0.25,
    "end_timestamp": START + 0.75,
    "attributes": {"sentry.op": "ui.click", "http.method": "GET"},
    "is_segment": True,
    "status": {"code": 2, "message": "refused"},
    "links": [{"trace_id": "2" * 32, "span_id": "D" * 16}],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_span_is_read_in_every_form(form: Any) -> None:
    read = read_spans([form(PLAIN)])
    found = next(each for each in read.spans if each.name == "button#pay")
    assert (found.id, found.parent_id) == ("c" * 16, "a" * 16)
    assert (found.op, found.service, found.status) == ("ui.click", "web", "error: refused")
    assert found.start == pytest.approx(START + 0.25, abs=1e-4)
    assert found.end == pytest.approx(START + 0.75, abs=1e-4)
    assert found.attributes["http.method"] == "GET"
    assert found.is_segment
    assert found.links == (SpanLink("2" * 32, "d" * 16),)
    assert not found.remark
    assert found.sent
    assert (read.unplaced, read.more, read.remark) == ([], 0, "")
    assert "ui.click button#pay" in Picture(waterfall([form(PLAIN)])).drawn
    assert f"linked to span {'d' * 16} of trace {'2' * 32}" in waterfall([form(PLAIN)])


def test_an_error_finds_its_span_however_its_id_is_written() -> None:
    marked = Picture(waterfall([alone(PLAIN), error("KeyError", "CCCCCCCCCCCCCCCC", 500)]))
    assert "✖ KeyError" in marked.drawn


def test_a_span_of_its_own_keeps_what_stands_beside_its_data() -> None:
    (found,) = segments([alone(PLAIN)])
    assert found.attributes["exclusive_time"] == 700
    assert found.attributes["measurements"] == {"lcp": {"value": 1}}


@pytest.mark.parametrize("sent", [NEVER, 0, -5, 4e9, 1e300, float("nan"), "soon", 10**400, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_time_that_cannot_be_stretches_no_axis(form: Any, sent: Any) -> None:
    odd = form({**PLAIN, "start_timestamp": sent})
    items = [FRONTEND, odd]
    found = next(each for each in spans(items) if each.name == "button#pay")
    assert found.start == found.end == pytest.approx(START + 0.75, abs=1e-4)
    assert found.remark.startswith("starts at ")
    picture = Picture(waterfall(items))
    assert "button#pay of web starts at" in picture.words
    assert "which is impossible" in picture.words
    assert {tick.split()[-1] for tick in picture.drawn[:4]} <= {"ms", "s"}


@pytest.mark.parametrize("sent", [NEVER, 0, 4e9, None, [], {}])
def test_a_span_without_any_time_that_can_be_is_named(sent: Any) -> None:
    odd = alone({**PLAIN, "start_timestamp": sent, "end_timestamp": sent})
    picture = Picture(waterfall([FRONTEND, odd]))
    assert "1 span not on the time axis: ui.click button#pay of web" in picture.words
    assert "1 unplaced span" in picture.words
    assert '"description": "button#pay"' in picture.words
    assert len(picture.cells) == 3


def test_where_no_clock_was_set_the_trace_is_still_drawn() -> None:
    odd = alone({**PLAIN, "start_timestamp": 10, "end_timestamp": 12.5})
    assert [each.duration for each in spans([odd])] == [2.5]
    assert "The spans say 1970-01-01, but arrived on 2026-09-21" in waterfall([odd])


def test_spans_that_share_an_id_are_named_and_those_sent_twice_are_not() -> None:
    other = alone({**PLAIN, "name": "another"})
    picture = Picture(waterfall([alone(PLAIN), alone(PLAIN), other]))
    assert "1 span not on the time axis" in picture.words
    assert "ui.click another of web has the id of ui.click button#pay" in picture.words


def test_an_entry_of_a_batch_that_is_no_span_is_named() -> None:
    picture = Picture(waterfall([FRONTEND, item("span", {"items": [3, "what"]})]))
    assert "not a span: 3 of payment" in picture.words
    assert "not a span: what of payment" in picture.words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0005, "500 µs"), (90, "1 min 30 s"), (7260, "2 h 1 min"), (86_400 * 30, "30 d 0 h")],
)
def test_a_length_has_the_unit_that_reads_best(seconds: float, words: str) -> None:
    assert length(seconds) == words


# A second or two around the others, or what no clock says.
TIMES = (
    st.integers(0, 2000).map(lambda n: START + n / 1000)
    | st.sampled_from([0, -1, NEVER, 4e9, 1e300, 10**400, "1e9", None, True, [], {}, HOSTILE])
    | st.floats()
)
IDS = st.sampled_from(["a" * 16, "A" * 16, "b" * 16, "0" * 16, "", None, 7, [], HOSTILE])
STATUS = st.sampled_from(["ok", "error", None, 2, {"code": 2}, {"code": []}, [], HOSTILE])
LINKS = st.lists(st.fixed_dictionaries({"trace_id": IDS, "span_id": IDS}) | ANYTHING, max_size=2)


@st.composite
def any_spans(draw: st.DrawFn) -> tuple[list[str], list[StoredItem]]:
    """Return spans in any forms, and their names, which differ."""
    names = [f"name {number} of" for number in range(draw(st.integers(1, 6)))]
    items = []
    for name in names:
        span = {
            "span_id": draw(IDS),
            "parent_span_id": draw(IDS),
            "name": name,
            "start_timestamp": draw(TIMES),
            "end_timestamp": draw(TIMES),
            "attributes": draw(st.dictionaries(st.text(max_size=3), ANYTHING, max_size=1)),
            "status": draw(STATUS),
            "links": draw(LINKS | ANYTHING),
            "is_segment": draw(st.sampled_from([True, False, None, "yes"])),
        }
        items.append(draw(st.sampled_from(FORMS))(span))
    return names, items


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(any_spans())
def test_no_span_is_missing_and_none_stretches_the_axis(
    sent: tuple[list[str], list[StoredItem]],
) -> None:
    names, items = sent
    html = waterfall([FRONTEND, *items, GATEWAY])
    picture = Picture(html)
    shown = f"{picture.words} {picture.drawn}"
    for name in names:
        assert name in shown
    found = spans([FRONTEND, *items, GATEWAY])
    assert max(each.end for each in found) - min(each.start for each in found) <= 2 * MAX_TRACE_S


@pytest.mark.parametrize("name", ["resource.service.name", "service.name"])
@pytest.mark.parametrize("origin", ["manual", "auto.http", "", None, 7])
def test_what_an_sdk_sends_is_of_the_project_whatever_its_attributes_say(
    name: str, origin: Any
) -> None:
    sent = {"span_id": "a" * 16, "start_timestamp": START, "end_timestamp": START}
    attributes = {name: {"value": "till"}, "sentry.origin": {"value": origin}}
    (found,) = spans([item("span", {"items": [{**sent, "attributes": attributes}]}, "gateway")])
    assert found.service == "gateway"
