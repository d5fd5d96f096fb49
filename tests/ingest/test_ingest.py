import asyncio
import gzip
import os
import socket
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import httpx
import pytest
import sentry_sdk
from sentry_sdk.crons import capture_checkin
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.scope import Scope, ScopeType, use_isolation_scope, use_scope

import kit.ingest.body
from demo_services.trace import start_span
from kit.ingest.app import make_app
from kit.ingest.body import MAX_BODY_BYTES
from kit.ingest.envelope import JSON_TYPES, MAX_ITEM_BYTES
from kit.ingest.store import Received, Store
from tests.ingest.sending import (
    KEY,
    PATIENCE_S,
    PROJECTS,
    Ingest,
    body,
    child_ingest,
    client,
    error,
    item,
    new_id,
    running,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.system

SENT = error("a" * 32, message="sent")


def detail(response: httpx.Response) -> str:
    found = response.json()
    assert list(found) == ["detail"]
    assert isinstance(found["detail"], str)
    return str(found["detail"])


def test_an_envelope_is_stored_before_it_is_acknowledged(ingest: Ingest) -> None:
    response = ingest.post(SENT)
    (stored,) = ingest.store.items()
    assert (response.status_code, response.json()) == (200, {"id": stored.event_id})
    assert stored.project == "gateway"
    assert stored.payload["message"] == "sent"
    assert ingest.relayed == [SENT]


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [10, 256 * 1024, 3_000_000])
def test_every_encoding_is_read(ingest: Ingest, encoding: str, size: int) -> None:
    sent = body(item("attachment", bytes(size)))
    compressed = ENCODINGS[encoding](sent)
    assert ingest.post(compressed, **{"Content-Encoding": encoding}).status_code == 200
    assert len(ingest.store.items()[0].payload) == size
    assert ingest.relayed == [sent]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_compressed_bodies_are_kept_as_they_were_sent(ingest: Ingest, encoding: str) -> None:
    several = body(*(item("attachment", f"{n}".encode() * 10_000) for n in range(5)))
    compressed = [ENCODINGS[encoding](each) for each in (several, SENT, several)]
    for each in compressed:
        ingest.post(each, **{"Content-Encoding": encoding})
    with closing(sqlite3.connect(ingest.store.path)) as db:
        kept = db.execute("SELECT body, encoding FROM envelopes ORDER BY id").fetchall()
    assert kept == [(each, encoding) for each in compressed]
    found = [each.payload for each in ingest.store.items() if each.type == "attachment"]
    assert found == [f"{n}".encode() * 10_000 for n in (4, 3, 2, 1, 0)] * 2


def test_a_small_body_that_was_not_compressed_is_kept_compressed(ingest: Ingest) -> None:
    sent = body(item("attachment", b"0" * 10_000))
    ingest.post(sent)
    with closing(sqlite3.connect(ingest.store.path)) as db:
        ((kept, encoding),) = db.execute("SELECT body, encoding FROM envelopes").fetchall()
    assert (len(kept) < 1000, encoding) == (True, "deflate")
    assert ingest.store.items()[0].payload == b"0" * 10_000
    assert ingest.relayed == [sent]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("damage", ["truncated", "corrupt", "empty", "followed by more"])
def test_damaged_compression_is_refused(ingest: Ingest, encoding: str, damage: str) -> None:
    whole = ENCODINGS[encoding](error(new_id(), message="x" * 5000))
    sent = {
        "truncated": whole[:-4],
        "corrupt": b"\xff" * 8 + whole,
        "empty": b"",
        "followed by more": whole + b"more",
    }[damage]
    response = ingest.post(sent, **{"Content-Encoding": encoding})
    assert response.status_code == 400
    assert "compress" in detail(response)
    assert ingest.store.items() == []
    assert ingest.relayed == []


def test_a_window_of_zstandard_that_fills_the_memory_is_refused(ingest: Ingest) -> None:
    sizes = {zstd.CompressionParameter.window_log: 27}
    stream = zstd.ZstdCompressor(options=sizes)
    # In two steps: with the size of all of it in its header, a frame needs no window.
    sent = stream.compress(SENT) + stream.flush()
    response = ingest.post(sent, **{"Content-Encoding": "zstd"})
    assert response.status_code == 400
    assert "cannot be decompressed" in detail(response)


