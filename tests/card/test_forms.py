"""Whatever form of the protocol an event has, it is read, and nothing of it is missing."""

import json
import math
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from kit.crashes.expectation import (
    context_fields,
    exception_types,
    find_missing,
    find_unexpected,
    is_watchdog,
)
from kit.html import render
from kit.ingest.store import StoredItem
from kit.issues import Issues, Seen, group, issue_list
from kit.outcome import Event
from kit.reading.event import NO_MESSAGE, headline
from kit.reading.grouping import simulated_issue
from kit.views.card import event_card
from kit.views.logs import log_explorer
from kit.widgets.feed import describe_item

from .forms import HUGE, TRACE, Sample, samples
from .page import Page
from .test_card import CRASH, EVENT

# Overrides, embeddings and isolates: each changes the order of what follows it.
BIDI = "\u202e"
QUICK = settings(
    deadline=None,
    max_examples=12,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
THOROUGH = settings(
    deadline=None,
    max_examples=250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def stored(event: dict[str, Any]) -> StoredItem:
    return StoredItem(
        1, "shop", "event", "1", frozenset({TRACE}), 1_795_305_136.0, {}, json.loads(dump(event))
    )


def dump(event: dict[str, Any]) -> str:
    return json.dumps(event)


def readable(event: dict[str, Any]) -> str:
    """Return the text of the card without the JSON at its end."""
    page = Page(event_card(event))
    (root,) = page.all("section", "cw-root")
    text = root.text.replace(page.one("pre", "cw-raw").text, "")
    return " ".join(text.split())


def issues_of(item: StoredItem) -> Issues:
    key = simulated_issue(item.payload)
    found = group([Seen(item, item.payload, key, key)], lambda *_: Event(item.payload))
    return Issues(found, complete=True, as_sent=1, changes=None)


def check_form(sample: Sample) -> None:
    item = stored(sample.event)
    event = Event(item.payload)
    text = readable(event)
    assert [mark for mark in sample.marks if mark not in text] == []
    assert event.title == sample.title
    assert headline(event).title.startswith(sample.title)
    assert sample.title in repr(event)
    assert sample.title in describe_item(item).words + NO_MESSAGE
    assert sample.title in log_explorer([item], TRACE)
    assert sample.title in issue_list(issues_of(item))
    check_expectations(item, event)


def check_expectations(item: StoredItem, event: Event) -> None:
    types = exception_types(event)
    assert types[:1] in ([event.title], [])
    assert not is_watchdog(event)
    assert context_fields(event) >= 6
    assert find_missing(CRASH, [item])
    (unexpected,) = find_unexpected(CRASH, [item])
    assert event.title in unexpected


@QUICK
@given(samples())
def test_every_documented_form_is_read_by_all(sample: Sample) -> None:
    check_form(sample)


@pytest.mark.slow
@THOROUGH
@given(samples())
def test_every_documented_form_is_read_by_all_at_length(sample: Sample) -> None:
    check_form(sample)


# What such a form says, one by one


def exception_of(*frames: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "E", "value": "v", "stacktrace": {"frames": list(frames)}, **fields}


FRAME = {"function": "dial", "module": "net", "filename": "dial.go", "lineno": 7, "in_app": True}
OPEN = exception_of(FRAME, type="CircuitOpen", value="breaker is open")


@pytest.mark.parametrize(
    "part",
    [
        {"exception": {"values": [OPEN]}},
        {"exception": {"values": [None, OPEN, None]}},
        {"exception": {"values": OPEN}},
        {"exception": [OPEN]},
        {"exception": OPEN},
        {"sentry.interfaces.Exception": [OPEN]},
        {"exception": None, "sentry.interfaces.Exception": {"values": [OPEN]}},
    ],
    ids=["values", "nulls", "values-single", "list", "single", "legacy", "legacy-null"],
)
def test_an_exception_is_named_alike_by_all(part: dict[str, Any]) -> None:
    event = Event({"event_id": "1", "platform": "go", **part})
    (issue,) = issues_of(stored(event))
    assert event.title == "CircuitOpen"
    assert headline(event).title == issue.title == "CircuitOpen: breaker is open"
    assert describe_item(stored(event)).words == issue.title
    assert issue.title in log_explorer([stored(event)], TRACE)
    card = Page(event_card(event))
    assert card.one("h3").text == "CircuitOpen"
    assert "dial in dial.go:7" in card.part("Stack trace")
    assert simulated_issue(event) == simulated_issue({"exception": {"values": [OPEN]}})


PARAMETERS: list[tuple[Any, str]] = [
    (
        {"message": "payment of %s failed", "formatted": "payment of 12 failed"},
        "payment of 12 failed",
    ),
    ({"message": "payment of %s failed", "params": [12]}, "payment of 12 failed"),
    ({"message": "%(who)s lost %d%%", "params": {"who": "Ada"}}, "Ada lost %d%"),
    ({"message": "{0} and {b} and {}", "params": ["a"]}, "a and {b} and a"),
    ({"message": "%s and %s", "params": ["a"]}, "a and %s"),
    ({"message": "100%d", "params": None}, "100%d"),
    ({"message": "%999999999d", "params": [1]}, "%999999999d"),
    ({"formatted": None, "message": "plain"}, "plain"),
    ("plain", "plain"),
]


@pytest.mark.parametrize("name", ["logentry", "message", "sentry.interfaces.Message"])
@pytest.mark.parametrize(("entry", "text"), PARAMETERS, ids=[text for _, text in PARAMETERS])
def test_a_log_record_is_named_by_its_message(name: str, entry: Any, text: str) -> None:
    event = Event({"event_id": "1", "logger": "shop", name: entry})
    item = stored(event)
    assert event.title == headline(event).title == issues_of(item)[0].title == text
    assert describe_item(item).words == f"Log record: {text}"
    assert Page(event_card(event)).one("p", "cw-message").text == text
    assert f"<bdi>{text}</bdi>" in log_explorer([item], TRACE)


@pytest.mark.parametrize(
    ("frame", "where"),
    [
        ({"module": "shop.view.Button", "lineno": 0}, "shop.view.Button"),
        ({"package": "/usr/lib/shop.so", "instruction_addr": "0x7ff"}, "/usr/lib/shop.so at 0x7ff"),
        ({"package": "shop.dll"}, "shop.dll"),
        ({"instruction_addr": "0x7ff"}, "0x7ff"),
        ({"abs_path": "/srv/shop.rb", "lineno": 4}, "/srv/shop.rb:4"),
        ({"filename": "app.min.js", "lineno": 1, "colno": 8812}, "app.min.js:1:8812"),
        ({"filename": "shop.py", "module": "shop", "lineno": HUGE}, f"shop.py:{HUGE}"),
        ({"lineno": 3}, "unknown file:3"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("in_app", [True, False, None])
def test_something_stands_for_a_missing_file(
    frame: dict[str, Any], where: str, in_app: bool | None
) -> None:
    event = {"exception": exception_of({**frame, "in_app": in_app})}
    places = [each.text for each in Page(event_card(event)).all("code")]
    assert where in places


def test_frames_that_no_sdk_marked_are_open_with_their_variables() -> None:
    frame = {"function": "dial", "filename": "dial.go", "vars": ["tcp"], "context_line": "dial()"}
    page = Page(event_card({"exception": exception_of(frame)}))
    assert "dial in dial.go" in page.part("Stack trace")
    assert "0 tcp" in page.part("Stack trace")
    assert not page.all("details", "cw-library")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (4096, "4096 (4.0 KiB)"),
        (HUGE, "(out of range for a size)"),
        (-1, "memory_size -1 "),
        (1e300, "memory_size 1e+300 "),
        (math.nan, "memory_size NaN "),
        ("lots", "memory_size lots "),
    ],
)
def test_a_size_that_cannot_be_is_shown_as_it_is(size: Any, words: str) -> None:
    event = {"message": "m", "contexts": {"device": {"memory_size": size}}}
    assert words in Page(event_card(event)).part("Contexts")
    assert len(issue_list(issues_of(stored(event)))) > 0


MOMENT = 1_795_305_136


@pytest.mark.parametrize(
    ("given", "head", "crumb"),
    [
        (MOMENT, "21 Nov 2026, 23:52:16.000 UTC", "−500 ms"),
        ("2026-11-21T23:52:16Z", "21 Nov 2026, 23:52:16.000 UTC", "−500 ms"),
        (0, "01 Jan 1970, 00:00:00.000 UTC (not a plausible time)", "23:52:15"),
        (-1.5, "31 Dec 1969, 23:59:58.500 UTC (not a plausible time)", "23:52:15"),
        (
            "0001-01-01T00:00:00Z",
            "01 Jan 0001, 00:00:00.000 UTC (not a plausible time)",
            "23:52:15",
        ),
        (253402300799, "31 Dec 9999, 23:59:59.000 UTC (not a plausible time)", "23:52:15"),
        (MOMENT * 1000, f"{MOMENT * 1000} (not a time)", "23:52:15"),
        ("yesterday", "yesterday (not a time)", "23:52:15"),
        (True, "true (not a time)", "23:52:15"),
        (math.nan, "NaN (not a time)", "23:52:15"),
        (None, "", "23:52:15"),
    ],
    ids=str,
)
def test_a_time_that_cannot_be_is_shown_as_such(given: Any, head: str, crumb: str) -> None:
    crumbs = [{"message": "before", "timestamp": MOMENT - 0.5}]
    page = Page(event_card({"timestamp": given, "breadcrumbs": crumbs}))
    assert page.one("span", "cw-time").text == head
    assert page.all("span", "cw-offset")[0].text == crumb
    assert ("times of day" in page.part("Breadcrumbs")) is (crumb == "23:52:15")


def test_a_breadcrumb_of_a_time_that_cannot_be_has_that_time() -> None:
    crumbs = [{"timestamp": 0}, {"timestamp": "soon"}, {"timestamp": None}]
    page = Page(event_card({"timestamp": MOMENT, "breadcrumbs": crumbs}))
    offsets = [each.text for each in page.all("span", "cw-offset")]
    assert offsets == ["01 Jan 1970, 00:00:00.000 UTC", "soon", "?", "0 ms"]


@pytest.mark.parametrize("then", [0, "0001-01-01T00:00:00Z", MOMENT * 1000, None])
def test_an_event_of_no_time_does_not_stretch_the_axis_of_the_logs(then: Any) -> None:
    log = {"trace_id": TRACE, "body": "hello", "timestamp": MOMENT, "level": "info"}
    late = {**log, "body": "later", "timestamp": MOMENT + 0.1}
    never = {**log, "body": "never", "timestamp": then}
    logs = StoredItem(2, "shop", "log", None, frozenset(), 1.0, {}, {"items": [log, late, never]})
    html = log_explorer([stored({"message": "m", "timestamp": then}), logs], TRACE)
    assert [part.partition("<")[0] for part in html.split('cw-after">')[1:]] == [
        *("?", "?", "0.0 ms", "100 ms"),
    ]
    assert "2 lines have no plausible time." in html


def test_a_fingerprint_that_is_no_list_is_shown_and_does_not_count() -> None:
    page = Page(event_card({"fingerprint": "till", "message": "m"}))
    assert "is not a list" in page.part("Fingerprint and grouping")
    assert "fingerprint till" in page.part("Other fields")


def test_what_has_no_documented_form_is_among_the_other_fields() -> None:
    odd = dict.fromkeys(("exception", "threads", "breadcrumbs", "contexts", "request"), "odd")
    other = Page(event_card(odd)).part("Other fields")
    assert [f"{name} odd" in other for name in odd] == [True] * len(odd)


@pytest.mark.parametrize(
    "tags",
    [
        {"a": "b", "c": None},
        [["a", "b"], None, ["c", None]],
        [{"key": "a", "value": "b"}, {"key": "c", "value": None}],
    ],
    ids=["mapping", "pairs", "entries"],
)
def test_tags_have_a_row_each_in_any_form(tags: Any) -> None:
    assert Page(event_card({"tags": tags})).part("Tags").endswith("a b c null")


@pytest.mark.parametrize(
    "modules",
    [{"httpx": "0.28"}, [["httpx", "0.28"]], [{"name": "httpx", "version": "0.28"}]],
    ids=["mapping", "pairs", "entries"],
)
def test_modules_are_counted_in_any_form(modules: Any) -> None:
    assert "1 installed package httpx 0.28" in Page(event_card({"modules": modules})).part(
        "Modules"
    )
    two = {"httpx": "0.28", "jinja2": "3.1"}
    assert "2 installed packages" in Page(event_card({"modules": two})).part("Modules")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 ms"), (0.00001, "0 ms"), (-0.0001, "−0.1 ms"), (2, "+2.00 s")]
)
def test_a_breadcrumb_of_the_moment_of_the_error_has_no_sign(seconds: float, shown: str) -> None:
    crumb = {"category": "cart", "timestamp": 1_790_000_000 + seconds}
    event = {"timestamp": 1_790_000_000, "breadcrumbs": {"values": [crumb]}}
    assert f" {shown} cart" in Page(event_card(event)).part("Breadcrumbs")


def test_a_name_that_occurs_twice_has_both_values() -> None:
    headers = [["Accept", "a"], ["Accept", "b"], ["Host", "c"]]
    part = Page(event_card({"request": {"headers": headers}})).part("Request")
    assert "Accept [a, b]" in part
    assert "Host c" in part


def test_threads_are_named_beside_the_exception() -> None:
    main = {"id": 1, "name": "main", "crashed": True, "stacktrace": {"frames": [FRAME]}}
    idle = {"id": 2, "state": "WAITING"}
    page = Page(event_card({"exception": OPEN, "threads": {"values": [main, idle]}}))
    stacks = page.all("details", "cw-stack")
    assert any(each.text.strip().startswith("Thread main") for each in stacks)
    assert "Thread 2 {id: 2, state: WAITING}" in page.part("Threads")


# The direction of writing


class Texts(HTMLParser):
    """The pieces of text of a page, each with the elements around it, the innermost last."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self._open: list[str] = []
        self.feed(str(html))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(f"{tag}.{dict(attrs).get('class')}")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.found.append((data, list(self._open)))


def reversing(value: Any, free: bool = False) -> Any:
    """Return a value whose texts, and names of a free choice, reverse what stands after them."""
    if isinstance(value, dict):
        return {name + BIDI * free: reversing(each, name in FREE) for name, each in value.items()}
    if isinstance(value, list):
        return [reversing(each) for each in value]
    return f"{value}{BIDI}" if isinstance(value, str) else value


FREE = {"tags", "extra", "modules", "headers", "vars", "data", "contexts", "spin", "user"}
RICH = EVENT | {
    "timestamp": f"{EVENT['timestamp']}{BIDI}",
    "message": "a message",
    "fingerprint": ["a part"],
    "release": "1.0",
    "threads": {"values": [{"name": "main", "stacktrace": {"frames": [FRAME]}}, {"id": "2"}]},
    f"unknown{BIDI}": "more",
}


def loose(html: str) -> list[str]:
    """Return texts that can change the order of those beside them."""
    return [
        text
        for text, around in Texts(html).found
        if BIDI in text
        # Of source each token is isolated, by its class.
        and not (around[-1].startswith("bdi.") or any(e.startswith("bdi.") for e in around[-2:]))
    ]


def test_no_text_of_an_event_changes_the_order_of_others() -> None:
    event = reversing(RICH)
    html = event_card(event)
    assert html.count(BIDI) > 60
    assert loose(html) == []
    assert json.loads(Page(html).one("pre", "cw-raw").text) == event


def test_no_text_of_a_log_or_in_the_feed_changes_the_order_of_others() -> None:
    log = {"trace_id": TRACE, "body": "hello", "timestamp": MOMENT, "level": "info"}
    log |= {"attributes": {f"name{BIDI}": {"value": "a value"}, f"sentry.x{BIDI}": {"value": "x"}}}
    sent = {"items": [reversing(log) | {"trace_id": TRACE}]}
    logs = StoredItem(2, "shop", "log", None, frozenset(), 1.0, {}, sent)
    html = log_explorer([stored(reversing(RICH)), logs], TRACE)
    assert html.count(BIDI) >= 8
    assert loose(html) == []
    line = describe_item(stored(reversing(RICH)))
    assert line.words == "ZeroDivisionError\\u202e: division by zero\\u202e"
    assert BIDI not in render("panel_entry.html", line=line)


def test_the_cards_style_isolates_what_the_template_marks() -> None:
    style = Page(event_card(EVENT)).one("style").text
    assert "bdi, .cw-line [class] { unicode-bidi: isolate; }" in style
