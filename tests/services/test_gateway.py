"""The gateway: passing on, failing upstreams, its own crash."""

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, TCPServer
from typing import Any

import httpx
import pytest

from demo_services.sdk import GENERATION

from .conftest import TOKEN, Running, is_up
from .receiver import Receiver
from .test_crashes import context_fields, frames, summary

PREFIX = "/api/v1/game"


class Echo(BaseHTTPRequestHandler):
    """An upstream that remembers what it got, and answers with a compressed body."""

    server: "Upstream"
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def answer(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        self.server.got.append((self.command, self.path, self.headers, self.rfile.read(length)))
        body = gzip.compress(b"the answer")
        self.send_response(203)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Connection", "X-Hop")
        self.send_header("X-Hop", "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.got: list[tuple[str, str, Any, bytes]] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        thread = threading.Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        yield upstream
        upstream.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def proxy(receiver: Receiver, upstream: Upstream) -> Iterator[Running]:
    """A gateway in front of the recording upstream."""
    with Running("gateway", receiver, DEBUG_TOKEN=TOKEN, GAME_ENGINE_URL=upstream.url) as running:
        yield running


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_is_passed_on_as_sent(proxy: Running, upstream: Upstream, method: str) -> None:
    body = b'{"bet": 1}' if method in {"POST", "PUT", "PATCH"} else None
    response = proxy.call(f"{PREFIX}/x%2Fy/%41?a=%41&b='c'&a=2", method, content=body)
    got_method, path, _, got_body = upstream.got[-1]
    assert (got_method, path) == (method, "/api/v1/x%2Fy/%41?a=%41&b='c'&a=2")
    assert got_body == (body or b"")
    assert response.status_code == 203
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.headers.get_list("date")) == 1
    assert "x-hop" not in response.headers
    assert response.text == ("" if method == "HEAD" else "the answer")


def test_headers_are_passed_on_but_not_those_of_the_hop(proxy: Running, upstream: Upstream) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    response = proxy.call(
        f"{PREFIX}/x",
        headers={
            "sentry-trace": f"{trace}-b7ad6b7169203331-1",
            "baggage": f"sentry-trace_id={trace},sentry-sampled=true,theirs=1",
            "X-Player": "ada",
            "Connection": "keep-alive, X-Secret-Hop",
            "X-Secret-Hop": "1",
            "TE": "trailers",
        },
    )
    headers = upstream.got[-1][2]
    assert headers["X-Player"] == "ada"
    assert headers["X-Debug-Token"] == TOKEN
    assert f"127.0.0.1:{upstream.server_address[1]}" == headers["Host"]
    assert not {"x-secret-hop", "te"} & {name.lower() for name in headers}

    (span,) = proxy.telemetry(response).children
    assert headers.get_all("sentry-trace") == [f"{trace}-{span['span_id']}-1"]
    (baggage,) = headers.get_all("baggage")
    members = [member.partition("=")[0] for member in baggage.split(",")]
    assert len(members) == len(set(members))
    assert {"theirs", "sentry-trace_id"} <= set(members)


def test_a_trace_joins_gateway_and_service(gateway: Running, engine: Running) -> None:
    response = gateway.call(f"{PREFIX}/spin", "POST", json={"player": "ada", "bet": 1})
    assert response.json()["player"] == "ada"
    telemetry = gateway.telemetry(response)
    assert telemetry.spans == ["http.client"]
    segment = engine.telemetry(response).segment
    assert segment["parent_span_id"] == telemetry.children[0]["span_id"]


def test_a_service_error_is_passed_on_and_reported_once(gateway: Running, engine: Running) -> None:
    response = gateway.call(f"{PREFIX}/debug/crash")
    assert response.status_code == 500
    trace = response.request.headers["sentry-trace"].partition("-")[0]
    assert response.json()["trace_id"] == trace
    assert len(engine.telemetry(response).events) == 1
    assert gateway.telemetry(response).events == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/game/nowhere",
        "/api/v1/game",
        "/api/v1/game/",
        "/api/v1/game/debug",
        "/api/v1/game//debug/crash",
        "/api/v1/game/%64ebug/crash",
    ],
)
def test_a_path_unknown_to_the_service_is_its_404(gateway: Running, path: str) -> None:
    response = gateway.call(path)
    assert (response.status_code, response.json()["error"]) == (404, "not-found")
    assert response.headers["server"] == "uvicorn"
    assert gateway.telemetry(response).spans == ["http.client"]


@pytest.mark.parametrize("path", ["/api/v1/nothing/x", "/api/v1/game%2Fspin", "/api/v1//game/x"])
def test_an_unknown_prefix_is_the_gateways_404(gateway: Running, path: str) -> None:
    response = gateway.call(path)
    assert (response.status_code, response.json()["error"]) == (404, "unknown-service")
    assert "/api/v1/game/" in response.json()["detail"]
    assert gateway.telemetry(response).spans == []


@pytest.mark.parametrize("path", ["/", "/nowhere", "/docs", "/openapi.json", "/health/"])
def test_other_paths_are_unknown(gateway: Running, path: str) -> None:
    response = gateway.call(path)
    assert (response.status_code, response.json()["error"]) == (404, "not-found")


