"""The running system: ingest, store, services, and a Sentry client for each."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from demo_services import analytics, game_engine, gateway, payment
from demo_services.game_engine.app import MAX_BODY_BYTES
from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT, SERVICES, Service
from demo_services.settings import Settings
from kit.hosting import node
from kit.hosting.child import Command
from kit.hosting.database import Database
from kit.hosting.server import (
    START_DEADLINE_S,
    Serve,
    Server,
    ServerError,
    serve_asgi,
    serve_tornado,
)
from kit.hosting.supervisor import Death, Supervisor
from kit.ingest import app as ingest
from kit.ingest.relay import Relay
from kit.ingest.store import Store
from kit.system import exits as deaths
from kit.system import status
from kit.system.clients import ServiceClient, untraced
from kit.system.links import link
from kit.system.logs import ServiceLog

INGEST = "ingest"
INGEST_PORT = 8969  # where Spotlight, Sentry's own local receiver, listens

Report = Callable[[str], None]


class System:
    """Everything that runs in the background, started and stopped together.

    ``lacking`` says, by name, why a part cannot run here and what to do; all else runs then.
    ``learner`` is the name that all events carry.
    """

    def __init__(self, home: Path, learner: str | None = None) -> None:
        self.home = home
        self.learner = learner
        self.token = secrets.token_urlsafe(16)
        self.log = ServiceLog(frozenset({INGEST, *SERVICES}))
        self.clients: dict[str, ServiceClient] = {}
        self.servers: dict[str, Server | Supervisor] = {}
        self.relay: Relay | None = None
        self.database = Database()
        self.lacking: dict[str, str] = {}
        self._keys = {service.name: secrets.token_hex(16) for service in SERVICES.values()}
        self._undo = contextlib.ExitStack()

    @property
    def payment(self) -> Supervisor:
        """The payment service. Raises ServerError when it cannot run here."""
        if reason := self.lacking.get(PAYMENT.name):
            raise ServerError(reason)
        server = self.servers[PAYMENT.name]
        assert isinstance(server, Supervisor)
        return server

    def start(self, report: Report) -> None:
        """Start everything, saying a line per server.

        Raises ServerError when one does not start; those that did are stopped then.
        """
        with contextlib.ExitStack() as undo:
            self._undo = undo
            self.log.install()
            undo.callback(self.log.uninstall)
            with untraced():
                self._launch_ingest()
                self._launch_database()
            self._launch_services(report)
            for server in self.servers.values():
                self._await(server)
                report(self._status(server))
            self._await_database(report)
            for line in self._other_lines():
                report(line)
            undo.enter_context(status.published(self.home, self._running()))
            self._undo = undo.pop_all()

    def status_lines(self) -> list[str]:
        """Return a line about each part of the system, running or not."""
        return [*map(self._status, self.servers.values()), *self._other_lines()]

    def stop(self) -> None:
        """Stop everything, sending what the services still hold; the other way round."""
        self._undo.close()

    def _running(self) -> status.Running:
        """Return what other processes may know; ``workshop status`` shows it."""
        has_database = self.database.name not in self.lacking
        return status.Running(
            services={name: server.url for name, server in self.servers.items()},
            database=self.database.address if has_database else None,
            relay=self.relay.host if self.relay else None,
            lacking=self.lacking,
            token=self.token,
        )

    def _launch_ingest(self) -> None:
        self.store = Store(self.home / "captured.sqlite3")
        self._undo.callback(self.store.close)
        if dsn := os.environ.get("SENTRY_DSN"):
            self.relay = Relay(dsn)
            self._undo.callback(self.relay.close)
        projects = {str(s.project_id): (s.name, self._keys[s.name]) for s in SERVICES.values()}
        make_app = partial(ingest.make_app, self.store, projects, relay=self.relay)
        self._launch(Server(INGEST, serve_asgi(make_app), port=INGEST_PORT, context=untraced))

    def _launch_database(self) -> None:
        if reason := self.database.unavailable:
            self.lacking[self.database.name] = reason
        else:
            self._undo.callback(self.database.stop)
            self.database.launch()

    def _launch_services(self, report: Report) -> None:
        for service in SERVICES.values():
            client = ServiceClient(service, self._dsn(service), self.learner)
            self.clients[service.name] = client
            self._undo.callback(client.close)
        # Callers last: they are told the addresses of those whom they call.
        self._launch_payment(report)
        self._host(ANALYTICS, serve_asgi(partial(analytics.make_app, self._settings())))
        make_app = partial(game_engine.make_app, self._settings())
        self._host(GAME_ENGINE, serve_tornado(make_app, MAX_BODY_BYTES))
        self._host(GATEWAY, serve_asgi(partial(gateway.make_app, self._settings())))

    def _launch_payment(self, report: Report) -> None:
        try:
            with untraced():
                command = node.node_command(payment.HOME, {}, report)
        except ServerError as error:
            self.lacking[PAYMENT.name] = str(error)
            return
        supervisor = Supervisor(
            PAYMENT.name,
            lambda port, _: self._payment_command(command, port),
            port=PAYMENT.port,
            on_death=self._report_death,
            on_line=partial(self.log.note, PAYMENT.name),
            context=untraced,
        )
        self._launch(supervisor)
        # Waited for here: should it not start, the game engine keeps the balances itself.
        try:
            supervisor.wait()
        except ServerError as error:
            supervisor.stop()
            del self.servers[PAYMENT.name]
            self.lacking[PAYMENT.name] = str(error)

    def _report_death(self, death: Death) -> None:
        # Of one that never became ready, whoever waits for it is told.
        if death.was_ready:
            deaths.report(self.clients[PAYMENT.name].bind, death)

    def _payment_command(self, command: Command, port: int) -> Command:
        """Tell the payment service what a Python service reads from its settings."""
        settings = self._settings()
        given = {
            "PORT": str(port),
            "SENTRY_DSN": self._dsn(PAYMENT),
            "SENTRY_RELEASE": PAYMENT.release,
            "LEARNER": self.learner or "",
            "DEBUG_TOKEN": self.token,
            "DEBUG_RATE": settings.debug_rate,
        }
        return command._replace(env={**(command.env or {}), **given})

    def _host(self, service: Service, serve: Serve) -> None:
        context = self.clients[service.name].bind
        self._launch(Server(service.name, serve, port=service.port, context=context))

    def _launch(self, server: Server | Supervisor) -> None:
        self.servers[server.name] = server
        self._undo.callback(server.stop)
        server.launch()

    def _await(self, server: Server | Supervisor) -> None:
        try:
            server.wait()
        except ServerError as error:
            # The last line of a record is that of its traceback which names the error.
            last_words = (line.splitlines()[-1] for line in self.log.lines(server.name)[-3:])
            raise ServerError("\n".join([str(error), *last_words])) from error

    def _await_database(self, report: Report) -> None:
        """Wait for the database; without one the system runs, and says what it lacks."""
        if self.database.name in self.lacking:
            return
        if not self.database.is_running:
            report(_line("…", self.database.name, "starting"))
        try:
            self.database.wait()
            # Its first call creates the indexes; no learner should wait for that.
            with untraced():
                url = f"{self.servers[ANALYTICS.name].url}/health"
                httpx.get(url, timeout=START_DEADLINE_S, trust_env=False)
        except (ServerError, httpx.HTTPError) as error:
            self.lacking[self.database.name] = str(error)

    def _settings(self) -> Settings:
        has_database = self.database.name not in self.lacking
        return replace(
            Settings.from_environment(),
            debug_token=self.token,
            upstreams=Upstreams(self.servers),
            mongodb_uri=self.database.url if has_database else None,
        )

    def _dsn(self, service: Service) -> str:
        host = self.servers[INGEST].url.removeprefix("http://")
        return f"http://{self._keys[service.name]}@{host}/{service.project_id}"

    def _status(self, server: Server | Supervisor) -> str:
        taken = server.port != server.wanted_port
        note = f"  (port {server.wanted_port} was taken)" if taken else ""
        mark, state = ("✓", "ready") if server.is_running else ("✗", "down")
        return _line(mark, server.name, f"{state:<6} {link(server.url)}{note}")

    def _other_lines(self) -> Iterator[str]:
        if self.database.name not in self.lacking:
            mark, state = ("✓", "ready") if self.database.is_running else ("✗", "down")
            where = f"{state:<6} mongodb://{self.database.address}"
            yield _line(mark, self.database.name, where)
        for name, reason in self.lacking.items():
            yield _line("✗", name, reason)
        if self.learner:
            yield _line("✓", "learner", f"{self.learner}, in every event")
        if self.relay:
            yield _relay_line(self.relay)


class Upstreams(Mapping[str, str]):
    """The base URL of each service that runs, as it is at the moment."""

    def __init__(self, servers: Mapping[str, Server | Supervisor]) -> None:
        self._servers = {name: servers[name] for name in servers if name in SERVICES}

    def __getitem__(self, name: str) -> str:
        return self._servers[name].url

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)


def _line(mark: str, name: str, text: str) -> str:
    """Return a line about one part of the system."""
    return f"{mark} {name:<12} {text}"


def _relay_line(relay: Relay) -> str:
    """Return a line about the relay: where to, and what could not be delivered."""
    trouble = f"  (last error: {relay.last_error})" if relay.last_error else ""
    mark = "✗" if relay.dropped else "✓"
    return _line(mark, "relay", f"to {relay.host}, {relay.dropped} envelopes dropped{trouble}")
