from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from kit.ingest.store import StoredItem
from kit.reading.spans import MAX_SPANS, spans
from kit.views.waterfall import MAX_ROWS, waterfall

from .picture import Picture
from .traces import (
    FRONTEND,
    GATEWAY,
    HOSTILE,
    ITEMS,
    error,
    item,
    javascript_spans,
    span,
    transaction,
)


def column(items: list[StoredItem], name: str) -> list[str]:
    head, *body = Picture(waterfall(items)).cells
    return [row[head.index(name)] for row in body]


def test_spans_of_all_services_hang_on_each_other_in_order() -> None:
    rows = Picture(waterfall([GATEWAY, FRONTEND])).cells[1:]
    assert [row[:5] for row in rows] == [
        ["frontend", "1", "http.server /frontend", "0.0 ms", "100 ms"],
        ["frontend", "2", "work call", "10.0 ms", "80 ms"],
        ["gateway", "3", "http.server /gateway", "20 ms", "60 ms"],
        ["gateway", "4", "work query", "30 ms", "40 ms"],
    ]


def test_the_critical_path_is_what_the_end_waited_for() -> None:
    parallel = transaction(
        "gateway",
        20,
        80,
        span("short", 30, 50, "gateway"),
        span("long", 30, 70, "gateway"),
        parent="call",
    )
    took = dict(
        zip(
            column([FRONTEND, parallel], "Span"),
            column([FRONTEND, parallel], "On the critical path"),
            strict=True,
        )
    )
    assert took == {
        "http.server /frontend": "20 ms",
        "work call": "20 ms",
        "http.server /gateway": "20 ms",
        "work short": "no",
        "work long": "40 ms",
    }
    assert "40 ms, is work long in gateway" in waterfall([FRONTEND, parallel])


def test_the_critical_path_is_as_long_as_the_trace() -> None:
    late = transaction("gateway", -5, 120, span("query", -9, 130, "gateway"), parent="call")
    took = column([FRONTEND, late], "On the critical path")
    # A clock that is wrong makes no time: the root took 100 ms.
    assert sum(float(each.split()[0]) for each in took if each != "no") == 100
    assert took[-1] == "80 ms"


def test_a_span_that_ended_before_it_began_took_no_time() -> None:
    items = [transaction("engine", 0, 10, span("back", 5, 3, "engine"))]
    assert column(items, "Duration") == ["10.0 ms", "0.0 ms"]
    assert column(items, "Span")[1] == "work back ends 2.0 ms before it starts"
    words = Picture(waterfall(items)).words
    assert "1 span with an impossible time: work back of engine ends 2.0 ms before" in words


def test_an_error_is_marked_at_its_span() -> None:
    items = [FRONTEND, GATEWAY, error("KeyError", "query", 42), error("KeyError", "query", 43)]
    assert column(items, "Errors") == ["none", "none", "none", "✖ KeyError"]
    picture = Picture(waterfall(items))
    assert "✖ KeyError" in picture.drawn
    assert "Errors: 2 × KeyError." in picture.words


def test_an_error_outside_of_every_span_is_still_told() -> None:
    picture = Picture(waterfall([FRONTEND, error("OSError", "elsewhere", 42)]))
    assert "Errors outside every span of this trace: OSError." in picture.words


def test_span_items_of_javascript_join_the_trace() -> None:
    paid = javascript_spans(
        span("server", 40, 60, "query", "http.server"), span("charge", 45, 55, "server", "pay")
    )
    rows = Picture(waterfall([paid, GATEWAY, FRONTEND])).cells[5:]
    assert [row[:3] for row in rows] == [
        ["payment", "5", "http.server server"],
        ["payment", "6", "pay charge"],
    ]


def test_many_equal_queries_share_a_row() -> None:
    queries = [
        {**span("find", 10 + 2 * n, 11 + 2 * n, "analytics", "db"), "span_id": str(n)}
        for n in range(20)
    ]
    rows = Picture(waterfall([transaction("analytics", 0, 60, *queries)])).cells[1:]
    assert [row[2:5] for row in rows] == [
        ["http.server /analytics", "0.0 ms", "60 ms"],
        ["20 × db find", "10.0 ms", "20 ms in total"],
    ]


def test_a_query_that_failed_keeps_its_own_row() -> None:
    queries = [
        {**span("find", 10 + 2 * n, 11 + 2 * n, "analytics", "db"), "span_id": str(n)}
        for n in range(11)
    ]
    items = [transaction("analytics", 0, 60, *queries), error("OperationFailure", "5", 21)]
    assert column(items, "Span")[1:] == ["5 × db find", "db find", "5 × db find"]


def test_every_service_is_named_beside_its_bars() -> None:
    picture = Picture(waterfall([FRONTEND, GATEWAY]))
    assert picture.drawn.count("frontend") == picture.drawn.count("gateway") == 1
    (label,) = picture.labels
    assert label.startswith("4 spans in 2 services, 100 ms.")
    assert label in picture.words
    assert "gateway: work query" in picture.titles


