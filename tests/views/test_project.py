"""The page of a project: a section for each kind of telemetry that it sent."""

import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentry_sdk.crons import capture_checkin
from sentry_sdk.envelope import Envelope, Item

from demo_services.trace import start_span
from kit.ingest.envelope import ACCOMPANYING, JSON_TYPES
from kit.ingest.store import Store, StoredItem
from kit.outcome import Event
from kit.reading.feedback import read_feedback
from kit.reading.metrics import MAX_POINTS, Metric, number, read_metrics
from kit.reading.replays import MAX_PAGES, read_replays
from kit.views.attachments import MAX_IMAGE_BYTES, image_type, read_attachments
from kit.views.project import MAX_LARGE, MAX_SHOWN, ProjectPage, read_project
from kit.views.waterfall import MAX_VISITS, waterfall
from tests.ingest.sending import body, new_id, running, store_away
from tests.ingest.sending import item as sent

from .ingesting import client_of
from .picture import Picture
from .traces import ANYTHING, FRONTEND, HOSTILE, START, TIMES
from .traces import item as stored


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


# 40 by 30, in blue.
PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", (40).to_bytes(4) + (30).to_bytes(4) + b"\x08\x02\0\0\0")
    + _chunk(b"IDAT", zlib.compress((b"\0" + b"\x33\x66\x99" * 40) * 30))
    + _chunk(b"IEND", b"")
)
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08" + (30).to_bytes(2) + (40).to_bytes(2) + b"\x03"
# A browser goes from the bare marker to a frame of 65,535 by 65,535, never to the small one
# that stands where its "length" would lead.
HIDDEN = b"\xff\xd8\xff\xd0\xff\xc0\0\x11\x08\xff\xff\xff\xff"
HIDDEN += bytes(4 + 0xFFC0 - len(HIDDEN)) + JPEG[8:]
REPLAY = "ab" * 16
SHOP, CART = "https://shop.example/", "https://shop.example/cart"
MARK = "what only this item says"


def words(page: ProjectPage) -> str:
    return Picture(page._repr_html_()).words


def with_cells(picture: Picture) -> str:
    return " ".join([picture.words, *(cell for row in picture.cells for cell in row)])


# Sent by the real SDK


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectPage]:
    """Give the page of a project after the SDK sent it one of everything that it can send."""
    store = Store(tmp_path_factory.mktemp("project") / "items.sqlite3")
    with running(store) as ingest:
        options: dict[str, Any] = {"release": "shop@1.2", "trace_lifecycle": "stream"}
        with client_of(ingest.dsn, traces_sample_rate=1, before_send=_refuse, **options) as client:
            send_everything(client)
    yield read_project(store, "gateway", Event)
    store.close()


def _refuse(event: Any, hint: Any) -> Any:
    return None if "unwanted" in str(event.get("message")) else event


def send_everything(client: sentry_sdk.Client) -> None:
    sentry_sdk.start_session()
    with start_span(op="task", name="settle the bets"):
        for coins in (1, 2, 4):
            sentry_sdk.metrics.count("coins.paid", coins, attributes={"kind": "win"})
            sentry_sdk.metrics.distribution("spin.time", coins * 10.5, unit="millisecond")
            sentry_sdk.metrics.gauge("players.online", coins)
        sentry_sdk.logger.warning("the bank is {state}", state="nearly empty")
        # Those of a scope go with all that it sends: with check-ins, too.
        with sentry_sdk.new_scope() as scope:
            scope.add_attachment(bytes=b"bank: <b>empty</b>", filename="state.txt")
            scope.add_attachment(bytes=PNG, filename="screen.png")
            try:
                raise ValueError("no coins left")
            except ValueError as error:
                event_id = sentry_sdk.capture_exception(error)
    sentry_sdk.capture_message("unwanted")
    capture_checkin("nightly", status="ok")
    sentry_sdk.end_session()
    report = {"event_id": event_id, "name": "Ada", "comments": "I lost my coins"}
    for kind, payload in (("feedback", feedback(about=event_id)), ("user_report", report)):
        envelope = Envelope(items=[Item(payload=json.dumps(payload).encode(), type=kind)])
        assert client.transport is not None
        client.transport.capture_envelope(envelope)


def feedback(message: Any = "The wheel spins too slowly", about: Any = None) -> dict[str, Any]:
    """Return feedback as the browser's SDK makes it (captureFeedback)."""
    context = {
        "contact_email": "bob@example.com",
        "name": "Bob",
        "message": message,
        "url": SHOP,
        "source": "widget",
        "associated_event_id": about,
    }
    return {"event_id": new_id(), "type": "feedback", "contexts": {"feedback": context}}


