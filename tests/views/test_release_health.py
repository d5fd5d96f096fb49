import subprocess
import sys
import time
from functools import partial
from typing import Any

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI
from tornado.web import Application, RequestHandler

from kit.hosting.server import Server, serve_asgi, serve_tornado
from kit.reading.sessions import SessionCounts, SessionGroup, count_sessions
from kit.system.clients import use_client
from kit.views.release_health import ReleaseHealth, as_percent, read_release_health
from tests.ingest.sending import Ingest, body, item, store_away

from .ingesting import client_of
from .picture import Picture
from .traces import HOSTILE
from .traces import item as stored

PATHS = ("fine", "handled", "unhandled", "fine")


def fail(path: str) -> str:
    try:
        return path if path == "fine" else str(1 / 0)
    except ZeroDivisionError:
        if path == "unhandled":
            raise
        sentry_sdk.capture_exception()
        return path


def fastapi_shop() -> FastAPI:
    app = FastAPI()
    app.get("/{path}")(fail)
    return app


class Shop(RequestHandler):
    def get(self, path: str) -> None:
        self.write(fail(path))


def call(server: Server) -> None:
    server.launch().wait()
    try:
        for path in PATHS:
            httpx.get(f"{server.url}/{path}", trust_env=False)
    finally:
        server.stop()


@pytest.mark.system
def test_fastapi_sends_a_session_for_each_request_and_tornado_none(ingest: Ingest) -> None:
    with client_of(ingest.dsn, release="shop@1.0.0", server_name="shop") as client:
        context = partial(use_client, client)
        call(Server("shop", serve_asgi(fastapi_shop), context=context))
        # The flush sends what else waits for a minute.
        assert client.session_flusher.flush_interval == 60
        client.flush(timeout=10)
        health = read_release_health(ingest.store)
        expected = SessionCounts(exited=2, errored=1, crashed=1)
        assert health.of("gateway") == health.of("gateway", "shop@1.0.0") == expected
        assert health.sentence == "4 sessions, 1 crashed: 75.0 % crash-free."

        def make_app() -> Application:
            return Application([("/(.*)", Shop)])

        call(Server("shop", serve_tornado(make_app, 1000), context=context))
        client.flush(timeout=10)
    assert len(ingest.store.items(type="event")) > 2
    assert read_release_health(ingest.store).of("gateway") == expected


@pytest.mark.system
def test_an_error_that_before_send_drops_harms_no_session(ingest: Ingest) -> None:
    options: list[dict[str, Any]] = [{"before_send": lambda event, hint: None}, {"sample_rate": 0}]
    for number, each in enumerate(options):
        with client_of(ingest.dsn, release=f"job@{number}", **each):
            sentry_sdk.start_session()
            fail("handled")
            sentry_sdk.end_session()
    health = read_release_health(ingest.store)
    assert ingest.store.items(type="event") == []
    assert health.of("gateway", "job@0") == SessionCounts(exited=1)
    # What is left out by its number is counted all the same.
    assert health.of("gateway", "job@1") == SessionCounts(errored=1)


UNTIL_THE_END = """
import sentry_sdk
sentry_sdk.init(release="job@1.0.0", http_proxy="")
sentry_sdk.start_session()
raise RuntimeError("no more coins")
"""
ENDED_TOO_EARLY = UNTIL_THE_END.replace(
    'raise RuntimeError("no more coins")',
    'try:\n    raise RuntimeError("no more coins")\nfinally:\n    sentry_sdk.end_session()',
)


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize(
    ("program", "expected"),
    [(UNTIL_THE_END, SessionCounts(crashed=1)), (ENDED_TOO_EARLY, SessionCounts(exited=1))],
    ids=["ended by the SDK", "ended by hand"],
)
def test_a_session_by_hand_crashes_when_it_is_open_at_the_end(
    ingest: Ingest, program: str, expected: SessionCounts
) -> None:
    code = program.replace("init(", f"init({ingest.dsn!r}, ")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "no more coins" in ended.stderr
    assert len(ingest.store.items(type="event")) == 1
    assert read_release_health(ingest.store).of("gateway") == expected


def aggregates(*counts: Any, release: Any = "shop@1.0.0") -> dict[str, Any]:
    return {"attrs": {"release": release}, "aggregates": list(counts)}


def test_sessions_are_counted_by_release_and_the_last_state_of_one_counts() -> None:
    group = SessionGroup("payment", "shop@1.0.0")
    one = {"sid": "1", "attrs": {"release": "shop@1.0.0"}}
    items = [
        stored("sessions", aggregates({"exited": 3, "crashed": 1}, {"errored": 2, "abnormal": 1})),
        stored("sessions", aggregates({"exited": 1}, release="shop@1.0.1")),
        stored("session", {**one, "status": "ok"}),
        stored("session", {**one, "status": "exited", "errors": 2}),
        stored("event", aggregates({"exited": 99})),
    ]
    counts = count_sessions(items)
    assert counts[group] == SessionCounts(exited=3, errored=3, crashed=1, abnormal=1)
    assert counts[SessionGroup("payment", "shop@1.0.1")] == SessionCounts(exited=1)


@pytest.mark.parametrize("value", [None, -1, "3", True, 1.5, [], {}, HOSTILE, float("nan")])
def test_what_is_no_count_counts_nothing(value: Any) -> None:
    items = [
        stored("sessions", aggregates({"exited": value}, value, release=value)),
        stored("sessions", {"aggregates": value, "attrs": value}),
        stored("session", {"status": value, "errors": value, "sid": value}),
    ]
    counts = count_sessions(items)
    assert sum(each.total for each in counts.values()) == 1
    Picture(ReleaseHealth(counts)._repr_html_())


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0.0, "0 %"), (0.5, "50.0 %"), (0.99999, "99.9 %"), (1.0, "100 %")],
)
def test_a_rate_is_not_rounded_up_to_all(share: float | None, text: str) -> None:
    assert as_percent(share) == text


def send(ingest: Ingest, payload: dict[str, Any], project: str) -> None:
    store_away(ingest.store, body(item("sessions", payload)), project=project)


@pytest.mark.system
def test_a_service_without_sessions_is_named(ingest: Ingest) -> None:
    assert read_release_health(ingest.store).sentence == "No session has arrived."
    store_away(ingest.store, body(item("event", {})), project="game-engine")
    send(ingest, aggregates({"exited": 10**400, "crashed": 1}), "gateway")
    health = read_release_health(ingest.store)
    assert health.silent == ("game-engine",)
    picture = Picture(health._repr_html_())
    assert "No sessions from game-engine, which sent other items" in picture.words
    assert picture.cells[1][-1] == "99.9 %"
    later = read_release_health(ingest.store, since=time.time() + 60)
    assert (list(later), later.silent) == ([], ())


def test_many_releases_are_shortened() -> None:
    counts = {SessionGroup(HOSTILE, f"{n:03}"): SessionCounts(crashed=n) for n in range(40)}
    health = ReleaseHealth(counts)
    picture = Picture(health._repr_html_())
    assert len(picture.cells) == 31
    assert "10 more, from index [30] on." in picture.words
    assert health[0].rate == "–"
    assert [row.group.release for row in health[:2]] == ["000", "001"]