def test_bars_stand_where_their_time_is() -> None:
    picture = Picture(waterfall([FRONTEND, GATEWAY, error("KeyError", "query", 42)]))
    assert picture.styles["cw-bar"] == [
        "--start: 0.00%; --length: 100.00%",
        "--start: 10.00%; --length: 80.00%",
        "--start: 20.00%; --length: 60.00%",
        "--start: 30.00%; --length: 40.00%",
    ]
    assert picture.styles["cw-mark"] == ["--start: 42.00%"]
    assert picture.styles["cw-row"] == [f"--depth: {depth}" for depth in range(4)]
    # On the critical path: both ends of each span, the whole of the innermost.
    assert picture.styles["cw-critical"][-1] == "--start: 30.00%; --length: 40.00%"
    assert len(picture.styles["cw-critical"]) == 7
    assert picture.drawn[:6] == ["0 ms", "20 ms", "40 ms", "60 ms", "80 ms", "100 ms"]


def test_a_long_trace_is_cut_and_says_so() -> None:
    inside = [span(f"step {n}", n, n + 2, "engine") for n in range(3000)]
    items = [transaction("engine", 0, 4000, *inside), error("ValueError", "step 2999", 3000)]
    picture = Picture(waterfall(items))
    assert len(picture.cells) == MAX_ROWS + 1
    assert f"{MAX_ROWS} of 3,001 rows are shown" in picture.words
    assert picture.cells[-1][2] == "work step 2999"


def test_spans_are_bounded() -> None:
    inside = [span(f"step {n}", n, n + 2, "engine") for n in range(MAX_SPANS + 10)]
    assert len(spans([transaction("engine", 0, 4000, *inside)])) == MAX_SPANS
    html = waterfall([transaction("engine", 0, 4000, *inside)])
    assert "Only the first 5,000 spans are counted and shown; 11 more spans arrived." in html


def test_a_deep_trace_is_drawn() -> None:
    inside = [span(str(n), n, 5000, str(n - 1) if n else "engine") for n in range(4000)]
    assert "4,001 spans" in waterfall([transaction("engine", 0, 5000, *inside)])


def test_spans_that_are_each_others_parents_are_all_shown() -> None:
    circle = [span("a", 0, 9, "c"), span("b", 1, 8, "a"), span("c", 2, 7, "b")]
    items = [transaction("engine", 0, 10, *circle, span("self", 3, 4, "self"))]
    assert len(column(items, "Span")) == 5


@pytest.mark.parametrize("items", [[], [item("log", {}), item("transaction", {})]])
def test_without_spans_it_says_so(items: list[StoredItem]) -> None:
    picture = Picture(waterfall(items))
    assert picture.words.startswith("Trace No span of this trace has arrived.")
    assert ("1 log item" in picture.words) is bool(items)


def test_a_log_record_is_named_by_its_message() -> None:
    logged = item(
        "event",
        {
            "logentry": {"message": "paid %s", "formatted": "paid 10"},
            "contexts": {"trace": {"span_id": "call"}},
        },
    )
    assert "✖ paid 10" in column([FRONTEND, logged], "Errors")


@pytest.mark.parametrize("milliseconds", [-(10**12), 10**12, 10**15])
def test_an_error_without_a_time_that_can_be_stands_at_the_end_of_its_span(
    milliseconds: int,
) -> None:
    late = error("KeyError", "query", milliseconds)
    picture = Picture(waterfall([FRONTEND, GATEWAY, late]))
    assert picture.styles["cw-mark"] == ["--start: 70.00%"]
    assert (
        "Errors without a possible time, shown at the end of their span: KeyError." in picture.words
    )


def test_a_long_label_is_there_as_a_whole() -> None:
    dice = "🎲" * 300
    picture = Picture(waterfall([transaction("engine", 0, 9, span(dice, 1, 2, "engine"))]))
    assert f"work {dice}" in picture.drawn


def test_hostile_names_stay_text() -> None:
    hostile: dict[str, Any] = {**span("x", 0, 5, HOSTILE), "op": HOSTILE, "description": HOSTILE}
    items = [
        transaction(HOSTILE, 0, 10, hostile),
        javascript_spans(hostile),
        error(HOSTILE, "x", 3),
        error(HOSTILE, HOSTILE, 3),
    ]
    html = waterfall(items)
    Picture(html)
    assert "<script" not in html
    assert "<img" not in html


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(ITEMS)
def test_any_items_become_a_harmless_picture(items: list[StoredItem]) -> None:
    Picture(waterfall(items))
    html = waterfall([FRONTEND, *items, GATEWAY])
    assert len(Picture(html).cells) >= 4
