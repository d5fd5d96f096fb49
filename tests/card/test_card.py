import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.crashes.crash_type import Assertion, Captured, CrashType, ExpectedError, NotCaptured
from kit.crashes.pages import ALERTS
from kit.reading.payload import MAX_TEXT
from kit.views.card import event_card

from .page import Page

TRACE = "141e40da3aea49e4a6655a87a2be472c"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='alert(1)' -->"

FRAME = {
    "filename": "demo_services/game_engine/reels.py",
    "function": "spin",
    "lineno": 7,
    "pre_context": ["def spin(bet):", '    """Spin."""'],
    "context_line": "    return bet / 0  # <b>",
    "post_context": [""],
    "vars": {"bet": "10", "reels": ["'bell'", "'seven'"]},
    "in_app": True,
}
LIBRARY = {"filename": "tornado/web.py", "function": "_execute", "lineno": 1, "in_app": False}
EVENT: dict[str, Any] = {
    "event_id": "8c143732bdb44bad9dc389bd20b926b0",
    "level": "error",
    "timestamp": "2026-11-21T23:52:16.711000Z",
    "platform": "python",
    "server_name": "game-engine",
    "release": "game-engine@1.0.0",
    "environment": "workshop",
    "sdk": {"name": "sentry.python.fastapi", "version": "2.75.0", "integrations": ["tornado"]},
    "exception": {
        "values": [
            {
                "type": "ZeroDivisionError",
                "value": "division by zero",
                "module": None,
                "mechanism": {"type": "tornado", "handled": False},
                "stacktrace": {"frames": [LIBRARY, FRAME]},
            }
        ]
    },
    "breadcrumbs": {
        "values": [
            {
                "type": "default",
                "category": "spin",
                "message": "reels stopped",
                "timestamp": "2026-11-21T23:52:16.211000Z",
                "data": {"bet": 10},
            }
        ]
    },
    "contexts": {
        "trace": {"trace_id": TRACE, "span_id": "9d4260ecc5cb8a75", "op": "http.server"},
        "spin": {"bet": 10, "stage": "paid"},
    },
    "tags": {"service": "game-engine"},
    "user": {"id": "c2aa3ecac1f3"},
    "request": {
        "method": "GET",
        "url": "http://127.0.0.1:8082/debug/crash",
        "headers": {"Host": "127.0.0.1", "X-Debug-Token": "[Filtered]"},
    },
    "modules": {"tornado": "6.6.1", "httpx": "0.28.1"},
    "extra": {"sys.argv": ["serve"]},
    "something_new": {"from": "a later SDK"},
    "_meta": {"request": {"headers": {"X-Debug-Token": {"": {"rem": [["!config", "s"]]}}}}},
}
CRASH = CrashType(
    id="game-engine/crash",
    title="A crash",
    severity="error",
    route="/debug/crash",
    happens="It divides by zero.",
    status=500,
    errors=(ExpectedError(("ZeroDivisionError",), "tornado"),),
    fix="Do not.",
    captured=(
        Captured("contexts.spin.stage", "How far it came."),
        Captured("exception.values[-1].stacktrace.frames[?in_app] | [-1].vars.bet", "The stake."),
        Captured("breadcrumbs.values[?category=='spin'] | [0]", "What went well."),
        Captured("contexts.nothing", "Never shown."),
    ),
    not_captured=(NotCaptured("The answer", "It was not sent yet.", "Read the trace."),),
)


def event(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(EVENT), **changes}


def raised(*values: dict[str, Any]) -> dict[str, Any]:
    return event(exception={"values": list(values)})


def test_the_parts_come_in_reading_order() -> None:
    page = Page(event_card(EVENT, crash=CRASH))
    assert page.one("h3").text == "ZeroDivisionError"
    assert [each.text for each in page.all("h4")] == [
        "Exception",
        "Stack trace",
        "Breadcrumbs",
        "Contexts",
        "Tags",
        "User",
        "Request",
        "Fingerprint and grouping",
        "Level and mechanism",
        "Release and environment",
        "Server",
        "SDK and integrations",
        "Modules",
        "Trace",
        "Extra",
        "What was not captured",
        "Other fields",
        "Raw event",
    ]


def test_the_head_says_what_happened_where_and_who_captured_it() -> None:
    head = " ".join(Page(event_card(EVENT)).one("header").text.split())
    assert head == (
        "✖ error game-engine 21 Nov 2026, 23:52:16.711 UTC ZeroDivisionError division by zero "
        "Unhandled: no code of the service caught it. Captured by Sentry's Python SDK 2.75.0. "
        "Event 8c143732bdb44bad9dc389bd20b926b0"
    )


