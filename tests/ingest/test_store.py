import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest

import kit.ingest.store
from kit.ingest.envelope import parse
from kit.ingest.store import Store, StoredItem, StoreError
from tests.ingest.sending import PATIENCE_S, body, error, item, new_id, store_away


def transaction(trace_id: str) -> bytes:
    return body(item("transaction", {"contexts": {"trace": {"trace_id": trace_id}}}))


def test_items_are_read_newest_first(store: Store) -> None:
    for number in range(3):
        store_away(store, error(new_id(), number=number))
    assert [found.payload["number"] for found in store.items()] == [2, 1, 0]
    assert [found.payload["number"] for found in store.items(limit=2)] == [2, 1]


def test_items_are_found_by_everything_given(store: Store) -> None:
    trace, other = new_id(), new_id()
    store_away(store, error(trace, number=1))
    store_away(store, error(trace, number=2), project="game-engine")
    store_away(store, error(other, number=3))
    store_away(store, transaction(trace))
    (wanted,) = store.items(trace_id=trace, type="event", project="game-engine")
    assert wanted.payload["number"] == 2
    assert store.items(event_id=wanted.event_id) == [wanted]
    assert {found.type for found in store.items(trace_id=trace)} == {"event", "transaction"}
    assert store.items(trace_id=new_id()) == []


def test_what_is_read_is_what_was_sent(store: Store) -> None:
    trace, other, event_id = new_id(), new_id(), new_id()
    logs = {"items": [{"trace_id": trace, "body": "é"}, {"trace_id": other}]}
    raw = bytes(range(256))
    sent = body(item("log", logs), item("attachment", raw, filename="a.bin"), event_id=event_id)
    store_away(store, sent)
    attachment, log = store.items()
    assert log.payload == logs
    assert log.trace_ids == {trace, other}
    assert log.project == "gateway"
    assert attachment.payload == raw
    assert attachment.headers["filename"] == "a.bin"
    assert attachment.event_id == event_id


def test_a_subscriber_gets_what_a_reader_finds(store: Store) -> None:
    trace = new_id()
    with store.subscribe(trace) as arrivals:
        store_away(store, error(new_id()))
        store_away(store, error(trace, message="wanted"))
        found = arrivals.get(timeout=PATIENCE_S)
    assert [found] == store.items(trace_id=trace)


def test_a_subscriber_to_everything_gets_everything_in_order(store: Store) -> None:
    with store.subscribe() as arrivals:
        for number in range(50):
            store_away(store, error(new_id(), number=number))
        numbers = [arrivals.get(timeout=PATIENCE_S).payload["number"] for _ in range(50)]
    assert numbers == list(range(50))


def test_an_item_is_handed_over_before_its_write_returns(store: Store) -> None:
    with store.subscribe() as arrivals:
        store_away(store, error(new_id()))
        assert arrivals.get(timeout=0).type == "event"


def test_a_subscriber_times_out(store: Store) -> None:
    with store.subscribe() as arrivals, pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        arrivals.get(timeout=0.01)


def test_a_subscriber_that_left_gets_no_more(store: Store) -> None:
    with store.subscribe() as arrivals:
        pass
    store_away(store, error(new_id()))
    with pytest.raises(TimeoutError):
        arrivals.get(timeout=0)


def test_a_subscriber_that_never_reads_is_cut_off_and_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.ingest.store, "MAX_UNREAD_ITEMS", 2)
    with store.subscribe() as arrivals:
        for _ in range(5):
            store_away(store, error(new_id()))
        assert [arrivals.get(timeout=1).type for _ in range(2)] == ["event", "event"]
        for _ in range(2):
            with pytest.raises(StoreError, match="2 items were left unread"):
                arrivals.get(timeout=1)


def test_a_waiter_finds_what_came_before(store: Store) -> None:
    trace = new_id()
    store_away(store, error(trace, number=1))
    store_away(store, error(trace, number=2))
    assert store.wait_for_error(trace, timeout=0).payload["number"] == 1