def test_an_empty_encoding_is_none(ingest: Ingest) -> None:
    assert ingest.post(SENT, **{"Content-Encoding": ""}).status_code == 200


def test_an_unknown_encoding_is_refused(ingest: Ingest) -> None:
    response = ingest.post(SENT, **{"Content-Encoding": "lzma"})
    assert response.status_code == 415
    assert "use gzip, deflate, br, zstd, identity" in detail(response)


@pytest.mark.parametrize(
    ("path", "headers", "reason"),
    [
        ("/api/1/envelope/", {}, "key is missing"),
        ("/api/1/envelope/", {"X-Sentry-Auth": "Sentry sentry_version=7"}, "key is missing"),
        ("/api/1/envelope/", {"X-Sentry-Auth": "Bearer key-1"}, "key is missing"),
        (
            "/api/1/envelope/",
            {"X-Sentry-Auth": "Sentry sentry_key=wrong"},
            "does not belong to project 1",
        ),
        (
            "/api/1/envelope/",
            {"X-Sentry-Auth": "Sentry sentry_key=key-2"},
            "does not belong to project 1",
        ),
        ("/api/1/envelope/?sentry_key=wrong", {}, "does not belong to project 1"),
        ("/api/77/envelope/", KEY, "There is no project 77; there are: 1, 2."),
    ],
)
def test_without_the_right_key_nothing_gets_in(
    ingest: Ingest, path: str, headers: dict[str, str], reason: str
) -> None:
    with client() as http:
        response = http.post(ingest.url + path, content=SENT, headers=headers)
    assert response.status_code == 401
    assert reason in detail(response)
    assert ingest.store.items() == []


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/1/envelope/?sentry_key=key-1&sentry_version=7", {}),
        ("/api/1/envelope/", {"X-Sentry-Auth": "sentry sentry_version=7,sentry_key=key-1"}),
    ],
)
def test_a_key_may_come_in_the_query_or_the_header(
    ingest: Ingest, path: str, headers: dict[str, str]
) -> None:
    with client() as http:
        assert http.post(ingest.url + path, content=SENT, headers=headers).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"hello", b'{}\n{"type":"event","length":9}\n{}'])
def test_what_is_no_envelope_is_refused(ingest: Ingest, sent: bytes) -> None:
    response = ingest.post(sent)
    assert response.status_code == 400
    assert detail(response).startswith("Not an envelope: ")
    assert ingest.store.items() == []


def test_an_item_over_the_limit_is_refused(ingest: Ingest) -> None:
    response = ingest.post(body(item("attachment", bytes(MAX_ITEM_BYTES + 1))))
    assert response.status_code == 413
    assert f"item 1 has {MAX_ITEM_BYTES + 1} bytes" in detail(response)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_over_the_limit_is_refused(ingest: Ingest, encoding: str) -> None:
    sent = ENCODINGS[encoding](bytes(MAX_BODY_BYTES + 1))
    response = ingest.post(sent, **{"Content-Encoding": encoding})
    assert response.status_code == 413
    assert f"over {MAX_BODY_BYTES} bytes" in detail(response)


def test_deep_json_is_refused_and_the_service_goes_on(ingest: Ingest) -> None:
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(ingest.post, [body(item("event", deep))] * 4))
    assert [response.status_code for response in responses] == [400] * 4
    assert "nested deeper" in detail(responses[0])
    with client() as http:
        assert http.get(f"{ingest.url}/health").json() == {"status": "ok"}
    assert ingest.post(SENT).status_code == 200


def half_sent(url: str, half: bytes = SENT[:100], length: int = 1000) -> socket.socket:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S)
    key = KEY["X-Sentry-Auth"]
    head = (
        f"POST /api/1/envelope/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
        f"X-Sentry-Auth: {key}\r\n\r\n"
    )
    connection.sendall(head.encode() + half)
    return connection


def test_a_body_that_never_ends_is_refused_after_the_deadline(store: Store) -> None:
    with running(store, body_deadline=1.0) as ingest, half_sent(ingest.url) as connection:
        # In one piece: a body that comes by itself might miss the deadline, too.
        with half_sent(ingest.url, SENT, len(SENT)) as whole:
            assert whole.recv(65536).startswith(b"HTTP/1.1 200 ")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not end within 1 s" in answer
    assert len(store.items()) == 1