@pytest.mark.parametrize("level", ["fatal", "error", "warning", "info", "debug", "unheard-of"])
def test_the_level_has_a_shape_and_a_word(level: str) -> None:
    badge = Page(event_card(event(level=level))).one("span", "cw-level")
    icon, word = badge.text.split()
    assert word == level
    assert not icon.isascii()


def test_measurements_find_the_card_by_its_data() -> None:
    (root,) = Page(event_card(EVENT, answered_at=1764.25)).all("section", "cw-root")
    assert root.attributes["data-event-id"] == EVENT["event_id"]
    assert root.attributes["data-trace-id"] == TRACE
    assert root.attributes["data-answered-at"] == "1764.25"


def test_every_part_says_why_it_is_here() -> None:
    page = Page(event_card(EVENT))
    explained = {id(fold.parents[-2]) for fold in page.all("details", "cw-why")}
    without = [
        heading.text
        for heading in page.all("h4")
        if id(heading.parents[-2]) not in explained
        and heading.text not in ("Contexts", "Raw event")
    ]
    assert without == []
    # Each context has a fold of its own.
    small = [
        e for e in page.all("details", "cw-why") if e.parents[-1] in page.all("div", "cw-small")
    ]
    assert len(small) == 2


def test_a_fold_names_the_line_that_did_it() -> None:
    tags = Page(event_card(EVENT)).part("Tags")
    assert "service ← our code" in tags
    assert 'sentry_sdk.set_tag("service", GAME_ENGINE.name)' in tags


def test_our_frames_are_open_and_those_of_libraries_folded() -> None:
    page = Page(event_card(EVENT))
    assert " ".join(page.one("mark", "cw-current").text.split()) == (
        "▶ 7 return bet / 0 # <b> ← bet = 10"
    )
    (library,) = page.all("details", "cw-library")
    assert "open" not in library.attributes
    assert "_execute" in library.text
    assert "reels ['bell', 'seven']" in page.part("Stack trace")


def test_endless_recursion_shows_the_newest_frames_and_counts_the_rest() -> None:
    frames = [{**FRAME, "lineno": number} for number in range(980)]
    page = Page(event_card(raised({"type": "RecursionError", "stacktrace": {"frames": frames}})))
    assert len(page.all("mark", "cw-current")) == 12
    assert "968 more frames" in page.part("Stack trace")


def test_a_chain_goes_from_the_outermost_to_its_cause() -> None:
    root, middle, last = ({"type": name} for name in ("KeyError", "ValueError", "RuntimeError"))
    chain = Page(event_card(raised(root, middle, last))).part("Exception chain")
    assert chain.endswith("RuntimeError ↳ caused by ValueError ↳ caused by KeyError")


def test_a_cause_is_indented_with_and_without_numbers_of_the_exceptions() -> None:
    plain = [{"type": "KeyError"}, {"type": "ValueError"}]
    numbers: tuple[dict[str, Any], ...] = (
        {"exception_id": 1, "parent_id": 0, "source": "__cause__"},
        {"exception_id": 0},
    )
    numbered = [{**each, "mechanism": about} for each, about in zip(plain, numbers, strict=True)]
    for values in (plain, numbered):
        assert depths(raised(*values)) == ["cw-depth-0", "cw-depth-1"]
    deep = raised(*[{"type": f"E{n}"} for n in range(8)])
    assert depths(deep)[4:] == ["cw-depth-4", *["cw-depth-5"] * 3]


def depths(event: dict[str, Any]) -> list[str]:
    found = (each.attributes.get("class", "") for each in Page(event_card(event)).all("li"))
    return [name for name in found if name.startswith("cw-depth")]


def test_a_group_is_a_tree() -> None:
    def member(number: int, name: str, **mechanism: Any) -> dict[str, Any]:
        return {"type": name, "mechanism": {"exception_id": number, **mechanism}}

    page = Page(
        event_card(
            raised(
                member(3, "IndexError", source="__cause__", parent_id=0),
                member(2, "ValueError", source="exceptions[1]", parent_id=0),
                member(1, "TypeError", source="exceptions[0]", parent_id=0),
                member(0, "ExceptionGroup", is_exception_group=True),
            )
        )
    )
    items = [each for each in page.all("li") if "cw-depth" in each.attributes.get("class", "")]
    assert [(each.attributes["class"], " ".join(each.text.split())) for each in items] == [
        ("cw-depth-0", "ExceptionGroup"),
        ("cw-depth-1", "↳ member of the group TypeError"),
        ("cw-depth-1", "↳ member of the group ValueError"),
        ("cw-depth-2", "↳ caused by IndexError"),
    ]