def test_a_waiter_gets_what_comes_after(store: Store) -> None:
    trace = new_id()
    looked = threading.Event()

    def is_second(found: StoredItem) -> bool:
        looked.set()
        return found.payload.get("number") == 2

    store_away(store, error(trace, number=1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.wait_for, trace, is_second, PATIENCE_S)
        assert looked.wait(PATIENCE_S)
        store_away(store, error(trace, number=2))
        assert waiting.result(PATIENCE_S).payload["number"] == 2


def test_many_waiters_each_get_their_own(store: Store) -> None:
    traces = [new_id() for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        waiting = {trace: pool.submit(store.wait_for_error, trace, PATIENCE_S) for trace in traces}
        for trace in reversed(traces):
            store_away(store, error(trace, message=trace))
        assert all(waiting[trace].result().payload["message"] == trace for trace in traces)


def test_a_waiter_in_vain_says_what_arrived_instead(store: Store) -> None:
    trace = new_id()
    store_away(store, error(trace))
    store_away(store, transaction(trace), project="game-engine")
    store_away(store, transaction(trace), project="game-engine")
    with pytest.raises(TimeoutError) as caught:
        store.wait_for_segment(trace, timeout=0.05, project="gateway")
    assert str(caught.value) == (
        f"No service span of gateway of trace {trace} arrived within 0.05 s; "
        "arrived: 1 event from gateway, 2 transaction from game-engine."
    )
    with pytest.raises(TimeoutError, match=r"No error event of trace .*; arrived: nothing"):
        store.wait_for_error(new_id(), timeout=0)


def streamed(trace_id: str, *, is_segment: bool) -> bytes:
    return body(item("span", {"items": [{"trace_id": trace_id, "is_segment": is_segment}]}))


def test_a_service_span_is_awaited_from_a_project(store: Store) -> None:
    trace = new_id()
    store_away(store, streamed(trace, is_segment=False), project="payment")
    store_away(store, streamed(trace, is_segment=True), project="game-engine")
    store_away(store, transaction(trace), project="gateway")  # as older SDKs send it
    assert store.wait_for_segment(trace, 1, project="gateway").project == "gateway"
    assert store.wait_for_segment(trace, 1).project == "game-engine"
    with pytest.raises(TimeoutError, match="No service span of payment"):
        store.wait_for_segment(trace, 0, project="payment")


def test_a_service_span_that_is_an_item_by_itself_is_awaited(store: Store) -> None:
    trace = new_id()
    store_away(store, body(item("span", {"trace_id": trace, "is_segment": False})))
    with pytest.raises(TimeoutError):
        store.wait_for_segment(trace, 0)
    store_away(store, body(item("span", {"trace_id": trace, "is_segment": True})))
    assert store.wait_for_segment(trace, 0).payload["is_segment"] is True


def test_who_waits_for_a_trace_is_told_of_profiles(store: Store) -> None:
    """They name no trace: what belongs to it is told by the profiler's id."""
    trace = new_id()
    with store.subscribe(trace) as arrivals:
        store_away(store, body(item("profile_chunk", {"profiler_id": "p"})), error(new_id()))
        assert arrivals.get(timeout=0).type == "profile_chunk"
        with pytest.raises(TimeoutError, match="arrived: nothing"):
            store.wait_for(trace, lambda item: False, timeout=0)


def test_a_batch_keeps_its_order_and_is_there_after_closing(tmp_path: Path) -> None:
    store = Store(tmp_path / "captured.sqlite3")
    store_away(store, *(error(new_id(), number=number) for number in range(2000)))
    store.close()
    with closing(Store(tmp_path / "captured.sqlite3")) as again:
        found = [item.payload["number"] for item in again.items(limit=3000)]
    assert found == list(reversed(range(2000)))


def test_what_is_written_is_moved_from_the_log_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.ingest.checkpoint._EVERY_BYTES", 0)
    path = tmp_path / "captured.sqlite3"
    with closing(Store(path)) as store:
        before = path.stat().st_size
        store_away(store, error(new_id(), blob="x" * 100_000))
        assert store._checkpointer._running is not None
        store._checkpointer._running.result(60)
        assert path.stat().st_size > before + 100_000


def test_threads_may_write_at_once(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store_away(store, error(new_id())), range(200)))
    assert len(store.items()) == 200


def test_a_closed_store_says_so(store: Store) -> None:
    with store.subscribe() as arrivals:
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            arrivals.get(timeout=PATIENCE_S)
    with pytest.raises(StoreError, match="closed"):
        store_away(store, error(new_id()))
    with pytest.raises(StoreError, match="closed"):
        store.items()
    with store.subscribe() as late, pytest.raises(StoreError, match="closed"):
        late.get(timeout=PATIENCE_S)


def test_old_envelopes_are_deleted_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    with closing(Store(path)) as store:
        for _ in range(20):
            store_away(store, error(new_id(), blob="x" * 100_000))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE envelopes SET received_at = received_at - 8 * 86400 WHERE id > 1")
    before = path.stat().st_size
    with closing(Store(path, keep=timedelta(days=7))) as store:
        assert len(store.items()) == 1
    assert path.stat().st_size < before / 5
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM traces").fetchone() == (1,)


OLD_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE envelopes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    received_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX envelopes_by_age ON envelopes (received_at);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    envelope INTEGER NOT NULL REFERENCES envelopes ON DELETE CASCADE,
    type TEXT NOT NULL,
    event_id TEXT,
    "offset" INTEGER NOT NULL,
    length INTEGER NOT NULL
);
CREATE INDEX items_by_envelope ON items (envelope);
CREATE INDEX items_by_event ON items (event_id);
CREATE TABLE traces (
    trace_id TEXT NOT NULL,
    item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    PRIMARY KEY (trace_id, item)
) WITHOUT ROWID;
CREATE INDEX traces_by_item ON traces (item);
"""


def old_file(path: Path, *contents: bytes) -> None:
    """Write a store as the version before this schema did; the projects alternate."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(OLD_SCHEMA)
        for number, content in enumerate(contents):
            envelope = parse(content)
            row = (("gateway", "payment")[number % 2], time.time(), content)
            new = "INSERT INTO envelopes (project, received_at, body) VALUES (?, ?, ?)"
            key = db.execute(new, row).lastrowid
            for each in envelope.items:
                new = "INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?)"
                values = (key, each.type, each.event_id, each.offset, each.length)
                found = db.execute(new, values).lastrowid
                for trace in each.trace_ids:
                    db.execute("INSERT INTO traces VALUES (?, ?)", (trace, found))


