"""Whatever the ingest takes is seen somewhere: drawn, or counted and named, and raw."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from kit.ingest.envelope import ACCOMPANYING, JSON_TYPES
from kit.ingest.store import Store
from kit.outcome import Outcome, make_trace
from kit.reading.items import MAX_RAW, MAX_RAW_TEXT, MAX_TYPES, VIEWS, group_items, raw_value
from kit.views.sent_and_dropped import SentAndDropped, read_sent_and_dropped
from kit.workshop import Workshop
from tests.ingest.sending import body, new_id, store_away
from tests.ingest.sending import item as sent

from .picture import Picture
from .traces import HOSTILE
from .traces import item as stored

TRACE = "1" * 32
OTHERS = {"statsd", "replay_event", "security", "raw_security", "nel", "unreal_report", "form_data"}
TYPES = sorted(JSON_TYPES | ACCOMPANYING | OTHERS | {"of tomorrow"})
MARK = "what only this item says"
SPAN = {
    "trace_id": TRACE,
    "span_id": "a" * 16,
    "start_timestamp": 1.8e9,
    "end_timestamp": 1.8e9 + 1,
}
SENT: dict[str, Any] = {
    "event": {"message": MARK},
    "transaction": {"transaction": MARK, "start_timestamp": 1.8e9, "timestamp": 1.8e9 + 1},
    "span": {**SPAN, "description": MARK},
}


def payload(kind: str) -> Any:
    if kind in SENT:
        return SENT[kind]
    return {"note": MARK} if kind in JSON_TYPES else MARK.encode()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a store with an item of every type, in an envelope of a trace and in one of none."""
    made = Store(tmp_path_factory.mktemp("stored") / "items.sqlite3")
    for headers in ({"trace": {"trace_id": TRACE}}, {}):
        store_away(made, *(body(sent(kind, payload(kind)), **headers) for kind in TYPES))
    yield made
    made.close()


@pytest.mark.parametrize("kind", TYPES)
def test_an_item_of_a_trace_is_drawn_or_named(store: Store, kind: str) -> None:
    (item,) = store.items(trace_id=TRACE, type=kind)[:1]
    picture = Picture(make_trace([item], TRACE)._repr_html_().partition(">")[2][: -len("</div>")])
    shown = f"{picture.words} {picture.drawn}"
    assert MARK in shown
    if kind not in SENT:
        assert f"Also in this trace, but not drawn: 1 {kind} item" in picture.words


@pytest.mark.parametrize("kind", TYPES)
def test_an_item_of_no_trace_is_counted_and_has_a_view(store: Store, kind: str) -> None:
    table = read_sent_and_dropped(store)
    picture = Picture(table._repr_html_())
    assert f"2 {kind} items" in picture.words.partition("Everything stored")[2]
    (group,) = [each for each in table.stored if each.noun == f"{kind} item"]
    assert MARK in group.raw[0].text
    assert group.unshown == 1
    assert group.view == VIEWS.get(kind, "")


@pytest.mark.parametrize("view", sorted(set(VIEWS.values())))
def test_a_view_that_is_named_is_there(view: str) -> None:
    for owner, name in re.findall(r"(workshop|outcome)\.(\w+)", view):
        assert hasattr({"workshop": Workshop, "outcome": Outcome}[owner], name)


def test_only_what_came_since_is_counted(store: Store) -> None:
    assert store.count_types() == dict.fromkeys(TYPES, 2)
    assert store.count_types(since=time.time() + 60) == {}
    later = read_sent_and_dropped(store, since=time.time() + 60)
    assert "Nothing has arrived" in Picture(later._repr_html_()).words


def test_what_no_table_counts_has_still_arrived(tmp_path: Path) -> None:
    store = Store(tmp_path / "items.sqlite3")
    store_away(store, body(sent("attachment", b"MDMP\x00\xff" * 20, filename="crash.dmp")))
    picture = Picture(read_sent_and_dropped(store)._repr_html_())
    assert "Nothing has arrived" not in picture.words
    assert '"filename": "crash.dmp"' in picture.words
    assert "4d 44 4d 50 00 ff" in picture.words
    assert "120 bytes of binary data, the first 64 in hex." in picture.words
    store.close()


def test_a_replay_and_its_recording_belong_to_their_traces(tmp_path: Path) -> None:
    traces = [new_id(), new_id()]
    store = Store(tmp_path / "items.sqlite3")
    event = sent("replay_event", {"replay_id": new_id(), "trace_ids": traces})
    store_away(store, body(event, sent("replay_recording", b'{"segment_id":0}\n\x00\xff')))
    for trace in traces:
        picture = Picture(read_trace_words(store, trace))
        assert "not drawn: 1 replay_event item, 1 replay_recording item" in picture.words
    store.close()


def read_trace_words(store: Store, trace: str) -> str:
    html = make_trace(store.items(trace_id=trace), trace)._repr_html_()
    return html.partition(">")[2].removesuffix("</div>")


@pytest.mark.parametrize("value", [{"a": ["x" * 10**6]}, ["y"] * 10**6, b"z" * 10**6, "é" * 10**6])
def test_a_raw_item_is_bounded_and_says_so(value: Any) -> None:
    raw = raw_value(value)
    assert len(raw.text) == MAX_RAW_TEXT + 1
    assert "Cut after 2,000 characters" in raw.remark


def test_of_very_many_types_all_are_counted_and_the_first_are_raw() -> None:
    groups = group_items(stored(f"type {n:03}", b"x") for n in range(100) for _ in range(3))
    assert {(group.count, len(group.raw)) for group in groups[:MAX_TYPES]} == {(3, MAX_RAW)}
    assert {(group.count, len(group.raw)) for group in groups[MAX_TYPES:]} == {(3, 0)}
    assert groups[-1].phrase == "3 type 099 items"


def test_hostile_items_stay_text(tmp_path: Path) -> None:
    store = Store(tmp_path / "items.sqlite3")
    hostile = HOSTILE.encode("utf-8", "replace")
    printable = "".join(each for each in HOSTILE if each.isprintable())
    store_away(store, body(sent(printable, hostile), sent("feedback", {printable: [printable]})))
    html = read_sent_and_dropped(store)._repr_html_()
    Picture(html)
    assert "<script" not in html
    assert "<img" not in html
    assert SentAndDropped({}).stored == []
    store.close()
