"""What the facts say of the SDK, seen in events that it makes without our before_send."""

import asyncio
import json
import logging
from typing import Annotated, Any

import fastapi
import httpx
import pytest
import sentry_sdk
import tornado.web
from sentry_sdk.consts import VERSION
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.unraisablehook import UnraisablehookIntegration
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from demo_services.sdk import GENERATION
from demo_services.telemetry import DATA_COLLECTION
from demo_services.trace import start_span
from kit.provenance.origin import UNKNOWN, origin, origin_at
from kit.provenance.python_sdk import FASTAPI, TORNADO
from kit.reading.payload import leaves

from .collected import collecting

Event = dict[str, Any]

SECRET = "hunter2"
FILTERED = "[Filtered]"
FRAMEWORKS = {TORNADO: "game-engine", FASTAPI: "gateway"}


def fail(password: str) -> None:
    color = "red"
    raise LookupError(f"nothing is {color}", len(password))


async def ask(http: httpx.AsyncClient) -> None:
    await http.post(
        "/order?color=red&token=" + SECRET,
        json={"password": SECRET},
        headers={"X-Debug-Token": SECRET, "Authorization": SECRET, "Cookie": "theme=dark"},
    )


class Order(tornado.web.RequestHandler):
    def post(self) -> None:
        sentry_sdk.set_context("order", {"password": SECRET})
        fail(SECRET)


async def crash_tornado() -> None:
    listening, port = bind_unused_port()
    server = HTTPServer(tornado.web.Application([("/order", Order)]))
    server.add_sockets([listening])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        await ask(http)
    server.stop()
    await server.close_all_connections()


async def crash_fastapi() -> None:
    app = fastapi.FastAPI()

    @app.post("/order")
    async def order(body: Annotated[dict[str, str], fastapi.Body()]) -> None:
        sentry_sdk.set_context("order", {"password": SECRET})
        fail(body["password"])

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        await ask(http)


def crash(framework: str, **options: Any) -> Event:
    """Return the event of a request that a service of this framework fails to answer."""
    with collecting(server_name=FRAMEWORKS[framework], **options) as events:
        asyncio.run(crash_tornado() if framework == TORNADO else crash_fastapi())
    (event,) = [each for each in events if "exception" in each]
    return event