def test_a_caller_that_hangs_up_half_way_leaves_no_trace(
    ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        half_sent(ingest.url).close()
    assert ingest.post(SENT).status_code == 200
    assert len(ingest.store.items()) == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_bytes_in_flight_are_budgeted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit.ingest.body, "MAX_IN_FLIGHT_BYTES", 2000)
    with running(store) as ingest:
        fits, too_much = error(new_id(), blob="x" * 500), error(new_id(), blob="x" * 1000)
        for _ in range(3):
            response = ingest.post(too_much)
            assert response.status_code == 429
            assert response.headers["Retry-After"] == "1"
            assert "in flight" in detail(response)
            assert ingest.post(fits).status_code == 200
        with half_sent(ingest.url, fits[:500]):
            deadline = time.monotonic() + PATIENCE_S
            while ingest.post(fits).status_code != 429:
                assert time.monotonic() < deadline, "a body that is half read takes no budget"


@pytest.mark.parametrize("pieces", [1, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "zstd", pytest.param("br", marks=pytest.mark.slow)]
)
def test_bombs_are_refused_at_little_cost(tmp_path: Path, encoding: str, pieces: int) -> None:
    bomb = ENCODINGS[encoding](bytes(100_000_000))
    step = -(-len(bomb) // pieces)
    with child_ingest(tmp_path / "captured.sqlite3") as child, client() as http:

        def post(*content: bytes, encoding: str = "identity") -> int:
            headers = {**KEY, "Content-Encoding": encoding}
            url = f"{child.url}/api/1/envelope/"
            return http.post(url, content=iter(content), headers=headers).status_code

        def post_bomb(_: int) -> int:
            parts = (bomb[start : start + step] for start in range(0, len(bomb), step))
            return post(*parts, encoding=encoding)

        assert post(SENT) == 200
        before = child.peak_bytes()
        with ThreadPoolExecutor(8) as pool:
            statuses = set(pool.map(post_bomb, range(8)))
        assert 413 in statuses
        assert statuses <= {413, 429}
        assert child.peak_bytes() - before < 100_000_000
        assert post(SENT) == 200


def test_a_full_store_is_unavailable_not_broken(ingest: Ingest) -> None:
    ingest.store._writer.execute("PRAGMA max_page_count = 20")
    response = ingest.post(error(new_id(), blob="x" * 1_000_000))
    assert response.status_code == 503
    assert "disk is full" in detail(response)
    assert ingest.relayed == []


@pytest.mark.parametrize(("room", "status"), [(1_000_000, 200), (20, 503)])
def test_what_arrives_together_is_written_and_answered_together(
    store: Store, monkeypatch: pytest.MonkeyPatch, room: int, status: int
) -> None:
    store._writer.execute(f"PRAGMA max_page_count = {room}")
    write, batches = store.write, []
    monkeypatch.setattr(store, "write", lambda batch: batches.append(len(batch)) or write(batch))
    contents = [error(new_id(), blob="x" * 100_000) for _ in range(8)]

    async def post_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(make_app(store, PROJECTS))
        url = "http://127.0.0.1/api/1/envelope/"
        async with httpx.AsyncClient(transport=transport, headers=KEY) as http:
            return await asyncio.gather(*(http.post(url, content=each) for each in contents))

    assert [response.status_code for response in asyncio.run(post_all())] == [status] * 8
    assert batches == [8]
    assert len(store.items()) == (8 if status == 200 else 0)


def test_a_request_that_is_given_up_does_not_end_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, tasks = store.write, []

    def give_one_up(batch: Sequence[Received]) -> None:
        tasks[0].cancel()
        write(batch)

    monkeypatch.setattr(store, "write", give_one_up)

    async def post_all() -> list[Any]:
        transport = httpx.ASGITransport(make_app(store, PROJECTS))
        url = "http://127.0.0.1/api/1/envelope/"
        async with httpx.AsyncClient(transport=transport, headers=KEY) as http:
            tasks.extend(asyncio.create_task(http.post(url, content=SENT)) for _ in range(3))
            return await asyncio.gather(*tasks, return_exceptions=True)

    given_up, *others = asyncio.run(post_all())
    assert isinstance(given_up, asyncio.CancelledError)
    assert [response.status_code for response in others] == [200, 200]
    assert len(store.items()) == 3


def test_spotlight_needs_no_key(ingest: Ingest) -> None:
    with client() as http:
        assert http.post(f"{ingest.url}/stream", content=SENT).status_code == 200
    (stored,) = ingest.store.items(project="spotlight")
    assert stored.payload["message"] == "sent"


def test_spotlight_is_closed_to_web_pages(ingest: Ingest) -> None:
    response = ingest.post(SENT, "/stream", Origin="https://example.com")
    assert response.status_code == 403
    assert "web pages" in detail(response)
    assert ingest.store.items() == []


def test_only_this_machine_s_names_are_served(ingest: Ingest) -> None:
    answer = ingest.post(SENT, Host="attacker.example")
    assert answer.status_code == 400
    assert "attacker.example" in detail(answer)
    assert ingest.post(SENT, Host="localhost").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/api/1/envelope/", 405),
        ("POST", "/api/1/nothing/", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
    ],
)
def test_there_is_nothing_else(ingest: Ingest, method: str, path: str, status: int) -> None:
    with client() as http:
        response = http.request(method, ingest.url + path)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"


