import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tenacity import retry, stop_after_delay, wait_fixed

from demo_services import analytics, gateway, payment
from demo_services.sdk import logging_integration
from demo_services.services import (
    ANALYTICS,
    FRONTEND,
    GAME_ENGINE,
    GATEWAY,
    PAYMENT,
    SERVICES,
    Service,
)
from demo_services.settings import Settings
from kit.course.exercises.leaking_shop import card
from kit.crashes.catalogue import CRASHES
from kit.hosting import node
from kit.hosting.server import Server, serve_asgi
from kit.ingest.encoding import Encoded, decode
from kit.system import clients
from kit.workshop import Workshop

from .careless import fail
from .planting import Secrets

HERE = Path(__file__).parent
PATIENCE_S = 60.0
JAVASCRIPT = re.findall(r"secret\['(JavaScript [^']+)'\]", (HERE / "careless.js").read_text())

# What stays here even with the SDKs' default options: headers and cookies that they know by name,
# JavaScript's locals that they know by name, what is nested deeper than they look, and what no code
# of ours ever puts into an event. The locals of Python all leave.
KEPT_BY_DEFAULT = {
    *("header Authorization", "header Proxy-Authorization", "header X-Api-Key"),
    *("header X-Auth-Token", "header X-Client-Secret", "header X-Csrf-Token"),
    *("JWT in a header", "debug token", "wrong debug token"),
    *("cookie session", "cookie sid"),
    *("environment variable", "MONGODB_URI"),
    *("JavaScript local password", "JavaScript nested local", "JavaScript object"),
    *("JavaScript pair", "JavaScript breadcrumb data"),
}


Settle = Callable[[Path, Secrets], object]


class Planted(NamedTuple):
    """What was planted in the whole system, and what it stored."""

    secrets: Secrets
    stored: bytes
    missing: dict[str, list[str]]


def plant(home: Path, monkeypatch: pytest.MonkeyPatch, settle: Settle) -> Planted:
    """Run the whole system with secrets everywhere, let it fail, and wait for what is sent."""
    secrets = Secrets()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.new("environment variable"))
    with Workshop.start(home=home, report=lambda line: None) as workshop:
        secrets.new("debug token", lambda: workshop.token)
        missing = crash_all(workshop, secrets)
        call_directly(workshop, secrets)
        work(workshop, secrets)
        with closed_port() as port:
            lose_an_upstream(workshop, secrets, port)
            lose_the_database(workshop, secrets, port)
            for client in workshop._system.clients.values():
                with client.bind():
                    fail(secrets, port)
        fail_in_javascript(workshop, secrets)
        settle(home, secrets)
    return Planted(secrets, stored_bytes(home), missing)


def stored_bytes(home: Path) -> bytes:
    """All that the store keeps, of every table, its bodies decompressed."""
    with sqlite3.connect(home / "captured.sqlite3") as db:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        cells = [
            cell for table in tables for row in db.execute(f"SELECT * FROM {table}") for cell in row
        ]
        bodies = [
            decode(Encoded(*row)) for row in db.execute("SELECT encoding, body FROM envelopes")
        ]
    return b"\n".join(
        each if isinstance(each, bytes) else str(each).encode() for each in (*cells, *bodies)
    )


