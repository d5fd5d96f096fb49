"""No request is lost on a connection that its server closes when it has been idle."""

import asyncio
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import sentry_sdk

from demo_services.connections import DATABASE_IDLE_MS
from demo_services.game_engine.breakers import Breakers
from demo_services.game_engine.cashier import PaymentService
from demo_services.game_engine.ledger import Ledger
from demo_services.game_engine.reels import Spin
from demo_services.gateway.proxy import make_client
from demo_services.players import Player
from demo_services.services import ANALYTICS, PAYMENT
from kit.frontend.gateway import GatewayClient
from kit.hosting.database import SECANTUS
from kit.system.clients import open_client
from tests.impatient import ImpatientProxy

from .receiver import Receiver


class OnceHandler(BaseHTTPRequestHandler):
    """Answers one request, and closes the connection when the next one comes on it."""

    server: "OnceServer"
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.is_first = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_first:
            self.server.lost += 1
            self.close_connection = True
            return
        self.is_first = False
        self.server.answered += 1
        content = json.dumps({"balance": 1000}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


class OnceServer(ThreadingHTTPServer):
    daemon_threads = True
    answered = lost = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[OnceServer]:
    """A server that is about to close an idle connection just when a client sends on it."""
    with OnceServer(("127.0.0.1", 0), OnceHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def spin_twice(url: str) -> None:
    client = GatewayClient(url, "token")
    client.spin("ada", 10)
    client.spin("ada", 10)
    client.close()


async def forward_twice(url: str) -> None:
    async with make_client() as client:
        for _ in range(2):
            (await client.send(client.build_request("POST", url, content=b"{}"))).raise_for_status()


async def charge_twice(url: str) -> None:
    payment = PaymentService({PAYMENT.name: url}, Breakers())
    await payment.charge(Player("ada"), 10, "spin-1")
    await payment.pay(Player("ada"), 10, "spin-1")


async def enter_twice(url: str) -> None:
    ledger = Ledger({ANALYTICS.name: url}, Breakers())
    await ledger.enter(Spin("ada", 10))
    await ledger.enter(Spin("ada", 10))


CALLERS: dict[str, Callable[[str], object]] = {
    "notebook": spin_twice,
    "gateway": lambda url: asyncio.run(forward_twice(url)),
    "game-engine to payment": lambda url: asyncio.run(charge_twice(url)),
    "game-engine to analytics": lambda url: asyncio.run(enter_twice(url)),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_each_call_between_services_has_a_connection_of_its_own(
    caller: str, server: OnceServer
) -> None:
    CALLERS[caller](server.url)
    assert (server.answered, server.lost) == (2, 0)


def test_a_client_that_keeps_its_connection_loses_a_request_there(server: OnceServer) -> None:
    # Else the test above would show nothing.
    with httpx.Client(trust_env=False) as client:
        client.post(server.url, json={})
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(server.url, json={})


@pytest.mark.slow
def test_an_sdk_delivers_after_its_connection_was_closed(receiver: Receiver) -> None:
    def capture(client: sentry_sdk.Client, message: str) -> None:
        client.capture_event({"message": message})
        client.flush()

    target = ("127.0.0.1", receiver.server_address[1])
    with ImpatientProxy(target, idle_s=0.2) as proxy:
        client = open_client(dsn=f"http://key@127.0.0.1:{proxy.address[1]}/1")
        capture(client, "before the idle time")
        proxy.wait_until_closed(b"POST ")
        capture(client, "after the idle time")
        client.close()
    sent = b"".join(receiver.bodies)
    assert b"before the idle time" in sent
    assert b"after the idle time" in sent


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec(SECANTUS), reason="there is no SecantusDB here")
def test_the_database_keeps_connections_for_longer_than_its_client() -> None:
    # In a process of its own: SecantusDB is run, never imported.
    program = f"from {SECANTUS} import server; print(server.DEFAULT_CLIENT_IDLE_TIMEOUT_S)"
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert float(printed) / 10 > DATABASE_IDLE_MS / 1000
