"""The analytics service: its work, its crashes, and exactly what Sentry gets to see of them."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from demo_services.analytics.app import MAX_BODY_BYTES, make_app
from demo_services.analytics.deadline import DEADLINE_HEADER
from demo_services.analytics.lease import RETRY_S
from demo_services.analytics.mongo import KEPT_S
from demo_services.analytics.report import PLAYERS
from demo_services.services import ANALYTICS
from demo_services.settings import Settings
from demo_services.telemetry import sentry_options
from kit.hosting.database import Database
from kit.hosting.server import Server, serve_asgi
from kit.system.clients import open_client, use_client

from .conftest import TOKEN, WAIT_S, Running, is_up
from .receiver import Receiver, Telemetry
from .test_crashes import context_fields, frames, summary

Event = dict[str, Any]
LONG_S = 600.0

SPIN = {
    "spin_id": "spin-1",
    "player": "ada",
    "bet": 10,
    "reels": ["cherry", "cherry", "lemon"],
    "win": 10,
    "balance": 1000,
}
DEBUG = "/api/debug"
DATABASE = f"{DEBUG}/database-error?kind="
VALIDATION = f"{DEBUG}/validation-error?kind="
MONGODB = {"product", "server_version", "database", "collection", "driver"}

# path: method, chain, fingerprint, contexts, function of the last frame of ours, spans
CRASHES = {
    f"{DEBUG}/crash": (
        "GET",
        ["ZeroDivisionError"],
        None,
        {"mongodb", "aggregation"},
        "return_to_player",
        ["analytics.store", "db", "analytics.payback", "db"],
    ),
    f"{VALIDATION}response": (
        "POST",
        ["ResponseValidationError"],
        "invalid-response",
        {"mongodb", "validation"},
        None,
        ["analytics.store", "db", "db"],
    ),
    f"{VALIDATION}document": (
        "POST",
        ["ValidationError"],
        "invalid-document",
        {"mongodb", "validation"},
        "last_spin_checked",
        ["analytics.store", "db", "db", "analytics.validate"],
    ),
    f"{DATABASE}duplicate-key": (
        "GET",
        ["DuplicateKeyError"],
        "mongodb/duplicate-key",
        {"mongodb", "database_error"},
        "store_twice",
        ["analytics.store", "db", "analytics.store", "db"],
    ),
    f"{DATABASE}timeout": (
        "GET",
        ["ExecutionTimeout"],
        "mongodb/max-time-expired",
        {"mongodb", "database_error", "aggregation"},
        "run",
        ["analytics.store", "db", "analytics.aggregate", "db"],
    ),
    f"{DEBUG}/aggregation-error": (
        "GET",
        ["OperationFailure"],
        "mongodb/unknown-stage",
        {"mongodb", "database_error", "aggregation"},
        "run",
        ["analytics.store", "db", "analytics.aggregate", "db"],
    ),
}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    database = Database().launch()
    database.wait()
    yield database
    database.stop()


@pytest.fixture(scope="module")
def analytics(receiver: Receiver, database: Database) -> Iterator[Running]:
    with Running("analytics", receiver, DEBUG_TOKEN=TOKEN, MONGODB_URI=database.url) as running:
        running.health(is_up)
        yield running


@pytest.fixture
def spins(database: Database, analytics: Running) -> Iterator[Any]:
    """The stored spins, none at first."""
    with MongoClient(database.url) as client:
        client.workshop.spins.delete_many({})
        yield client.workshop.spins


def store(analytics: Running, **changes: Any) -> httpx.Response:
    return analytics.call("/api/v1/events", "POST", json={**SPIN, **changes})


def separate(fingerprint: str | None) -> list[str] | None:
    return ["analytics", *fingerprint.split("/")] if fingerprint else None


def assert_tells_the_request(event: Event, player: str) -> None:
    assert context_fields(event) >= 20
    assert set(event["contexts"]["process"]) == {
        "memory_mb",
        "cpu_percent",
        "threads",
        "open_files",
        "uptime_s",
    }
    assert event["contexts"]["fastapi"]["route"] == event["tags"]["http.route"]
    assert event["user"]["username"] == player
    assert event["tags"]["service"] == "analytics"
    assert event["request"]["headers"]["x-debug-token"] == "[Filtered]"
    assert event["transaction"] == event["contexts"]["fastapi"]["route"]


def crumbs(event: Event, category: str) -> list[Event]:
    return [c for c in event["breadcrumbs"]["values"] if c["category"] == category]


def test_a_spin_is_stored_once(analytics: Running, spins: Any) -> None:
    response = store(analytics)
    assert (response.status_code, response.json()) == (201, {"stored": "spin-1"})
    (stored,) = spins.find({}, {"_id": 0, "stored_at": 0})
    assert stored == SPIN
    telemetry = analytics.telemetry(response)
    assert telemetry.spans == ["analytics.store", "db"]
    attributes = telemetry.children[1]["attributes"]
    assert attributes["db.operation.name"]["value"] == "insert"
    assert attributes["db.collection.name"]["value"] == "spins"

    again = store(analytics)
    assert (again.status_code, again.json()["error"]) == (409, "duplicate-spin")
    assert analytics.telemetry(again).events == []
    assert spins.count_documents({}) == 1


def test_of_the_same_spin_at_the_same_time_one_is_stored(analytics: Running, spins: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: store(analytics), range(8)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 7
    assert spins.count_documents({}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"spin_id": "x" * 65},
        {"spin_id": {"$gt": ""}},
        {"player": "<b>"},
        {"player": "ada\n"},
        {"bet": "10"},
        {"bet": True},
        {"bet": -1},
        {"bet": 10**10},
        {"bet": 1.5},
        {"reels": ["cherry"]},
        {"reels": ["cherry"] * 4},
        {"reels": ["$cherry"] * 3},
        {"win": None},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_is_no_spin_is_refused_and_not_reported(
    analytics: Running, change: dict[str, Any]
) -> None:
    response = store(analytics, **change)
    body = response.json()
    assert (response.status_code, body["error"]) == (422, "bad-request")
    (name,) = change
    assert {f["field"].split(".")[1] for f in body["fields"]} == {name}
    assert name in body["detail"]
    assert analytics.telemetry(response).events == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"1" * 10_000])
def test_a_body_that_is_no_object_is_refused(analytics: Running, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = analytics.call("/api/v1/events", "POST", content=content, headers=headers)
    assert response.status_code in {400, 422}
    assert response.json()["error"] == "bad-request"
    assert analytics.telemetry(response).events == []


@pytest.mark.parametrize(("ahead_s", "status"), [(-3600, 201), (60, 201), (300, 422)])
def test_a_spin_of_the_future_is_refused(
    analytics: Running, spins: Any, ahead_s: float, status: int
) -> None:
    response = store(analytics, played_at=time.time() + ahead_s)
    assert response.status_code == status, response.text
    found = spins.find_one({"spin_id": SPIN["spin_id"]})
    assert (found is None) == (status == 422)
    assert "played_at" not in (found or {})
    if found is None:
        assert response.json()["error"] == "played-in-the-future"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_bounded(analytics: Running, chunked: bool) -> None:
    body = json.dumps({**SPIN, "player": "x" * MAX_BODY_BYTES}).encode()
    headers = {"Content-Type": "application/json"}
    content = iter([body]) if chunked else body
    response = analytics.call("/api/v1/events", "POST", content=content, headers=headers)
    assert response.status_code == 413
    assert analytics.telemetry(response).events == []


def test_the_database_forgets_by_itself(analytics: Running, spins: Any) -> None:
    analytics.telemetry(analytics.call(f"{DEBUG}/crash"))
    for name, seconds in KEPT_S.items():
        indexes = spins.database[name].index_information()
        assert indexes["stored_at_1"]["expireAfterSeconds"] == seconds
    store(analytics)
    for name in KEPT_S:
        assert isinstance(spins.database[name].find_one()["stored_at"], datetime)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/events", 405), ("GET", "/api/v1/nothing", 404), ("GET", "/debug/crash", 404)],
)
def test_other_paths_are_refused(analytics: Running, method: str, path: str, status: int) -> None:
    response = analytics.call(path, method)
    assert response.status_code == status
    assert set(response.json()) == {"error", "detail"}


def test_no_spins_add_up_to_nothing(analytics: Running, spins: Any) -> None:
    assert analytics.call("/api/v1/stats").json() == {
        "spins": 0,
        "wins": 0,
        "wagered": 0,
        "won": 0,
        "win_rate": None,
        "return_to_player": None,
        "by_symbol": {},
        "by_player": {},
    }


def totals(spins: list[dict[str, Any]]) -> dict[str, Any]:
    """What the spins add up to, computed the plain way."""
    wins = sum(spin["win"] > 0 for spin in spins)
    wagered = sum(spin["bet"] for spin in spins)
    won = sum(spin["win"] for spin in spins)
    return {
        "spins": len(spins),
        "wins": wins,
        "wagered": wagered,
        "won": won,
        "win_rate": wins / len(spins),
        "return_to_player": won / wagered if wagered else None,
    }


SYMBOLS = st.sampled_from(["cherry", "lemon", "bell"])
SPINS = st.lists(
    st.fixed_dictionaries(
        {
            "player": st.sampled_from(["ada", "grace"]),
            "bet": st.integers(0, 3),
            "reels": st.lists(SYMBOLS, min_size=3, max_size=3),
            "win": st.integers(0, 3),
            "balance": st.just(0),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(played=SPINS)
def test_statistics_are_those_of_the_stored_spins(
    analytics: Running, spins: Any, played: list[dict[str, Any]]
) -> None:
    spins.delete_many({})
    spins.insert_many([{**spin, "spin_id": str(n)} for n, spin in enumerate(played)])
    stats = analytics.call("/api/v1/stats").json()
    players = {spin["player"] for spin in played}
    symbols = {symbol for spin in played for symbol in spin["reels"]}
    assert stats == {
        **totals(played),
        "by_symbol": {s: totals([p for p in played if s in p["reels"]]) for s in symbols},
        "by_player": {n: totals([p for p in played if n == p["player"]]) for n in players},
    }


def test_statistics_come_from_one_aggregation(analytics: Running) -> None:
    telemetry = analytics.telemetry(analytics.call("/api/v1/stats"))
    assert telemetry.spans == ["analytics.aggregate", "db"]


def test_health_names_the_database(analytics: Running) -> None:
    health = analytics.health(is_up)
    assert health["service"] == "analytics"
    assert health["database"]["product"] == "SecantusDB"
    assert health["database"]["version"]


@pytest.mark.parametrize("path", CRASHES)
def test_crash(analytics: Running, path: str) -> None:
    method, chain, fingerprint, contexts, function, spans = CRASHES[path]
    player = f"{'&' if '?' in path else '?'}player=hopper"
    response = analytics.call(path + player, method)
    telemetry = analytics.telemetry(response)
    event = telemetry.event
    assert response.status_code == 500
    assert set(response.json()) == {"error", "detail", "trace_id"}
    assert response.json()["trace_id"] == event["contexts"]["trace"]["trace_id"]
    assert summary(event) == (chain, "starlette", False, "error", separate(fingerprint))
    assert contexts <= set(event["contexts"])
    assert set(event["contexts"]["mongodb"]) == MONGODB
    assert_tells_the_request(event, "hopper")
    assert [frame["function"] for frame in frames(event)[-1:]] == ([function] if function else [])
    assert telemetry.spans == spans
    queries = crumbs(event, "query")
    assert len(queries) == spans.count("db")
    # No value of a document or of a filter goes out with a query.
    assert not [query for query in queries if "hopper" in query["message"]]
    for span in telemetry.children:
        if "db.operation.name" in (attributes := span["attributes"]):
            assert attributes["db.collection.name"]["value"] == "rehearsals"
            assert attributes["db.operation.name"]["value"] in {"insert", "find", "aggregate"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{DATABASE}duplicate-key", 11000),
        (f"{DATABASE}timeout", 50),
        (f"{DEBUG}/aggregation-error", 40324),
    ],
)
def test_the_database_names_a_code(analytics: Running, path: str, code: int) -> None:
    event = analytics.telemetry(analytics.call(path)).event
    assert event["tags"]["mongodb.code"] == code
    assert event["contexts"]["database_error"]["code"] == code


def test_the_crash_shows_the_row_that_it_choked_on(analytics: Running) -> None:
    event = analytics.telemetry(analytics.call(f"{DEBUG}/crash")).event
    assert [frame["function"] for frame in frames(event)] == [
        "crash",
        "payback_by_symbol",
        "return_to_player",
    ]
    assert frames(event)[-1]["vars"]["row"] == {
        "_id": "'clover'",
        "spins": "2",
        "wagered": "0",
        "won": "600",
    }
    assert event["contexts"]["aggregation"]["rows"] == 4


def test_a_bad_body_is_not_reported(analytics: Running) -> None:
    for content in ({}, {"json": {"player": "ada"}}):
        response = analytics.call(f"{VALIDATION}body", "POST", **content)
        assert (response.status_code, response.json()["error"]) == (422, "bad-request")
        telemetry = analytics.telemetry(response)
        assert telemetry.events == []
        assert telemetry.spans == []
    assert analytics.call(f"{VALIDATION}body", "POST", json=SPIN).json() == SPIN


def test_a_bad_response_carries_the_document_in_its_message(analytics: Running) -> None:
    event = analytics.telemetry(analytics.call(f"{VALIDATION}response", "POST")).event
    message = event["exception"]["values"][-1]["value"]
    assert "('response', 'balance')" in message
    assert "'player': 'ada'" in message
    assert event["contexts"]["validation"]["missing"] == ["balance"]


def test_an_unreachable_database_is_handled(analytics: Running) -> None:
    response = analytics.call(f"{DATABASE}unreachable&player=hopper")
    telemetry = analytics.telemetry(response)
    event = telemetry.event
    assert (response.status_code, response.json()["error"]) == (503, "database-unreachable")
    assert response.headers["Retry-After"] == "1"
    assert summary(event) == (
        ["ServerSelectionTimeoutError"],
        "generic",
        True,
        "error",
        ["analytics", "database-unreachable"],
    )
    assert_tells_the_request(event, "hopper")
    assert {"host", "port", "collection"} <= set(event["contexts"]["mongodb"])
    assert frames(event)[-1]["function"] == "ask_replica"
    # What was never sent to a server is no query: neither a span nor a breadcrumb.
    assert telemetry.spans == ["analytics.report"]
    assert crumbs(event, "query") == []


def assert_cut(event: Event, *, gone: bool) -> None:
    assert summary(event) == (
        ["TimeoutError", "CancelledError"],
        "generic",
        True,
        "warning",
        ["analytics", "report-deadline"],
    )
    assert_tells_the_request(event, "ada")
    cancelled = event["exception"]["values"][0]["stacktrace"]["frames"]
    (guilty,) = [frame for frame in cancelled if frame["function"] == "take"]
    assert int(guilty["vars"]["tries"]) > 1
    assert event["contexts"]["deadline"]["caller_gone"] is gone
    assert len(crumbs(event, "query")) > 1


class Patient(NamedTuple):
    """The service in this process, and a count of its tries to take the lease."""

    server: Server
    tries: threading.Semaphore


@pytest.fixture
def patient(
    receiver: Receiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Patient]:
    """A service that cuts no report by itself."""
    tries = threading.Semaphore(0)

    def count(crumb: Event, hint: Any) -> Event:
        if crumb.get("data", {}).get("db.operation.name") == "findAndModify":
            tries.release()
        return crumb

    monkeypatch.setattr("demo_services.analytics.debug.REPORT_LIMIT_S", LONG_S)
    options = {**sentry_options(ANALYTICS), "before_breadcrumb": count}
    client = open_client(dsn=receiver.dsn, **options)
    make = partial(make_app, Settings(debug_token=TOKEN, mongodb_uri=database.url))
    server = Server("analytics", serve_asgi(make), context=lambda: use_client(client))
    server.launch().wait()
    yield Patient(server, tries)
    server.stop()
    client.close(timeout=WAIT_S)


def test_work_is_cancelled_when_the_caller_hangs_up(patient: Patient, receiver: Receiver) -> None:
    trace = "5af7651916cd43dd8448eb211c80319c"
    lines = [
        f"GET {DEBUG}/timeout HTTP/1.1",
        "Host: 127.0.0.1",
        f"sentry-trace: {trace}-b7ad6b7169203331-1",
        f"X-Debug-Token: {TOKEN}",
        f"{DEADLINE_HEADER}: 300",
    ]
    with socket.create_connection(("127.0.0.1", patient.server.port), WAIT_S) as caller:
        caller.sendall("\r\n".join([*lines, "", ""]).encode())
        for _ in range(2):
            assert patient.tries.acquire(timeout=WAIT_S)
    telemetry = receiver.telemetry(trace, "analytics")
    assert_cut(telemetry.event, gone=True)
    deadline = telemetry.event["contexts"]["deadline"]
    assert deadline["caller_ms"] == "300"
    assert RETRY_S * 1000 <= deadline["waited_ms"] < LONG_S * 1000
    assert telemetry.segment["status"] == "error"
    assert telemetry.attribute("http.response.status_code") == 504
    assert telemetry.spans.count("db") > 1
    assert "analytics.lease" in telemetry.spans


def test_work_is_cancelled_at_the_latest_after_a_limit(analytics: Running) -> None:
    response = analytics.call(f"{DEBUG}/timeout")
    assert (response.status_code, response.json()["error"]) == (504, "deadline-passed")
    assert_cut(analytics.telemetry(response).event, gone=False)


@pytest.mark.parametrize("n", [PLAYERS.minimum, PLAYERS.default, PLAYERS.maximum])
def test_slow_work_raises_nothing_and_shows_in_the_trace(analytics: Running, n: int) -> None:
    response = analytics.call(f"{DEBUG}/performance-issue?n={n}")
    body = response.json()
    assert response.status_code == 200
    assert body["same_answer"] is True
    assert len(body["answer"]) == n
    assert sum(row["wagered"] for row in body["answer"].values()) == n * 20

    slow = analytics.telemetry(response)
    assert slow.events == []
    assert body["n_plus_one"]["trace_id"] == slow.segment["trace_id"]
    assert body["n_plus_one"]["queries"] == n + 1
    marked = queries_below(slow, "analytics.n_plus_one")
    assert marked == ["distinct", *["find"] * n]

    fast = analytics.receiver.telemetry(body["one_query"]["trace_id"], "analytics")
    assert body["one_query"]["trace_id"] != body["n_plus_one"]["trace_id"]
    assert queries_below(fast, "analytics.one_query") == ["aggregate"]
    assert fast.attribute("server.address") == "analytics"
    assert body["one_query"]["duration_ms"] > 0
    assert body["n_plus_one"]["duration_ms"] > 0


def queries_below(telemetry: Telemetry, op: str) -> list[str]:
    parent = telemetry.children[telemetry.spans.index(op)]["span_id"]
    below = [span for span in telemetry.children if span["parent_span_id"] == parent]
    return [span["attributes"]["db.operation.name"]["value"] for span in below]


@pytest.mark.parametrize("n", [PLAYERS.minimum - 1, PLAYERS.maximum + 1, "", "x", "1e1", "9" * 99])
def test_the_parameter_is_bounded(analytics: Running, n: Any) -> None:
    response = analytics.call(f"{DEBUG}/performance-issue?n={n}")
    assert (response.status_code, response.json()["error"]) == (422, "out-of-bounds")
    assert f"from {PLAYERS.minimum} to {PLAYERS.maximum}" in response.json()["detail"]
    assert analytics.telemetry(response).events == []


@pytest.mark.parametrize("path", [DATABASE, VALIDATION])
def test_an_unknown_kind_is_refused(analytics: Running, path: str) -> None:
    response = analytics.call(f"{path}nothing", "GET" if path == DATABASE else "POST")
    assert (response.status_code, response.json()["error"]) == (422, "bad-request")
    assert "kind" in response.json()["detail"]


def test_a_bad_player_is_refused(analytics: Running) -> None:
    response = analytics.call(f"{DEBUG}/crash?player=%3Cb%3E")
    assert (response.status_code, response.json()["error"]) == (422, "bad-player")
    assert analytics.telemetry(response).events == []


@pytest.mark.slow
def test_crashes_at_the_same_time_report_the_same_as_alone(analytics: Running) -> None:
    paths = list(CRASHES) * 4
    # More would keep the database so busy that others run out of time as well.
    with ThreadPoolExecutor(4) as pool:
        responses = list(
            pool.map(
                lambda numbered: analytics.call(
                    f"{numbered[1]}{'&' if '?' in numbered[1] else '?'}player=p{numbered[0]}",
                    CRASHES[numbered[1]][0],
                ),
                enumerate(paths),
            )
        )
    for number, (path, response) in enumerate(zip(paths, responses, strict=True)):
        _, chain, fingerprint, _, _, spans = CRASHES[path]
        telemetry = analytics.telemetry(response)
        assert summary(telemetry.event)[0] == chain
        assert telemetry.event.get("fingerprint") == separate(fingerprint)
        assert telemetry.spans == spans
        assert_tells_the_request(telemetry.event, f"p{number}")


def test_the_service_works_after_every_crash(analytics: Running, spins: Any) -> None:
    for number, (path, (method, *_)) in enumerate(CRASHES.items()):
        analytics.call(path, method)
        assert store(analytics, spin_id=f"after-{number}").status_code == 201
    stats = analytics.call("/api/v1/stats").json()
    assert stats["spins"] == len(CRASHES), "crash routes must not touch the statistics"


NEED_A_DATABASE = [
    ("GET", "/api/v1/stats"),
    *((method, path) for path, (method, *_) in CRASHES.items()),
    ("GET", f"{DEBUG}/timeout"),
    ("GET", f"{DEBUG}/performance-issue"),
]


@pytest.fixture(scope="module")
def bare(receiver: Receiver) -> Iterator[Running]:
    """A service that was given no database."""
    with Running("analytics", receiver, DEBUG_TOKEN=TOKEN, MONGODB_URI="") as running:
        yield running


@pytest.mark.parametrize(("method", "path"), NEED_A_DATABASE)
def test_without_a_database_it_says_what_to_set(bare: Running, method: str, path: str) -> None:
    response = bare.call(path, method)
    assert (response.status_code, response.json()["error"]) == (503, "no-database")
    assert "MONGODB_URI" in response.json()["detail"]
    assert bare.telemetry(response).events == []


def test_without_a_database_spins_are_not_stored(bare: Running) -> None:
    assert (store(bare).status_code, store(bare).json()["error"]) == (503, "no-database")
    health = bare.call("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "MONGODB_URI" in health.json()["detail"]


@pytest.mark.slow
def test_a_database_that_is_away_is_one_issue_and_no_secret(receiver: Receiver) -> None:
    uri = "mongodb://ada:hunter2@127.0.0.1:9/"
    with Running("analytics", receiver, DEBUG_TOKEN=TOKEN, MONGODB_URI=uri) as away:
        health = away.call("/health").json()
        assert health["status"] == "degraded"
        assert "127.0.0.1:9" in health["detail"]
        for response in (store(away), away.call("/api/v1/stats")):
            assert (response.status_code, response.json()["error"]) == (503, "database-unreachable")
            event = away.telemetry(response).event
            assert event["fingerprint"] == ["analytics", "database-unreachable"]
            assert summary(event)[1:4] == ("generic", True, "error")
    assert not [body for body in receiver.bodies if b"hunter2" in body]
    assert "hunter2" not in json.dumps(health)


def test_debug_routes_want_the_token(analytics: Running, receiver: Receiver) -> None:
    for path, (method, *_) in CRASHES.items():
        response = analytics.call(path, method, headers={"X-Debug-Token": "guess"})
        assert (response.status_code, response.json()["error"]) == (401, "debug-token")
        assert analytics.telemetry(response).events == []
    analytics.telemetry(analytics.call(f"{DEBUG}/crash"))
    assert not [body for body in receiver.bodies if TOKEN.encode() in body]


def test_without_a_token_configured_nothing_is_there(receiver: Receiver) -> None:
    with Running("analytics", receiver, DEBUG_TOKEN="", MONGODB_URI="") as closed:
        response = closed.call(f"{DEBUG}/crash")
        assert (response.status_code, response.json()["error"]) == (404, "not-found")