@pytest.mark.system
def test_each_kind_that_the_sdk_sends_has_a_section(page: ProjectPage) -> None:
    picture = Picture(page._repr_html_())
    sections = (
        "Errors, User feedback, Traces, Logs, Metrics, Attachments, Check-ins, Release health"
    )
    for heading in (*sections.split(", "), "Sent and dropped"):
        assert heading in picture.words
    cells = {row[0].strip(): row for row in picture.cells}
    assert cells["spin.time"][1:5] == [
        "distribution",
        "",
        "min 10.5, median 21, max 42",
        "millisecond",
    ]
    assert cells["coins.paid by kind"][3] == "sum 7"
    assert cells["players.online"][3] == "last 4"
    assert cells["task settle the bets"][3:] == ["1", page.traces[0].trace_id]
    assert cells["gateway"][2].strip() == "1 error: before_send"
    assert "the bank is nearly empty" in picture.words
    assert "bank: <b>empty</b>" in picture.words
    assert page._repr_html_().count("data:image/png;base64,") == 1


@pytest.mark.system
def test_code_gets_what_the_page_shows(page: ProjectPage) -> None:
    (event,) = page.events
    assert isinstance(event, Event)
    assert [error.title for error in page.errors] == ["ValueError: no coins left"]
    assert [metric.name for metric in page.metrics] == ["coins.paid", "players.online", "spin.time"]
    assert {file.name: file.event_id for file in page.attachments} == {
        "state.txt": event["event_id"],
        "screen.png": event["event_id"],
    }
    assert [entry.message for entry in page.logs] == ["the bank is nearly empty"]
    assert repr(page).startswith("<ProjectPage gateway: ")


@pytest.mark.system
def test_feedback_of_both_types_names_the_error_it_is_about(page: ProjectPage) -> None:
    event_id = page.events[0]["event_id"]
    assert {(each.contact, each.message.text, each.event_id) for each in page.feedback} == {
        ("Bob, bob@example.com", "The wheel spins too slowly", event_id),
        ("Ada", "I lost my coins", event_id),
    }
    assert words(page).count(f"About the event {event_id}: ValueError: no coins left.") == 2


# Replays


def replay_event(**fields: Any) -> dict[str, Any]:
    """Return a segment as the browser's SDK sends it (@sentry/replay, sendReplayRequest)."""
    return {
        "type": "replay_event",
        "replay_start_timestamp": START - 1,
        "timestamp": START + 9,
        "error_ids": ["e" * 32],
        "trace_ids": ["f" * 32],
        "urls": [SHOP, CART],
        "replay_id": REPLAY,
        "segment_id": 0,
        "replay_type": "session",
        **fields,
    }


def recorded(*events: dict[str, Any], segment: int = 0, is_compressed: bool = True) -> bytes:
    data = json.dumps(events).encode()
    header = json.dumps({"segment_id": segment}).encode()
    return header + b"\n" + (zlib.compress(data) if is_compressed else data)


def meta(href: str, at: float) -> dict[str, Any]:
    return {"type": 4, "data": {"href": href, "width": 800, "height": 600}, "timestamp": at * 1000}


def navigation(to: str, at: float) -> dict[str, Any]:
    payload = {"op": "navigation.push", "description": to, "startTimestamp": at, "endTimestamp": at}
    return {"type": 5, "timestamp": at, "data": {"tag": "performanceSpan", "payload": payload}}


def of_replay(kind: str, payload: Any) -> StoredItem:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return StoredItem(1, "shop", kind, REPLAY, frozenset(), START, {}, data)


@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_recording_says_when_each_page_was_opened(is_compressed: bool) -> None:
    recording = recorded(
        meta(SHOP, START - 1), navigation(CART, START + 2), is_compressed=is_compressed
    )
    items = [of_replay("replay_event", replay_event()), of_replay("replay_recording", recording)]
    (replay,) = read_replays(items)
    assert [(page.url, page.at, page.is_guess) for page in replay.pages] == [
        (SHOP, START - 1, False),
        (CART, START + 2, False),
    ]
    assert (replay.id, replay.duration, replay.segments) == (REPLAY, 10.0, (0,))
    assert (replay.error_ids, replay.trace_ids) == (("e" * 32,), ("f" * 32,))
    assert replay.recording_bytes == len(recording)