class Planter:
    """Adds secrets to every request of an HTTP client."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets
        self.requests = 0

    def __call__(self, request: httpx.Request) -> None:
        self.requests += 1
        request.url = request.url.copy_merge_params(self.secrets.query())
        request.headers.update(self.secrets.headers())
        if request.method == "POST" and "debug" in request.url.path:
            # It has the body that the crash type declares.
            return
        if self.requests % 2:
            content, kind = json.dumps(self.secrets.body()).encode(), "application/json"
        else:
            form = httpx.QueryParams(self.secrets.form())
            content, kind = str(form).encode(), "application/x-www-form-urlencoded"
        request.stream = httpx.ByteStream(content)
        request.headers.update({"Content-Type": kind, "Content-Length": str(len(content))})


def planting(secrets: Secrets, token: str) -> httpx.Client:
    """An HTTP client that plants secrets and may use the debug routes."""
    return httpx.Client(
        timeout=PATIENCE_S,
        trust_env=False,
        headers={"X-Debug-Token": token},
        limits=httpx.Limits(max_keepalive_connections=0),
        event_hooks={"request": [Planter(secrets)]},
    )


def crash_all(workshop: Workshop, secrets: Secrets) -> dict[str, list[str]]:
    """Trigger the crash types through the gateway; return what did not arrive, by type."""
    workshop._gateway.http.event_hooks = {"request": [Planter(secrets)]}
    wanted = [c for c in CRASHES if c.service is not FRONTEND and not workshop.unavailable(c)]
    outcomes = [workshop.trigger(crash.full_id) for crash in wanted]
    return {outcome.crash.full_id: outcome.missing for outcome in outcomes}


def call_directly(workshop: Workshop, secrets: Secrets) -> None:
    """Call a crash route of each service without the gateway."""
    with planting(secrets, workshop.token) as http:
        for service, path in (
            (GAME_ENGINE, "/debug/crash"),
            (GAME_ENGINE, "/debug/async-error"),
            (ANALYTICS, "/api/debug/crash"),
            (PAYMENT, "/debug/error/custom"),
            (PAYMENT, "/debug/async-error"),
        ):
            for _ in ("as JSON", "as a form"):
                assert http.get(workshop.url(service.name) + path).status_code >= 500


def work(workshop: Workshop, secrets: Secrets) -> None:
    """Use what is no crash route; be refused there, too."""
    wrong = {"X-Debug-Token": secrets.new("wrong debug token")}
    with planting(secrets, workshop.token) as http:
        for prefix in ("game/spin", "payment/charge", "analytics/events"):
            for _ in ("as JSON", "as a form"):
                http.post(f"{workshop.url()}/api/v1/{prefix}")
        http.get(f"{workshop.url()}/api/v1/payment/balance/{secrets.path()}")
        for service in SERVICES.values():
            if service.port:
                base = workshop.url(service.name)
                http.get(f"{base}/api/v1/{secrets.path()}")
                http.get(f"{base}{service.debug_base}/crash", headers=wrong)


class closed_port:
    """A port of this machine where nobody listens while the block runs."""

    def __enter__(self) -> int:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        port: int = self.socket.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def lose_an_upstream(workshop: Workshop, secrets: Secrets, port: int) -> None:
    """Make a gateway hold a body while the service that it is for cannot be reached."""
    gone = f"http://ada:{secrets.new('user info of an upstream')}@127.0.0.1:{port}"
    settings = Settings(upstreams={PAYMENT.name: gone})
    make_app = partial(gateway.make_app, settings)
    with served(workshop, GATEWAY, make_app) as url, planting(secrets, workshop.token) as http:
        for _ in ("as JSON", "as a form"):
            assert http.post(f"{url}/api/v1/payment/charge").status_code == 502


def lose_the_database(workshop: Workshop, secrets: Secrets, port: int) -> None:
    """Ask for what is in a database that cannot be reached."""
    uri = f"mongodb://ada:{secrets.new('MONGODB_URI')}@127.0.0.1:{port}/shop?authSource=admin"
    settings = Settings(mongodb_uri=uri, debug_token=workshop.token)
    make_app = partial(analytics.make_app, settings)
    with served(workshop, ANALYTICS, make_app) as url, planting(secrets, workshop.token) as http:
        assert http.get(f"{url}/api/v1/stats").status_code == 503


class served:
    """A further service in this process, reporting as the one of that name does."""

    def __init__(self, workshop: Workshop, service: Service, make_app: Any) -> None:
        context = workshop._system.clients[service.name].bind
        self.server = Server(service.name, serve_asgi(make_app), context=context)

    def __enter__(self) -> str:
        self.server.launch().wait()
        return self.server.url

    def __exit__(self, *_: object) -> None:
        self.server.stop()


def fail_in_javascript(workshop: Workshop, secrets: Secrets) -> None:
    """Run careless code beside the payment service's own."""
    for place in JAVASCRIPT:
        secrets.new(place, card) if "card" in place else secrets.new(place)
    given = {"SENTRY_DSN": workshop._system._dsn(PAYMENT)}
    command = node.node_command(payment.HOME, given, lambda line: None)
    script = [str(HERE / "careless.js"), str(payment.HOME / "src"), json.dumps(secrets.values)]
    arguments = [*command.arguments[:-1], *script]
    subprocess.run(arguments, cwd=command.cwd, env=command.env, check=True, timeout=2 * PATIENCE_S)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """What the system stores with its own options."""
    with pytest.MonkeyPatch.context() as patch:
        # Each crash waits for all that it declares.
        return plant(tmp_path_factory.mktemp("ours"), patch, lambda home, secrets: None)


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """What the same system stores with the options that the SDKs have by default."""
    with pytest.MonkeyPatch.context() as patch:
        use_defaults(patch)
        return plant(tmp_path_factory.mktemp("default"), patch, when_leaked)


@retry(stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(0.2), reraise=True)
def when_leaked(home: Path, secrets: Secrets) -> None:
    """Wait until all that leaks by default is stored."""
    assert set(secrets.values) - secrets.found_in(stored_bytes(home)) <= KEPT_BY_DEFAULT


def use_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the whole system run with the options that the SDKs have by default."""
    command = node.node_command

    def command_with_defaults(package: Path, given: Any, report: Any) -> Any:
        options = {"NODE_OPTIONS": f'--require "{(HERE / "defaults.js").as_posix()}"'}
        return command(package, {**given, **options}, report)

    # What a crash declares is never complete then: in the end the leaks are waited for.
    monkeypatch.setattr("kit.trigger.TELEMETRY_DEADLINE_S", 0.0)
    monkeypatch.setattr(clients, "sentry_options", default_options)
    monkeypatch.setattr(node, "node_command", command_with_defaults)


def default_options(service: Service) -> dict[str, Any]:
    return {
        "release": service.release,
        "server_name": service.name,
        "traces_sample_rate": 1.0,
        # Else their spans, which they open themselves, would be dropped.
        "trace_lifecycle": "stream",
        "in_app_include": ["demo_services", "__main__"],
        # As in version 3, and in all versions from it on: without, version 2 has other defaults.
        "data_collection": {},
        # In version 3 nothing is sent of what is logged unless one asks.
        "integrations": [logging_integration()],
    }


def test_no_secret_is_stored(ours: Planted) -> None:
    assert len(ours.secrets.values) >= 30
    assert ours.secrets.found_in(ours.stored) == set()


def test_each_place_leaks_by_default(default: Planted) -> None:
    planted = set(default.secrets.values)
    assert planted - default.secrets.found_in(default.stored) == KEPT_BY_DEFAULT


def test_what_is_no_secret_is_still_captured(ours: Planted) -> None:
    assert len(ours.missing) > 20
    assert {crash: missing for crash, missing in ours.missing.items() if missing} == {}
