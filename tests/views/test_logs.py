"""The log explorer, and the logs that are read for it."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from kit.ingest.store import StoredItem
from kit.reading.logs import MAX_LOGS, LogEntry, read_logs
from kit.views.logs import MAX_LINES, log_explorer
from tests.browser import chromium

from .picture import Picture
from .test_drawings import DARK, boxes, show
from .traces import ANYTHING, FRONTEND, GATEWAY, HOSTILE, IDS, START, TIMES, error, item

TRACE = "ab" * 16
OTHER = "cd" * 16


def log(body: str, milliseconds: float, level: str = "info", **attributes: Any) -> dict[str, Any]:
    """Return a log of the trace as SDKs send it; its span is that of the query."""
    return {
        "timestamp": START + milliseconds / 1000,
        "level": level,
        "body": body,
        "trace_id": TRACE,
        "span_id": "query",
        "attributes": {name: {"type": "string", "value": v} for name, v in attributes.items()},
    }


def logs(project: str, *sent: Any) -> StoredItem:
    return item("log", {"items": list(sent)}, project)


def failure(milliseconds: int) -> StoredItem:
    event = error("KeyError", "query", milliseconds)
    return item("event", {**event.payload, "server_name": "gateway"}, "gateway")


def read(*items: StoredItem) -> list[LogEntry]:
    return read_logs(items, TRACE)


def words(*items: StoredItem) -> str:
    return Picture(log_explorer(items, TRACE)).words


def ticks(*items: StoredItem) -> list[str]:
    """Return where the ticks of the lines are."""
    html = log_explorer(items, TRACE)
    return [part.partition("%")[0] for part in html.split('cw-tick" style="--start: ')[1:]]


# Reading


def test_logs_of_all_services_are_in_the_order_of_time() -> None:
    items = [
        logs("payment", log("third", 60), log("first", 10)),
        logs("gateway", log("second", 20)),
    ]
    assert [(entry.service, entry.message) for entry in read(*items)] == [
        ("payment", "first"),
        ("gateway", "second"),
        ("payment", "third"),
    ]


def test_logs_of_other_traces_in_the_same_item_are_left_out() -> None:
    (entry,) = read(logs("payment", log("ours", 1), {**log("theirs", 2), "trace_id": OTHER}))
    assert entry.message == "ours"


def test_within_a_millisecond_javascript_counts() -> None:
    sequence = "sentry.timestamp.sequence"
    sent = [
        {**log(str(n), 5), "attributes": {sequence: {"type": "integer", "value": n}}}
        for n in (2, 0, 1)
    ]
    assert [entry.message for entry in read(logs("payment", *sent))] == ["0", "1", "2"]


def test_both_ways_to_name_the_span_are_read() -> None:
    python = log("in Python", 1)
    javascript = log("in JavaScript", 2, **{"sentry.trace.parent_span_id": "query"})
    del javascript["span_id"]
    assert [entry.span_id for entry in read(logs("x", python, javascript))] == ["query", "query"]


def test_attributes_of_the_code_are_told_from_those_of_the_sdk() -> None:
    sent = {"spin.id": "7", "sentry.release": "1", "server.address": "x", "sentry.origin": "y"}
    (entry,) = read(logs("x", log("spin", 1, **sent)))
    assert entry.given == {"spin.id": "7"}
    assert set(entry.attributes) == set(sent)


# The picture


def test_a_line_says_when_who_how_grave_and_what() -> None:
    said = words(FRONTEND, GATEWAY, logs("gateway", log("no answer", 35, "warn", attempt="2")))
    assert "35 ms gateway ▲ warn no answer attempt 2" in said
    assert "While the span work query was open." in said
    assert "1 log of 1 service, 1 of level warn." in said


def test_ticks_stand_where_the_bars_of_the_waterfall_do() -> None:
    sent = logs("gateway", log("begins", 0), log("query", 30), log("ends", 100))
    assert ticks(FRONTEND, GATEWAY, sent) == ["0.00", "30.00", "100.00"]


def test_a_log_after_the_last_span_stands_at_its_end_and_says_when_it_was() -> None:
    late = logs("gateway", log("late", 250))
    assert ticks(FRONTEND, late) == ["100.00"]
    assert "250 ms gateway" in words(FRONTEND, late)


def test_without_spans_the_axis_is_that_of_the_logs() -> None:
    sent = logs("gateway", log("first", 10), log("second", 20), log("last", 30))
    assert ticks(sent) == ["0.00", "50.00", "100.00"]
    assert "No span of this trace has arrived" in words(sent)


def test_error_events_stand_between_the_lines() -> None:
    said = words(FRONTEND, GATEWAY, failure(42), logs("gateway", log("a", 41), log("b", 43)))
    order = [said.index(word) for word in ("info a", "✖ event KeyError", "info b")]
    assert order == sorted(order)
    assert "1 error event between them" in said


def test_an_error_event_is_of_the_project_whatever_the_host_is_called() -> None:
    event = error("KeyError", "query", 42)
    sent = item("event", {**event.payload, "server_name": "till-7"}, "gateway")
    said = words(FRONTEND, GATEWAY, sent)
    assert "gateway ✖" in said
    assert "till-7" not in said


def test_a_service_has_the_colour_of_its_waterfall() -> None:
    html = log_explorer([FRONTEND, logs("gateway", log("a", 1))], TRACE)
    assert "cw-colour-0" in html


def test_thousands_of_logs_are_bounded_and_the_gravest_stay() -> None:
    many = [log(f"line {n}", n / 100) for n in range(3000)]
    sent = logs("gateway", *many, log("the last", 40, "error"))
    html = log_explorer([FRONTEND, failure(50), sent], TRACE)
    picture = Picture(html)
    assert html.count("<details") == MAX_LINES
    assert f"{MAX_LINES} of 3,002 lines are shown" in picture.words
    assert "2,802 are left out" in picture.words
    assert "the last" in picture.words
    assert "✖ event KeyError" in picture.words


def test_what_is_read_is_bounded() -> None:
    sent = logs("gateway", *(log("x", 1) for _ in range(MAX_LOGS + 10)))
    assert len(read(sent)) == MAX_LOGS
    assert "Only the first 5,000 logs are counted." in words(sent)


@pytest.mark.parametrize("items", [[], [item("log", {})], [item("log", b"not JSON")]])
def test_without_logs_it_says_so(items: list[StoredItem]) -> None:
    assert words(*items) == "Logs No log of this trace has arrived."


def test_hostile_logs_stay_text() -> None:
    hostile = log(HOSTILE, 3, HOSTILE, **{HOSTILE: HOSTILE})
    html = log_explorer([FRONTEND, logs(HOSTILE, hostile), error(HOSTILE, HOSTILE, 3)], TRACE)
    Picture(html)
    assert "<script" not in html
    assert "<img" not in html


LOGS = st.fixed_dictionaries(
    {"trace_id": st.just(TRACE)},
    optional={
        "timestamp": TIMES,
        "level": st.sampled_from(["info", "warn", "error"]) | ANYTHING,
        "body": ANYTHING,
        "span_id": IDS,
        "attributes": st.dictionaries(st.text(), ANYTHING, max_size=3) | ANYTHING,
    },
)
ITEMS = st.lists(
    st.builds(lambda sent: logs("gateway", *sent), st.lists(LOGS | ANYTHING, max_size=4))
    | st.builds(item, st.just("log"), ANYTHING)
    | st.builds(item, st.just("event"), ANYTHING),
    max_size=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ITEMS)
def test_any_items_become_a_harmless_picture(items: list[StoredItem]) -> None:
    Picture(log_explorer(items, TRACE))
    Picture(log_explorer([FRONTEND, *items, GATEWAY], TRACE))


# In a browser


LONG = "a message that is far longer than any column for it " * 5
TEXTS = ".cw-after, .cw-service, .cw-level, .cw-message"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.browser_or_skip() as browser:
        yield browser.new_page()


@pytest.fixture
def explorer() -> str:
    sent = logs("game-engine", log("first", 10), log(LONG, 30, "error", **{"spin.id": "7" * 500}))
    return str(log_explorer([FRONTEND, GATEWAY, failure(42), sent], TRACE))


@pytest.mark.parametrize("style", ["", DARK], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 600, 813, 1280, 1920])
def test_it_fits_open_and_closed(page: Page, explorer: str, width: int, style: str) -> None:
    show(page, explorer, width, style)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in boxes(page, ".cw-message"):
        assert box["x"] + box["width"] <= width
    sizes = page.locator(TEXTS).evaluate_all(
        "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= 14


@pytest.mark.parametrize("width", [600, 1280])
def test_ticks_are_drawn_on_the_axis(page: Page, explorer: str, width: int) -> None:
    show(page, explorer, width)
    lane, axis = boxes(page, ".cw-lane")[0], boxes(page, ".cw-ticks")[0]
    assert lane["x"] == pytest.approx(axis["x"], abs=1)
    assert lane["width"] == pytest.approx(axis["width"], abs=1)
    tick = boxes(page, ".cw-tick")[1]
    assert tick["x"] - lane["x"] == pytest.approx(0.3 * lane["width"] - 1.5, abs=1)


def test_a_short_name_of_a_service_is_not_cut(page: Page, explorer: str) -> None:
    show(page, explorer, 1280)
    cut = page.locator(".cw-service").evaluate_all(
        "all => all.filter(each => each.scrollWidth > each.clientWidth).length"
    )
    assert cut == 0
