"""The running system: ingest, store, services, and a Sentry client for each."""

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from demo_services import analytics, game_engine, gateway
from demo_services.game_engine.app import MAX_BODY_BYTES
from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, SERVICES, Service
from demo_services.settings import Settings
from kit import ingest
from kit.clients import ServiceClient, untraced
from kit.database import Database
from kit.hosting import Serve, Server, ServerError, serve_asgi, serve_tornado
from kit.logs import ServiceLog
from kit.relay import Relay
from kit.store import Store

INGEST = "ingest"
INGEST_PORT = 8969  # where Spotlight, Sentry's own local receiver, listens
START_DEADLINE_S = 10.0

Report = Callable[[str], None]


class System:
    """Everything that runs in the background, started and stopped together."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.token = secrets.token_urlsafe(16)
        self.log = ServiceLog(frozenset({INGEST, *SERVICES}))
        self.clients: dict[str, ServiceClient] = {}
        self.servers: dict[str, Server] = {}
        self.relay: Relay | None = None
        self.database = Database()
        self.no_database = self.database.unavailable
        self._keys = {service.name: secrets.token_hex(16) for service in SERVICES.values()}
        self._undo = contextlib.ExitStack()

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
            self._launch_services()
            for server in self.servers.values():
                self._await(server)
                report(_status(server))
            self._await_database(report)
            if self.relay:
                report(_relay_status(self.relay))
            self._undo = undo.pop_all()

    def status_lines(self) -> list[str]:
        """Return a line about each server, and one about the relay when there is one."""
        lines = [_status(server) for server in self.servers.values()]
        lines.append(self._database_status())
        return [*lines, _relay_status(self.relay)] if self.relay else lines

    def stop(self) -> None:
        """Stop everything, sending what the services still hold; the other way round."""
        self._undo.close()

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
        if self.no_database is None:
            self._undo.callback(self.database.stop)
            self.database.launch()

    def _launch_services(self) -> None:
        for service in SERVICES.values():
            client = self.clients[service.name] = ServiceClient(service, self._dsn(service))
            self._undo.callback(client.close)
        # Callers last: they are told the addresses of those whom they call.
        self._host(ANALYTICS, serve_asgi(partial(analytics.make_app, self._settings())))
        make_app = partial(game_engine.make_app, self._settings())
        self._host(GAME_ENGINE, serve_tornado(make_app, MAX_BODY_BYTES))
        self._host(GATEWAY, serve_asgi(partial(gateway.make_app, self._settings())))

    def _host(self, service: Service, serve: Serve) -> None:
        context = self.clients[service.name].bind
        self._launch(Server(service.name, serve, port=service.port, context=context))

    def _launch(self, server: Server) -> None:
        self.servers[server.name] = server.launch()
        self._undo.callback(server.stop)

    def _await(self, server: Server) -> None:
        try:
            server.wait(START_DEADLINE_S)
        except ServerError as error:
            # The last line of a record is that of its traceback which names the error.
            last_words = (line.splitlines()[-1] for line in self.log.lines(server.name)[-3:])
            raise ServerError("\n".join([str(error), *last_words])) from error

    def _await_database(self, report: Report) -> None:
        """Wait for the database; without one the system runs, and says what it lacks."""
        if self.no_database is None:
            if not self.database.is_running:
                report(f"… {self.database.name:<12} starting")
            try:
                self.database.wait()
                # Its first call creates the indexes; no learner should wait for that.
                with untraced():
                    httpx.get(f"{self.servers[ANALYTICS.name].url}/health", trust_env=False)
            except (ServerError, httpx.HTTPError) as error:
                self.no_database = str(error)
        report(self._database_status())

    def _database_status(self) -> str:
        if self.no_database:
            return f"✗ {self.database.name:<12} {self.no_database}"
        return f"✓ {self.database.name:<12} ready  mongodb://{self.database.address}"

    def _settings(self) -> Settings:
        upstreams = {name: self.servers[name].url for name in self.servers if name in SERVICES}
        return replace(
            Settings.from_environment(),
            debug_token=self.token,
            upstreams=upstreams,
            mongodb_uri=None if self.no_database else self.database.url,
        )

    def _dsn(self, service: Service) -> str:
        host = self.servers[INGEST].url.removeprefix("http://")
        return f"http://{self._keys[service.name]}@{host}/{service.project_id}"


def _status(server: Server) -> str:
    """Return a line about a server: name, state, address, and whether its port was taken."""
    taken = f"  (port {server.wanted_port} was taken)" if server.port != server.wanted_port else ""
    mark, state = ("✓", "ready") if server.is_running else ("✗", "down")
    return f"{mark} {server.name:<12} {state:<6} {server.url}{taken}"


def _relay_status(relay: Relay) -> str:
    """Return a line about the relay: where to, and what could not be delivered."""
    trouble = f"  (last error: {relay.last_error})" if relay.last_error else ""
    mark = "✗" if relay.dropped else "✓"
    return f"{mark} {'relay':<12} to {relay.host}, {relay.dropped} envelopes dropped{trouble}"