def local_variables(event: Event) -> dict[str, str]:
    frames: list[dict[str, Any]] = event["exception"]["values"][-1]["stacktrace"]["frames"]
    found: dict[str, str] = frames[-1]["vars"]
    return found


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_our_data_collection_goes_by_names_and_leaves_out_who_it_was(framework: str) -> None:
    event = crash(framework, data_collection=DATA_COLLECTION)
    request = event["request"]
    assert request.keys() & {"cookies", "env"} == set()
    assert request["query_string"] == "color=red&token=%5BFiltered%5D"
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["x-debug-token"] == headers["authorization"] == headers["cookie"] == FILTERED
    # Neither locals nor a body nor a context: those are for our before_send.
    assert local_variables(event) == {"password": repr(SECRET), "color": "'red'"}
    assert request["data"] == event["contexts"]["order"] == {"password": SECRET}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_empty_data_collection_collects_all(framework: str) -> None:
    event = crash(framework, data_collection={})
    assert event["request"]["cookies"] == {"theme": "dark"}
    assert event["request"]["env"] == {"REMOTE_ADDR": "127.0.0.1"}
    assert local_variables(event)["password"] == repr(SECRET)
    origins = {leaf: origin_at(event, leaf) for leaf in leaves(event)}
    unknown = {leaf for leaf, found in origins.items() if found.who == UNKNOWN}
    # The context is set by this test, which is not in our source.
    assert unknown == {("contexts", "order", "password")}
    assert {each.file.partition("/")[0] for each in origins.values() if each.file} == {"sentry_sdk"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_data_collection_the_versions_differ(framework: str) -> None:
    event = crash(framework)
    request = event["request"]
    assert ("cookies" in request) is (GENERATION >= 3)
    assert ("env" in request) is (GENERATION >= 3 or framework == TORNADO)
    said = origin(event, "request.cookies.theme").why
    assert ("Only with data_collection" in said) is (GENERATION < 3)


@pytest.mark.parametrize(("lines", "kept"), [(None, 5), (2, 2), (0, None)])
def test_lines_around_a_frame_are_an_option(lines: int | None, kept: int | None) -> None:
    with collecting(
        data_collection={} if lines is None else {"frame_context_lines": lines}
    ) as all_:
        try:
            fail(SECRET)
        except LookupError as error:
            sentry_sdk.capture_exception(error)
    frame = all_[0]["exception"]["values"][0]["stacktrace"]["frames"][-1]
    if kept is None:
        assert frame.keys() & {"pre_context", "context_line", "post_context"} == set()
    else:
        assert frame["context_line"].startswith("    raise LookupError")
        assert (len(frame["pre_context"]), len(frame["post_context"])) == (kept, kept)


def test_version_3_numbers_every_chain() -> None:
    with collecting() as events:
        try:
            try:
                fail(SECRET)
            except LookupError as cause:
                raise ValueError from cause
        except ValueError as error:
            sentry_sdk.capture_exception(error)
    cause, error = (value["mechanism"] for value in events[0]["exception"]["values"])
    found = [cause.get("exception_id"), error.get("exception_id"), cause.get("parent_id")]
    assert found == ([1, 0, 0] if GENERATION >= 3 else [None, None, None])
    assert cause["type"] == ("chained" if GENERATION >= 3 else "generic")


def test_version_3_sends_a_stack_trace_with_a_message() -> None:
    with collecting() as events:
        sentry_sdk.capture_message("hello")
    assert ("threads" in events[0]) is (GENERATION >= 3)
    assert ("attach_stacktrace is on by default" in origin(events[0], "message").why) is (
        GENERATION >= 3
    )


def test_version_3_makes_events_of_logs_when_it_is_asked() -> None:
    def count(**options: Any) -> int:
        with collecting(**options) as events:
            logging.getLogger("shop").error("sold out")
        return len(events)

    assert count() == (0 if GENERATION >= 3 else 1)
    assert count(integrations=[LoggingIntegration(event_level=logging.ERROR)]) == 1
    assert count(integrations=[LoggingIntegration(event_level=logging.CRITICAL)]) == 0


def test_version_3_waits_for_unraisable_errors() -> None:
    with collecting():
        is_on = sentry_sdk.get_client().get_integration(UnraisablehookIntegration)
    assert (is_on is not None) is (GENERATION >= 3)


def test_the_trace_of_a_streamed_span_has_neither_status_nor_data() -> None:
    with (
        collecting(traces_sample_rate=1.0, trace_lifecycle="stream") as events,
        start_span(op="work", name="sells"),
    ):
        sentry_sdk.capture_message("hello")
    trace = events[0]["contexts"]["trace"]
    assert trace.keys() & {"status", "data", "description"} == set()
    assert trace["op"] == "work"


OLD_TRANSACTION: Event = {
    "sdk": {"name": "sentry.python", "version": VERSION},
    "type": "transaction",
    "platform": "python",
    "start_timestamp": 1.0,
    "spans": [{"op": "db"}],
    "measurements": {"size": {"value": 1}},
    "contexts": {
        "profile": {"profile_id": "1"},
        "response": {"status_code": 500},
        "trace": {"status": "ok", "description": "sells", "data": {"thread.id": "1", "x": 1}},
    },
}


@pytest.mark.parametrize("leaf", list(leaves(OLD_TRANSACTION)), ids=json.dumps)
def test_a_transaction_is_explained_also_where_the_sdk_has_none(
    leaf: tuple[str | int, ...],
) -> None:
    found = origin_at(OLD_TRANSACTION, leaf)
    assert found.who != UNKNOWN
    is_gone = GENERATION >= 3 and leaf[0] not in ("platform", "sdk")
    assert (found.file is None) is is_gone
    assert ("an older one did" in found.why) is is_gone