def test_a_file_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    path, traces = tmp_path / "captured.sqlite3", [new_id() for _ in range(50)]
    old_file(path, *(error(trace, number=number) for number, trace in enumerate(traces)))
    for _ in range(2):
        with closing(Store(path)) as store:
            assert [each.payload["number"] for each in store.items()] == list(range(49, -1, -1))
            of_payment = store.items(project="payment", type="event")
            assert [each.payload["number"] for each in of_payment] == list(range(49, 0, -2))
            assert {each.project for each in of_payment} == {"payment"}
            for number, trace in enumerate(traces):
                assert store.wait_for_error(trace, timeout=0).payload["number"] == number
    with closing(Store(path)) as store:
        store_away(store, error(new_id(), number=50))
        assert [each.id for each in store.items(limit=2)] == [51, 50]


def test_each_version_of_a_file_is_taken_over(tmp_path: Path) -> None:
    for version, migration in enumerate(kit.ingest.store._MIGRATIONS):
        path = tmp_path / f"{version}.sqlite3"
        old_file(path, error(new_id(), number=version))
        with closing(sqlite3.connect(path)) as db:
            for earlier in kit.ingest.store._MIGRATIONS[:version]:
                db.executescript(earlier)
            db.execute(f"PRAGMA user_version = {version}")
        with closing(Store(path)) as store:
            store_away(store, error(new_id(), number="new"))
            found = [each.payload["number"] for each in store.items(project="gateway")]
        assert found == ["new", version], migration