@pytest.mark.parametrize(
    "recording",
    [None, b"", b"{}", b'{"segment_id":0}\nnot a stream', b"{}\n" + zlib.compress(b"0" * 10**7)],
)
def test_without_a_readable_recording_pages_are_at_the_start_of_their_segment(
    recording: bytes | None,
) -> None:
    later = replay_event(segment_id=1, replay_start_timestamp=START + 5, urls=[CART], error_ids=[])
    items = [of_replay("replay_event", each) for each in (later, replay_event(urls=[SHOP]))]
    if recording is not None:
        items.append(of_replay("replay_recording", recording))
    (replay,) = read_replays(items)
    assert replay.segments == (0, 1)
    assert [(page.url, page.at, page.is_guess) for page in replay.pages] == [
        (SHOP, START - 1, True),
        (CART, START + 5, True),
    ]


def test_a_replay_is_marked_in_the_waterfall_of_its_trace() -> None:
    recording = recorded(meta(SHOP, START - 1), navigation(CART, START + 0.05))
    items = [
        FRONTEND,
        of_replay("replay_event", replay_event()),
        of_replay("replay_recording", recording),
    ]
    picture = Picture(waterfall(items))
    assert [each for each in picture.drawn if each.startswith("▶")] == [
        f"▶ replay starts on {SHOP}",
        f"▶ page {CART}",
    ]
    # What happened before the trace has no place on its axis.
    assert picture.styles["cw-page"] == ["--start: 50.00%"]
    assert [row[3] for row in picture.cells if row[2].startswith("▶")] == ["−1.00 s", "50 ms"]
    assert "not drawn: 1 replay_recording item" in picture.words
    assert "▶" not in Picture(waterfall([FRONTEND])).words


def test_of_many_pages_those_nearest_to_the_trace_are_marked() -> None:
    pages = [navigation(f"/{n}", START + n) for n in range(30)]
    items = [
        of_replay("replay_event", replay_event(urls=[])),
        of_replay("replay_recording", recorded(*pages)),
    ]
    picture = Picture(waterfall([FRONTEND, *items]))
    marks = [each for each in picture.drawn if each.startswith("▶ page")]
    assert marks[0] == "▶ page /1"
    assert len(marks) == MAX_VISITS - 1
    assert f"{30 - MAX_VISITS} more marks of replays" in picture.words


@pytest.mark.parametrize("value", [None, True, "x", [], {}, HOSTILE, float("nan"), 10**400, -1])
def test_a_replay_of_any_form_can_be_read(value: Any) -> None:
    event = dict.fromkeys(replay_event(), value)
    events = [{"type": 4, "data": {"href": value}, "timestamp": value}, value]
    recording = b"{}\n" + json.dumps(events).encode()
    for payload in (event, [value], b"\xff"):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        items = [of_replay("replay_event", data), of_replay("replay_recording", recording)]
        Picture(ProjectPage("shop", {each.type: [each] for each in items})._repr_html_())
        Picture(waterfall([FRONTEND, *items]))
    many = replay_event(urls=[f"/{n}" for n in range(10**4)], trace_ids=["a"] * 10**5)
    assert len(read_replays([of_replay("replay_event", many)])[0].pages) == MAX_PAGES


# Metrics


def metric(kind: str, *values: Any, **fields: Any) -> StoredItem:
    points = [
        {"name": "n", "type": kind, "value": value, "timestamp": START + n, **fields}
        for n, value in enumerate(values)
    ]
    return stored("trace_metric", {"version": 2, "items": points})


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("counter", "sum 60"),
        ("gauge", "last 20"),
        ("distribution", "min 10, median 20, max 30"),
        ("of tomorrow", "min 10, median 20, max 30"),
    ],
)
def test_a_metric_is_summed_up_as_its_type_wants_it(kind: str, figures: str) -> None:
    (found,) = read_metrics([metric(kind, 10, 30, 20)])
    assert found.figures == figures
    assert (found.unit, found.unreadable) == ("", 0)
    assert found.over_time(START, START + 2, 3) == [10, 30, 20]


def test_numbers_of_another_type_or_unit_are_a_metric_of_their_own() -> None:
    items = [metric("gauge", 1), metric("counter", 1), metric("gauge", 1, unit="byte")]
    found = read_metrics([*items, metric("gauge", 2, unit="none")])
    assert [(each.type, each.unit, len(each.points)) for each in found] == [
        ("counter", "", 1),
        ("gauge", "", 2),
        ("gauge", "byte", 1),
    ]


