import gzip
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import kit.ingest.relay
from kit.hosting.child import free_port
from kit.hosting.server import Server, listen, serve_asgi
from kit.ingest.relay import Relay
from tests.ingest.sending import PATIENCE_S, body, error, item, new_id

pytestmark = pytest.mark.system


@dataclass
class Upstream:
    """A Sentry that answers as it is told to, then with 200, and keeps what it was sent."""

    answers: list[Response] = field(default_factory=list)
    received: list[tuple[float, Request, bytes]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def envelope(self, request: Request) -> Response:
        sent = gzip.decompress(await request.body())
        self.received.append((time.monotonic(), request, sent))
        self.arrived.release()
        return self.answers.pop(0) if self.answers else Response()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/api/42/envelope/", self.envelope, methods=["POST"])])

    def bodies(self) -> list[bytes]:
        return [sent for _, _, sent in self.received]

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=PATIENCE_S)


@contextmanager
def serving(upstream: Upstream, port: int = 0) -> Iterator[str]:
    server = Server("upstream", serve_asgi(upstream.app), port=port)
    server.launch().wait()
    yield f"http://public@127.0.0.1:{server.port}/42"
    server.stop()


@contextmanager
def relaying(dsn: str) -> Iterator[Relay]:
    relay = Relay(dsn)
    yield relay
    relay.close(timeout=0)


def failed_once(relay: Relay) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while relay.last_error is None:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "dsn", ["", "sentry", "https://sentry.io/1", "https://key@host", "https://key@host:99999/1"]
)
def test_what_is_no_dsn_is_refused_at_once(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"SENTRY_DSN is not a DSN: .* It looks like https://"):
        Relay(dsn)


def test_the_same_bytes_go_upstream_with_the_upstream_s_key() -> None:
    upstream, sent = Upstream(), [error(new_id()) for _ in range(20)]
    with serving(upstream) as dsn, relaying(dsn) as relay:
        for each in sent:
            relay(each)
        relay.close(timeout=PATIENCE_S)
        assert upstream.bodies() == sent
        assert relay.dropped == 0
        assert relay.last_error is None
    _, request, _ = upstream.received[0]
    assert "sentry_key=public" in request.headers["X-Sentry-Auth"]


def test_the_dsn_of_a_tunnel_stays_here() -> None:
    upstream, sent = Upstream(), body(item("event", {"dsn": "kept"}), dsn="http://key@local/1", a=1)
    with serving(upstream) as dsn, relaying(dsn) as relay:
        relay(sent)
        relay.close(timeout=PATIENCE_S)
    assert upstream.bodies() == [body(item("event", {"dsn": "kept"}), a=1)]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_sent_again(status: int) -> None:
    upstream = Upstream([Response(status_code=status)])
    with serving(upstream) as dsn, relaying(dsn) as relay:
        relay(b"{}")
        upstream.wait(2)
        relay.close(timeout=PATIENCE_S)
        assert relay.dropped == 0
        assert str(status) in str(relay.last_error)
        assert len(str(relay.last_error).splitlines()) == 1
    assert upstream.bodies() == [b"{}"] * 2


@pytest.mark.parametrize("status", [302, 400, 401, 403, 413])
def test_what_is_refused_for_good_is_dropped(status: int) -> None:
    upstream = Upstream([Response(status_code=status)])
    with serving(upstream) as dsn, relaying(dsn) as relay:
        relay(b"{}")
        relay(b'{"next":1}')
        relay.close(timeout=PATIENCE_S)
        assert upstream.bodies() == [b"{}", b'{"next":1}']
        assert relay.dropped == 1
        assert str(status) in str(relay.last_error)


def test_retry_after_is_honoured() -> None:
    upstream = Upstream([Response(status_code=429, headers={"Retry-After": "2"})])
    with serving(upstream) as dsn, relaying(dsn) as relay:
        relay(b"{}")
        upstream.wait(2)
    first, second = (moment for moment, _, _ in upstream.received)
    assert second - first >= 2


def test_what_waited_while_upstream_was_down_arrives_when_it_is_up() -> None:
    port = free_port()
    sent = [error(new_id()) for _ in range(10)]
    upstream = Upstream()
    with relaying(f"http://public@127.0.0.1:{port}/42") as relay:
        for each in sent:
            relay(each)
        failed_once(relay)
        with serving(upstream, port):
            upstream.wait(len(sent))
        assert relay.dropped == 0
    assert upstream.bodies() == sent


def test_while_upstream_is_down_calls_return_and_the_rest_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kit.ingest.relay, "MAX_QUEUED_BYTES", 1000)
    with listen() as silent:  # accepts, and never answers
        relay = Relay(f"http://public@127.0.0.1:{silent.getsockname()[1]}/42")
        for _ in range(15):
            relay(bytes(100))
        assert relay.dropped == 5
        relay.close(timeout=0)
        assert relay.dropped >= 14  # all but the one in flight
        relay(b"late")
        assert relay.dropped >= 15


def test_it_counts_what_waits_and_what_has_arrived() -> None:
    port = free_port()
    with relaying(f"http://public@127.0.0.1:{port}/42") as relay:
        for _ in range(3):
            relay(b"{}")
        assert not relay.wait(0)
        assert (relay.waiting, relay.delivered, relay.dropped) == (3, 0, 0)
        with serving(Upstream([Response(), Response(status_code=400)]), port):
            assert relay.wait(PATIENCE_S)
        assert (relay.waiting, relay.delivered, relay.dropped) == (0, 2, 1)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_this_machine_is_not_looked_for_behind_a_proxy(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    upstream = Upstream()
    with serving(upstream) as dsn, relaying(dsn.replace("127.0.0.1", name)) as relay:
        relay(b"{}")
        assert relay.wait(PATIENCE_S), relay.last_error
    assert upstream.bodies() == [b"{}"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks://user:hunter2@127.0.0.1:1", r"^ALL_PROXY: .*http:// address"),
        ("https_proxy", "socks5://127.0.0.1:1", r"^https_proxy: .*http:// address"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", r"^cannot read SSL_CERT_FILE=/nowhere/ca\.pem"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_what_waits_is_counted(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.upper(), raising=False)
    upstream = Upstream()
    with serving(upstream) as dsn, relaying(dsn) as relay:
        with monkeypatch.context() as shell:
            shell.setenv(name, value)
            relay(error(new_id()))
            assert relay.wait(PATIENCE_S)
        assert (relay.delivered, relay.dropped) == (0, 1)
        assert re.search(words, relay.last_error)
        assert relay.last_error.endswith("and start again")
        assert "hunter2" not in relay.last_error
        # It goes on, once the setting is gone.
        relay(error(new_id()))
        assert relay.wait(PATIENCE_S)
        assert (relay.delivered, relay.dropped) == (1, 1)


def test_what_nobody_expected_costs_one_envelope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: said.append(str(args.exc_value)))
    upstream, compress = Upstream(), gzip.compress
    failing = iter([True])

    def fail_once(raw: bytes, compresslevel: int) -> bytes:
        if next(failing, False):
            raise MemoryError("too large")
        return compress(raw, compresslevel)

    monkeypatch.setattr(kit.ingest.relay.gzip, "compress", fail_once)
    with serving(upstream) as dsn, relaying(dsn) as relay:
        relay(error(new_id()))
        relay(error(new_id()))
        assert relay.wait(PATIENCE_S)
        assert (relay.delivered, relay.dropped) == (1, 1)
        assert relay.last_error == "MemoryError: too large"
    assert said == ["too large"]