def test_two_processes_take_over_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    old_file(path, *(error(new_id(), number=number) for number in range(500)))
    # Each waits for a line, so that they open the file together.
    program = (
        "import sys; from pathlib import Path; from kit.ingest.store import Store; "
        "print(flush=True); sys.stdin.readline(); store = Store(Path(sys.argv[1])); "
        "print(len(store.items(project='payment'))); store.close()"
    )
    pipe = subprocess.PIPE
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdin=pipe, stdout=pipe, text=True
        )
        for _ in range(3)
    ]
    for opener in openers:
        assert opener.stdout is not None
        opener.stdout.readline()
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    assert [opener.communicate(timeout=120)[0] for opener in openers] == ["250\n"] * 3


def test_a_file_of_a_later_version_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1000")
    with pytest.raises(StoreError, match="written by a newer version of the workshop"):
        Store(path)


CONDITIONS = ("trace_id", "type", "project", "event_id")
# What is read first for which conditions: the first of these whose conditions are all given.
READ = {
    ("event_id",): "SEARCH items USING INDEX items_by_event (event_id=?)",
    ("trace_id",): "SEARCH traces USING PRIMARY KEY (trace_id=?)",
    ("type", "project"): (
        "SEARCH items USING INDEX items_by_project_and_type (project=? AND type=?)"
    ),
    ("project",): "SEARCH items USING INDEX items_by_project (project=?)",
    ("type",): "SEARCH items USING INDEX items_by_type (type=?)",
    # By their ids, the newest first, for as many as are wanted.
    (): "SCAN items",
}


def plan_of(store: Store, given: tuple[str, ...]) -> list[str]:
    statement = f"EXPLAIN QUERY PLAN {kit.ingest.store._select(given)}"
    values = dict.fromkeys(given, "x") | {"limit": 10}
    return [row[3] for row in store._reader.execute(statement, values)]


def read_first(given: tuple[str, ...]) -> str:
    return next(read for needed, read in READ.items() if {*needed} <= {*given})


@pytest.mark.parametrize(
    "given", [c for count in range(5) for c in combinations(CONDITIONS, count)], ids="+".join
)
def test_no_question_reads_more_than_its_answer(store: Store, given: tuple[str, ...]) -> None:
    plan = plan_of(store, given)
    assert plan[0] == read_first(given)
    assert not [line for line in plan[1:] if "SCAN" in line or "TEMP B-TREE" in line]


def test_the_index_does_not_depend_on_statistics(store: Store) -> None:
    """Of a store with one event of many types they say that the index of events is no use."""
    items = (item(f"kind-{number}", b"") for number in range(300))
    store_away(store, body(*items, event_id=new_id()), *(error(new_id()) for _ in range(100)))
    store._writer.execute("ANALYZE")
    with closing(Store(store.path)) as again:
        for given in (("event_id", "type"), ("type",), ("project",), ("trace_id", "type")):
            assert plan_of(again, given)[0] == read_first(given)


@pytest.mark.parametrize(
    "given", [c for count in range(5) for c in combinations(CONDITIONS, count)], ids="+".join
)
def test_each_combination_finds_what_matches_all_of_it(
    store: Store, given: tuple[str, ...]
) -> None:
    traces, projects = [new_id(), new_id()], ["gateway", "payment"]
    for trace in traces:
        for project in projects:
            store_away(store, error(trace), transaction(trace), error(trace), project=project)
    everything = store.items()
    assert len(everything) == 12
    for one in everything:
        of_it = {"trace_id": next(iter(one.trace_ids)), "type": one.type, "project": one.project}
        of_it |= {"event_id": one.event_id} if one.event_id else {}
        wanted = {name: of_it[name] for name in given if name in of_it}
        matching = [
            each
            for each in everything
            if all(
                value in each.trace_ids if name == "trace_id" else getattr(each, name) == value
                for name, value in wanted.items()
            )
        ]
        assert store.items(**wanted) == matching
        assert store.items(**wanted, limit=1) == matching[:1]