@pytest.mark.parametrize("value", [None, True, "3", [], {}, HOSTILE, float("nan"), 10**400])
def test_what_is_no_number_is_counted_as_such(value: Any) -> None:
    (found,) = read_metrics([metric("counter", value, 2)])
    assert (found.total, found.unreadable) == (2, 1)
    page = ProjectPage("shop", {"trace_metric": [metric("counter", value)]})
    assert "no number 1 not a number" in with_cells(Picture(page._repr_html_()))


@pytest.mark.parametrize("values", [(1e308,) * 30, (-1e308, 1e308), (-3, -4), (0, 0), (5e-324,)])
def test_bars_stay_in_their_box(values: tuple[float, ...]) -> None:
    for kind in ("counter", "gauge"):
        html = ProjectPage("shop", {"trace_metric": [metric(kind, *values)]})._repr_html_()
        Picture(html)
        assert "nan" not in html
        assert "<polygon" in html


def test_metrics_are_bounded() -> None:
    item = metric("counter", *[1] * (MAX_POINTS + 5))
    assert [len(each.points) for each in read_metrics([item])] == [MAX_POINTS]
    many = [metric("counter", 1, name=f"n{n:03}") for n in range(30)]
    page = ProjectPage("shop", {"trace_metric": many})
    assert "20 of 30 are shown, by name" in words(page)
    assert Metric("shop", "n", "gauge", "", ()).last is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7.0, "7"), (1234567, "1,234,567"), (0.125, "0.125"), (1234.56, "1,234.6")],
)
def test_numbers_read_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


# Attachments


def attached(content: bytes, **headers: Any) -> StoredItem:
    return StoredItem(1, "shop", "attachment", "e" * 32, frozenset(), START, headers, content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"GIF89a" + PNG, ""),
        (b'<svg onload="alert(1)"/>', ""),
        (PNG[:18], ""),
        (PNG[:16] + b"\0\x01\0\0" * 2, ""),
        (PNG + bytes(MAX_IMAGE_BYTES), ""),
        (HIDDEN, ""),
        (b"\xff\xd8\xff", ""),
    ],
    ids=["png", "jpeg", "gif", "svg", "cut", "huge", "long", "bare marker", "empty jpeg"],
)
def test_a_picture_is_shown_by_its_bytes_only(content: bytes, kind: str) -> None:
    assert image_type(content) == kind
    item = attached(content, filename="x.png", content_type="image/png")
    html = ProjectPage("shop", {"attachment": [item]})._repr_html_()
    Picture(html)
    assert ("<img" in html) is bool(kind)


def test_a_text_is_shown_cut_and_escaped_and_of_other_files_the_size() -> None:
    items = [
        attached(b"<script>alert(1)</script>" + b"x" * 5000, filename=HOSTILE, content_type="a/b"),
        attached(b"MDMP\0\xff" * 20, filename="crash.dmp", attachment_type="event.minidump"),
        attached(b""),
    ]
    text, dump, empty = read_attachments(items)
    assert text.text is not None
    assert "Cut after 2,000 characters" in text.text.remark
    assert (dump.text, dump.image, dump.size, dump.kind) == (
        None,
        "",
        "120 bytes",
        "event.minidump",
    )
    assert (empty.name, empty.text) == ("no name", None)
    html = ProjectPage("shop", {"attachment": items})._repr_html_()
    Picture(html)
    assert "<script" not in html


def test_pictures_leave_room_on_the_page() -> None:
    large = PNG + bytes(MAX_IMAGE_BYTES - len(PNG))
    html = ProjectPage("shop", {"attachment": [attached(large)] * 9})._repr_html_()
    assert html.count("<img") == 2


# All of it


TYPES = sorted(JSON_TYPES | ACCOMPANYING | {"replay_event", "statsd", "of tomorrow"})