@contextmanager
def reporting(dsn: str, **options: Any) -> Iterator[sentry_sdk.Client]:
    """Report to a DSN from this thread with a client of its own."""
    isolation, current = Scope(ty=ScopeType.ISOLATION), Scope(ty=ScopeType.CURRENT)
    isolation.client = sentry_sdk.Client(dsn=dsn, http_proxy="", **options)
    with use_isolation_scope(isolation), use_scope(current):
        yield isolation.client
    isolation.client.close(timeout=PATIENCE_S)


def send(client: sentry_sdk.Client, kind: str, payload: dict[str, Any] | bytes) -> None:
    data = payload if isinstance(payload, bytes) else PayloadRef(json=payload)
    client.transport.capture_envelope(Envelope(items=[Item(data, type=kind)]))


def test_every_item_type_of_the_sdk_is_kept(ingest: Ingest) -> None:
    with reporting(
        ingest.dsn,
        traces_sample_rate=1.0,
        trace_lifecycle="stream",
    ) as sdk:
        with start_span(op="game", name="spin") as spin:
            sentry_sdk.get_current_scope().add_attachment(bytes=b"reels", filename="reels.txt")
            sentry_sdk.capture_exception(ValueError("crash"))
            sentry_sdk.logger.warning("seven")
            sentry_sdk.metrics.count("spins", 1)
        capture_checkin("nightly", status="ok")
        sentry_sdk.start_session()
        sentry_sdk.end_session()
        of_the_trace = {"contexts": {"trace": {"trace_id": spin.trace_id}}}
        sent_by_hand = {
            "feedback": {"contexts": {"feedback": {"message": "nice"}}},
            # As SDKs of before sent them, and those of other languages do.
            "transaction": of_the_trace,
            "profile": {"transaction": {"trace_id": spin.trace_id}},
            "profile_chunk": {"profiler_id": new_id()},
            "sessions": {"aggregates": []},
            "client_report": {"discarded_events": []},
        }
        for kind, payload in sent_by_hand.items():
            send(sdk, kind, payload)
        send(sdk, "statsd", b"spins:1|c")
        send(sdk, "of tomorrow", b"unknown")
    kinds = {found.type for found in ingest.store.items()}
    assert kinds >= JSON_TYPES | {"attachment", "statsd", "of tomorrow"}
    of_trace = {found.type for found in ingest.store.items(trace_id=spin.trace_id)}
    assert of_trace >= {
        "event",
        "transaction",
        "profile",
        "log",
        "span",
        "trace_metric",
        "attachment",
    }
    crash = ingest.store.wait_for_error(spin.trace_id, timeout=0)
    assert crash.payload["exception"]["values"][0]["value"] == "crash"
    (attachment,) = ingest.store.items(event_id=crash.event_id, type="attachment")
    assert attachment.payload == b"reels"


def test_a_program_with_spotlight_shows_up_without_a_dsn(ingest: Ingest) -> None:
    program = "import sentry_sdk; sentry_sdk.init(); sentry_sdk.capture_message('hello')"
    environment = {
        **os.environ,
        "SENTRY_SPOTLIGHT": f"{ingest.url}/stream",
        "NO_PROXY": "127.0.0.1",
    }
    environment.pop("SENTRY_DSN", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    (stored,) = ingest.store.items(project="spotlight", type="event")
    assert stored.payload["message"] == "hello"