def test_a_waiter_without_a_trace_looks_at_the_last_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.ingest.store, "RECENT", 3)
    store_away(store, *(error(new_id(), number=number) for number in range(3)))
    store_away(store, transaction(new_id()), *(error(new_id(), number=n) for n in (3, 4)))

    def first(**narrowed: str) -> int | None:
        found = store.wait_for(None, lambda item: "number" in item.payload, 0, **narrowed)
        number: int = found.payload["number"]
        return number

    assert (first(), first(type="event"), first(project="gateway")) == (3, 2, 3)
    with pytest.raises(TimeoutError, match=r"arrived: nothing"):
        first(type="event", project="payment")


def test_a_waiter_is_not_given_another_type_or_project_that_comes(store: Store) -> None:
    looked = threading.Event()

    def is_it(found: StoredItem) -> bool:
        looked.set()
        return "wanted" in found.payload

    store_away(store, error(new_id(), number=1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            store.wait_for, None, is_it, PATIENCE_S, type="event", project="gateway"
        )
        assert looked.wait(PATIENCE_S)
        store_away(store, error(new_id(), wanted=1), project="payment")
        store_away(store, body(item("feedback", {"wanted": 2})))
        store_away(store, error(new_id(), wanted=3))
        assert waiting.result(PATIENCE_S).payload["wanted"] == 3


@pytest.mark.parametrize("obstacle", ["a file in the path", "not a database"])
def test_a_file_that_cannot_be_opened_is_one_clear_error(tmp_path: Path, obstacle: str) -> None:
    blocker = tmp_path / "blocker"
    blocker.write_bytes(b"this is not a database, it is prose " * 100)
    path = blocker / "captured.sqlite3" if obstacle == "a file in the path" else blocker
    with pytest.raises(StoreError, match=r"Cannot open the store .*blocker"):
        Store(path)


def test_a_failing_database_fails_a_write_and_not_the_next(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("ALTER TABLE traces RENAME TO gone")
        with pytest.raises(StoreError, match=r"Cannot write to the store .*no such table"):
            store_away(store, error(new_id()))
        db.execute("ALTER TABLE gone RENAME TO traces")
    store_away(store, error(new_id()))
    assert len(store.items()) == 1


def test_whatever_fails_a_write_is_told_to_who_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("too large for SQLite")

    monkeypatch.setattr(kit.ingest.store, "_insert", broken)
    trace = new_id()
    with store.subscribe(trace) as arrivals:
        with pytest.raises(OverflowError):
            store_away(store, error(trace))
        with pytest.raises(StoreError, match="too large for SQLite"):
            arrivals.get(timeout=0)


def test_a_full_disk_is_reported_and_overcome(store: Store) -> None:
    full, pages = "PRAGMA max_page_count = 30", "PRAGMA max_page_count = 1000000"
    store._writer.execute(full)
    with pytest.raises(StoreError, match="database or disk is full"):
        store_away(store, error(new_id(), blob="x" * 1_000_000))
    store._writer.execute(pages)
    store_away(store, error(new_id()))
    assert len(store.items()) == 1


def test_bodies_are_those_of_a_project_since_an_item(store: Store) -> None:
    bodies = [error(new_id(), message=name) for name in ("first", "second", "elsewhere")]
    for content, project in zip(bodies, ("shop", "shop", "bank"), strict=True):
        store_away(store, content, project=project)
    first, second = reversed(store.items(project="shop"))
    assert store.bodies("shop") == bodies[:2]
    assert store.bodies("shop", first.id) == bodies[1:2]
    assert store.bodies("shop", second.id) == []
