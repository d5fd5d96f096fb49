import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing

import httpx
import pytest
import tornado.web
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from kit.hosting.child import free_port
from kit.hosting.server import HOST, Ready, Serve, Server, ServerError, serve_asgi, serve_tornado

DEADLINE_S = 60.0


def asgi_app() -> Starlette:
    return Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])


class Hello(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("hello")


def tornado_app() -> tornado.web.Application:
    return tornado.web.Application([("/", Hello)])


SERVES = {"asgi": serve_asgi(asgi_app), "tornado": serve_tornado(tornado_app, 1024)}


@pytest.fixture(params=SERVES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server("hello", SERVES[request.param])
    yield server
    server.stop()


def answer(server: Server) -> str:
    return httpx.get(server.url, trust_env=False, timeout=DEADLINE_S).text


def test_a_launched_server_answers(server: Server) -> None:
    server.launch().wait()
    assert answer(server) == "hello"
    assert server.is_running


def test_launching_again_keeps_the_running_one(server: Server) -> None:
    server.launch().wait()
    port = server.port
    server.launch().wait()
    assert server.port == port
    assert answer(server) == "hello"


def test_it_starts_again_after_a_stop(server: Server) -> None:
    server.launch().wait()
    server.stop(timeout=DEADLINE_S)
    assert not server.is_running
    server.launch().wait()
    assert answer(server) == "hello"


def test_a_stopped_server_refuses_instead_of_hanging(server: Server) -> None:
    server.launch().wait()
    server.stop(timeout=DEADLINE_S)
    with pytest.raises(httpx.ConnectError):
        answer(server)


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with closing(socket.create_server((HOST, 0))) as other:
        taken = other.getsockname()[1]
        server = Server("hello", SERVES["asgi"], port=taken)
        server.launch().wait()
        assert server.port != taken
        assert answer(server) == "hello"
        server.stop()


def test_a_free_port_is_taken_as_wanted() -> None:
    free = free_port()
    server = Server("hello", SERVES["asgi"], port=free)
    server.launch().wait()
    assert server.port == free
    server.stop()


def broken_app() -> Starlette:
    raise ValueError("no paytable")


@asynccontextmanager
async def broken_lifespan(app: Starlette):  # noqa: ANN201
    raise ValueError("no database")
    yield


async def endless(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
    await end.wait()


async def brief(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
    pass


@pytest.mark.parametrize(
    ("serve", "deadline", "reason"),
    [
        (serve_asgi(broken_app), DEADLINE_S, "ValueError: no paytable"),
        (
            serve_asgi(lambda: Starlette(lifespan=broken_lifespan)),
            DEADLINE_S,
            "lifespan failed",
        ),
        (endless, 0.3, r"within 0\.3 s"),
        (brief, DEADLINE_S, "ended before"),
    ],
    ids=["factory raises", "lifespan raises", "never ready", "ends at once"],
)
def test_a_server_that_cannot_start_says_why(serve: Serve, deadline: float, reason: str) -> None:
    server = Server("broken", serve)
    with pytest.raises(ServerError, match=f"broken .*{reason}"):
        server.launch().wait(deadline)
    assert not server.is_running


def test_no_thread_outlives_a_stop(server: Server) -> None:
    before = set(threading.enumerate())
    server.launch().wait()
    server.stop(timeout=DEADLINE_S)
    assert {t for t in threading.enumerate() if t.name.startswith("hello")} <= before