def test_no_connection_is_used_twice(proxy: Running, upstream: Upstream) -> None:
    before = upstream.connections
    for _ in range(3):
        proxy.call(f"{PREFIX}/x")
    assert upstream.connections == before + 3


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_bounded(proxy: Running, upstream: Upstream, chunked: bool) -> None:
    def send(size: int) -> httpx.Response:
        body = b"x" * size
        return proxy.call(f"{PREFIX}/x", "POST", content=iter([body]) if chunked else body)

    assert send(2**20).status_code == 203
    assert len(upstream.got[-1][3]) == 2**20
    refused = send(2**20 + 1)
    assert (refused.status_code, refused.json()["error"]) == (413, "body-too-large")
    assert proxy.telemetry(refused).events == []


def assert_failure(running: Running, response: httpx.Response, status: int, error: str) -> Any:
    trace = response.request.headers["sentry-trace"].partition("-")[0]
    body = response.json()
    assert response.status_code == status
    assert body == {
        "error": error,
        "service": "game-engine",
        "detail": body["detail"],
        "trace_id": trace,
    }
    event = running.telemetry(response).event
    assert context_fields(event) >= 20
    assert event["tags"]["upstream.failed"] == "game-engine"
    return event


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens, and where nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_service_that_is_down_is_a_502(receiver: Receiver, nowhere: str) -> None:
    with Running("gateway", receiver, DEBUG_TOKEN=TOKEN, GAME_ENGINE_URL=nowhere) as running:
        response = running.call(f"{PREFIX}/spin", "POST", json={"player": "ada", "bet": 1})
        event = assert_failure(running, response, 502, "bad-gateway")
        chain, *rest = summary(event)
        assert chain[0] == "ConnectError"
        assert rest == [
            "generic",
            True,
            "error",
            ["gateway", "upstream-unreachable", "game-engine"],
        ]
        # Version 3 takes the body as the application parsed it, and the gateway parses none.
        assert event["request"].get("data") == (
            {"player": "ada", "bet": 1} if GENERATION == 2 else None
        )
        health = running.call("/health").json()
        assert health["status"] == "degraded"
        assert health["services"]["game-engine"]["status"] == "down"


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        yield mute


@pytest.mark.slow
def test_a_service_that_is_late_is_a_504(receiver: Receiver, mute: socket.socket) -> None:
    url = f"http://127.0.0.1:{mute.getsockname()[1]}"
    with Running(
        "gateway", receiver, DEBUG_TOKEN=TOKEN, GAME_ENGINE_URL=url, DEADLINE_S="0.3"
    ) as running:
        response = running.call(f"{PREFIX}/spin")
        event = assert_failure(running, response, 504, "gateway-timeout")
        chain, *rest = summary(event)
        assert chain[0] == "TimeoutError"
        assert rest == ["generic", True, "warning", ["gateway", "upstream-late", "game-engine"]]
        health = running.call("/health").json()
        assert health["services"]["game-engine"]["status"] == "down"


class HangUp(BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1)


@pytest.fixture
def rude() -> Iterator[str]:
    """The address of a server that hangs up as soon as it is spoken to."""
    with TCPServer(("127.0.0.1", 0), HangUp) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_service_that_hangs_up_is_a_502(receiver: Receiver, rude: str) -> None:
    with Running("gateway", receiver, DEBUG_TOKEN=TOKEN, GAME_ENGINE_URL=rude) as running:
        for _ in range(2):
            assert_failure(running, running.call(f"{PREFIX}/spin"), 502, "bad-gateway")


def test_health_is_that_of_all(gateway: Running) -> None:
    health = gateway.health(is_up)
    assert health["service"] == "gateway"
    assert {name: state["status"] for name, state in health["services"].items()} == {
        "game-engine": "up",
        "payment": "up",
        "analytics": "up",
    }


@pytest.mark.slow
def test_a_service_that_lacks_something_is_degraded(receiver: Receiver, engine: Running) -> None:
    nowhere = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    with Running("analytics", receiver, DEBUG_TOKEN=TOKEN, MONGODB_URI=nowhere) as lame:
        urls = {"GAME_ENGINE_URL": engine.url, "ANALYTICS_URL": lame.url}
        with Running("gateway", receiver, DEBUG_TOKEN=TOKEN, **urls) as running:
            health = running.health(lambda it: it["services"]["analytics"]["status"] != "down")
    assert health["status"] == health["services"]["analytics"]["status"] == "degraded"


def test_panic(gateway: Running) -> None:
    response = gateway.call("/debug/panic?player=hopper")
    telemetry = gateway.telemetry(response)
    event = telemetry.event
    assert response.status_code == 500
    assert response.json()["trace_id"] == event["contexts"]["trace"]["trace_id"]
    assert summary(event) == (["ZeroDivisionError"], "starlette", False, "fatal", None)
    assert [frame["function"] for frame in frames(event)] == ["panic", "choose_instance", "pick"]
    assert frames(event)[-1]["vars"]["available"] == []
    assert context_fields(event) >= 20
    assert {"process", "fastapi", "gateway"} <= set(event["contexts"])
    assert event["contexts"]["fastapi"]["route"] == "/debug/panic"
    assert event["user"]["username"] == "hopper"
    assert event["tags"]["service"] == "gateway"
    assert telemetry.spans == ["gateway.routing"]
    assert gateway.call(f"{PREFIX}/spin", "POST", json={"player": "a", "bet": 1}).is_success


def test_no_telemetry_holds_the_token(gateway: Running, receiver: Receiver) -> None:
    gateway.telemetry(gateway.call("/debug/panic"))
    assert not [body for body in receiver.bodies if TOKEN.encode() in body]