@pytest.fixture(scope="module")
def by_type(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Give a store with an item of every type, each of a project with the type's name."""
    store = Store(tmp_path_factory.mktemp("types") / "items.sqlite3")
    for kind in TYPES:
        payload = {"note": MARK} if kind in JSON_TYPES else MARK.encode()
        store_away(store, body(sent(kind, payload)), project=kind)
        store_away(store, body(sent(kind, {"note": "of another"})), project="other")
    yield store
    store.close()


@pytest.mark.parametrize("kind", TYPES)
def test_whatever_a_project_sent_is_on_its_page(by_type: Store, kind: str) -> None:
    page = read_project(by_type, kind)
    assert "1 item, the last at" in page.sentence
    assert MARK in words(page)
    assert f"1 {kind} item" in words(page)
    assert "of another" not in page._repr_html_()


def test_an_unknown_project_has_an_empty_page(tmp_path: Path) -> None:
    store = Store(tmp_path / "items.sqlite3")
    page = read_project(store, "nobody")
    assert words(page) == "Project nobody Nothing from nobody is stored."
    assert (page.events, page.feedback, page.metrics, page.replays) == ([], [], [], [])
    store.close()


def test_many_are_bounded_and_the_page_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "items.sqlite3")
    files = [sent("attachment", b"text", filename=f"{n}.txt") for n in range(MAX_LARGE + 10)]
    written = [sent("feedback", feedback(f"message {n}")) for n in range(MAX_SHOWN + 5)]
    store_away(store, body(*files, *written), project="my-app")
    page = read_project(store, "my-app")
    text = words(page)
    assert "Only the newest 50 items of type attachment are read." in text
    assert "The newest 20 of 25 are shown; .feedback has all." in text
    assert page.feedback[0].message.text == f"message {MAX_SHOWN + 4}"
    store.close()


def test_jobs_and_sessions_are_those_of_the_project(tmp_path: Path) -> None:
    store = Store(tmp_path / "items.sqlite3")
    session = {"sid": "1", "status": "ok", "attrs": {"release": "shop@1"}}
    job = {"status": "ok", "monitor_slug": "nightly"}
    store_away(store, body(sent("session", session), sent("check_in", job)), project="my-app")
    session["attrs"] = {"release": "bank@1"}
    job["monitor_slug"] = "hourly"
    store_away(store, body(sent("session", session), sent("check_in", job)), project="payment")
    store_away(store, body(sent("event", {})), project="gateway")
    picture = Picture(read_project(store, "my-app")._repr_html_())
    text = with_cells(picture)
    assert "nightly" in text
    assert "shop@1" in text
    for other in ("hourly", "bank@1", "No sessions from"):
        assert other not in text
    store.close()


def test_logs_of_all_traces_are_shown_the_newest_first() -> None:
    entries = [
        {"body": f"line {n}", "level": "info", "timestamp": START + n, "trace_id": f"{n:032x}"}
        for n in range(40)
    ]
    page = ProjectPage("shop", {"log": [stored("log", {"items": entries})]})
    text = words(page)
    assert "The newest 30 of 40 logs are shown." in text
    shown = text.partition("logs are shown")[2]
    assert shown.index("line 39") < shown.index("line 10")
    assert f"{time.strftime('%H:%M:%S', time.gmtime(START + 39))}" in text
    assert "error event" not in text.partition("Logs")[2]
    assert page.logs[0].message == "line 39"


TRICKY = st.fixed_dictionaries(
    {},
    optional={
        "contexts": st.fixed_dictionaries({"feedback": ANYTHING}) | ANYTHING,
        "items": st.lists(
            st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(
                    ("name", "type", "unit", "value", "attributes", "body", "level", "trace_id"),
                    ANYTHING,
                )
                | {"timestamp": TIMES},
            ),
            max_size=3,
        )
        | ANYTHING,
        "timestamp": TIMES,
        "replay_start_timestamp": TIMES,
        **dict.fromkeys(
            ("urls", "error_ids", "replay_id", "segment_id", "comments", "event_id", "profile"),
            ANYTHING,
        ),
    },
)


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(TYPES), TRICKY | ANYTHING), max_size=4),
    st.dictionaries(st.sampled_from(["filename", "content_type", "attachment_type"]), ANYTHING),
)
def test_of_any_form_nothing_raises_and_all_is_escaped(
    forms: list[tuple[str, Any]], headers: dict[str, Any]
) -> None:
    items: dict[str, list[StoredItem]] = {}
    for number_, (kind, payload) in enumerate(forms):
        data = payload if kind in JSON_TYPES else json.dumps(payload, default=str).encode()
        one = StoredItem(number_, "shop", kind, None, frozenset(), START, headers, data)
        items.setdefault(kind, []).append(one)
    html = ProjectPage(HOSTILE, items)._repr_html_()
    Picture(html)
    Picture(waterfall([FRONTEND, *(each for some in items.values() for each in some)]))
    assert "<script" not in html


def test_only_feedback_is_read_as_feedback() -> None:
    assert read_feedback([stored("event", feedback())]) == []
    (found,) = read_feedback([stored("feedback", feedback("x" * 5000))])
    assert found.message.remarks
    # Older SDKs name the event in the envelope only.
    report = StoredItem(1, "shop", "user_report", "e" * 32, frozenset(), START, {}, b"{}")
    assert read_feedback([report])[0].event_id == "e" * 32