def test_breadcrumbs_tell_how_long_before_the_error_they_were_left() -> None:
    assert "−500 ms spin reels stopped bet 10" in Page(event_card(EVENT)).part("Breadcrumbs")


def test_the_crash_type_says_what_values_are_good_for() -> None:
    page = Page(event_card(EVENT, crash=CRASH))
    assert "stage paid How far it came." in page.part("Contexts")
    assert "bet 10 The stake." in page.part("Stack trace")
    assert "What went well." in page.part("Breadcrumbs")
    assert "The answer It was not sent yet. Read the trace." in page.part("What was not captured")
    assert "Never shown." not in event_card(EVENT, crash=CRASH)


DOCUMENTED = replace(ALERTS, title="Docs: <b>Alerts</b>")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"path": "user.<b>"}, "Not sent yet. checked: nothing at user.<b> Wait."),
        (
            {"asserted": Assertion.NO_OTHER_EVENT},
            "Not sent yet. checked: no other error event arrives Wait.",
        ),
        (
            {"documented": DOCUMENTED},
            "Not sent yet. documented, not shown: Docs: <b>Alerts</b>, read 2026-11 Wait.",
        ),
        (
            {"path": "user", "servers": DOCUMENTED},
            "checked: nothing at user Wait. documented, not shown: Docs: <b>Alerts</b>, read",
        ),
    ],
    ids=["path", "asserted", "documented", "servers"],
)
def test_it_is_said_how_an_absence_is_known(given: dict[str, Any], sentence: str) -> None:
    absence = NotCaptured("The answer", "Not sent yet.", "Wait.", **given)
    page = Page(event_card(EVENT, crash=replace(CRASH, not_captured=(absence,))))
    assert sentence in page.part("What was not captured")
    links = [each.attributes["href"] for each in page.all("a")]
    assert [each for each in links if not each.startswith("#")] == [ALERTS.url] * (
        DOCUMENTED in given.values()
    )


@pytest.mark.parametrize(
    ("fingerprint", "words"),
    [
        (None, "No custom fingerprint"),
        (["{{ default }}"], "No custom fingerprint"),
        (["{{default}}", "eu"], "splits further"),
        (["bad-coupon"], "A custom fingerprint"),
    ],
)
def test_grouping_is_said_in_words(fingerprint: list[str] | None, words: str) -> None:
    part = Page(event_card(event(fingerprint=fingerprint))).part("Fingerprint and grouping")
    assert words in part
    assert "Sentry's servers group events" in part


@pytest.mark.parametrize(
    ("platform", "collection"), [("python", "data_collection"), ("node", "dataCollection")]
)
def test_what_was_filtered_is_said(platform: str, collection: str) -> None:
    filtered = {key: value for key, value in EVENT.items() if key != "_meta"}
    request = Page(event_card({**filtered, "platform": platform})).part("Request")
    assert (
        f"X-Debug-Token [Filtered] (filtered before it was sent: by {collection} because of its "
        "name, or by a hook)" in request
    )
    assert request.count("filtered before") == 1


def test_what_the_scrubber_of_version_2_took_is_said() -> None:
    request = Page(event_card(EVENT)).part("Request")
    assert (
        "X-Debug-Token [Filtered] (removed by the SDK's scrubber, because of its name)" in request
    )


def test_nothing_is_hidden() -> None:
    page = Page(event_card(EVENT))
    assert "something_new {from: a later SDK}" in page.part("Other fields")
    assert json.loads(page.one("pre", "cw-raw").text) == EVENT


def test_long_values_are_cut_on_screen_and_whole_in_the_json() -> None:
    long = "x" * 100_000
    page = Page(event_card(event(tags={"long": long})))
    assert f"(99,{1000 - MAX_TEXT} more characters in the raw JSON)" in page.part("Tags")
    assert long not in page.part("Tags")
    assert json.loads(page.one("pre", "cw-raw").text)["tags"]["long"] == long


def test_a_log_record_and_a_message_are_cards_too() -> None:
    record = {"logger": "game", "logentry": {"message": "%s left", "formatted": "2 left"}}
    assert "Log record 2 left" in " ".join(Page(event_card(record)).one("header").text.split())
    assert "Message hello" in " ".join(
        Page(event_card({"message": "hello"})).one("header").text.split()
    )


def test_no_address_becomes_a_link() -> None:
    url = "javascript:alert(1)"
    page = Page(event_card(event(request={"url": url}, tags={"url": url})))
    links = [each.attributes["href"] for each in page.all("a")]
    # On the first screen, and in the part of the trace.
    assert links == [f"#trace-{TRACE}", f"#logs-{TRACE}"] * 2


def test_the_card_says_how_to_see_the_logs_of_its_trace() -> None:
    assert f'workshop.trace_logs("{TRACE}")' in event_card(EVENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"level": HOSTILE, "event_id": HOSTILE, "server_name": HOSTILE, "timestamp": HOSTILE},
        {"exception": {"values": [{"type": HOSTILE, "value": HOSTILE, "module": HOSTILE}]}},
        {"exception": {"values": [{"mechanism": {HOSTILE: HOSTILE, "type": HOSTILE}}]}},
        {"tags": {HOSTILE: HOSTILE}, "user": {HOSTILE: HOSTILE}},
        {"contexts": {HOSTILE: {HOSTILE: HOSTILE}, "trace": {"trace_id": HOSTILE}}},
        {"request": {"url": HOSTILE, "headers": {HOSTILE: HOSTILE}, "data": {HOSTILE: [HOSTILE]}}},
        {"breadcrumbs": {"values": [{"category": HOSTILE, "level": HOSTILE, "message": HOSTILE}]}},
        {"breadcrumbs": {"values": [{"data": {HOSTILE: HOSTILE}, "timestamp": HOSTILE}]}},
        {"modules": {HOSTILE: HOSTILE}, "fingerprint": [HOSTILE], "sdk": {"name": HOSTILE}},
        {HOSTILE: HOSTILE, "_meta": {"tags": {"service": {"": {"rem": [[HOSTILE]], "len": 1}}}}},
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                dict.fromkeys(
                                    ("filename", "function", "context_line", "lineno"), HOSTILE
                                )
                                | {"vars": {HOSTILE: HOSTILE}, "in_app": in_app}
                                for in_app in (True, False)
                            ]
                        }
                    }
                ]
            }
        },
    ],
    ids=lambda changes: ",".join(str(key)[:12] for key in changes),
)
def test_hostile_values_stay_text(changes: dict[str, Any]) -> None:
    html = event_card(event(**changes), crash=CRASH)
    Page(html)
    assert "<script" not in html
    assert "<img" not in html


def test_source_cannot_move_the_line_numbers() -> None:
    frame = {**FRAME, "context_line": "x = '\r\n\u2028\x0c'"}
    page = Page(event_card(raised({"type": "E", "stacktrace": {"frames": [frame]}})))
    assert [each.text.split()[-1] for each in page.all("span", "cw-lineno")] == ["5", "6", "7", "8"]


def test_what_cannot_be_sent_as_utf8_is_still_shown() -> None:
    html = event_card(event(message="\ud800", tags={"broken": "\udfff"}))
    Page(html)
    html.encode()


def test_the_card_is_light() -> None:
    assert len(event_card(EVENT, crash=CRASH)) < 60_000


TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        HOSTILE,
        "error",
        "log",
        "http",
        "default",
        "generic",
        TRACE,
        "2026-11-21T23:52:16Z",
        "[Filtered]",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
KNOWN = (
    *("exception", "values", "stacktrace", "frames", "vars", "context_line", "pre_context"),
    *("lineno", "in_app", "mechanism", "exception_id", "parent_id", "source", "handled", "type"),
    *("value", "breadcrumbs", "category", "message", "data", "level", "timestamp", "contexts"),
    *("trace", "trace_id", "tags", "user", "request", "headers", "fingerprint", "modules"),
    *("logentry", "formatted", "logger", "extra", "sdk", "name", "_meta", "rem", "len", ""),
)
NAMES = TEXTS | st.sampled_from(KNOWN)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
KEYS = sorted({*EVENT, "threads", "stacktrace", "fingerprint", "logger", "logentry", "message"})
FRAMES = st.fixed_dictionaries({}, optional=dict.fromkeys((*FRAME, "abs_path"), JSON))
VALUES = st.fixed_dictionaries(
    {"stacktrace": st.fixed_dictionaries({"frames": st.lists(FRAMES | JSON, max_size=3)})},
    optional={"type": JSON, "value": JSON, "module": JSON, "mechanism": JSON},
)
EVENTS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(KEYS, JSON)
    | {"exception": JSON | st.fixed_dictionaries({"values": st.lists(VALUES | JSON, max_size=3)})},
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_any_payload_becomes_a_harmless_card(payload: dict[str, Any]) -> None:
    Page(event_card(payload, crash=CRASH, answered_at=1.0))


def test_deep_nesting_is_survived() -> None:
    deep: Any = "bottom"
    for _ in range(800):
        deep = {"a": [deep]}
    Page(event_card(event(contexts={"deep": deep}, deep=deep, tags=deep)))
