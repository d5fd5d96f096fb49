"""The running system: ingest, store, services, and a Sentry client for each service."""

import contextlib
import os
import secrets
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from demo_services import analytics, game_engine, gateway, payment
from demo_services.game_engine.app import MAX_BODY_BYTES
from demo_services.services import (
    ANALYTICS,
    FRONTEND,
    GAME_ENGINE,
    GATEWAY,
    PAYMENT,
    SERVICES,
    Service,
)
from demo_services.settings import Settings, SettingsError
from kit.actionable import WorkshopError
from kit.hosting import node
from kit.hosting.child import Command
from kit.hosting.database import Database
from kit.hosting.process_exit import ProcessExit
from kit.hosting.server import (
    START_DEADLINE_S,
    BackgroundServer,
    Report,
    Serve,
    Server,
    ServerError,
    serve_asgi,
    serve_tornado,
)
from kit.hosting.supervisor import Supervisor
from kit.ingest import app as ingest
from kit.ingest.projects import Projects, make_dsn
from kit.ingest.relay import Relay
from kit.ingest.retention import Retention, SettingError
from kit.ingest.store import Store
from kit.system import status
from kit.system.clients import ServiceClient, sentry_off
from kit.system.dsn import INGEST, INGEST_PORT, moved_lines
from kit.system.environment import hide_telemetry_settings
from kit.system.exits import report_exit
from kit.system.ingest_server import ingest_server
from kit.system.logs import ServiceLog
from kit.system.part import Part, read_part, status_line
from kit.system.profiler import PROFILER
from kit.system.sdks import sdks_line

START_AGAIN = "Run workshop.stop() and Workshop.start() to start it again."


class System:
    """Everything that runs in the background; it starts and stops together.

    ``unavailable`` maps the name of a part that cannot run here to why, and what to do; the rest
    runs without it. ``learner`` is the name in all events. Raises SettingError.
    """

    def __init__(self, home: Path, learner: str | None = None) -> None:
        self.home = home
        self.learner = learner
        self.retention = Retention.from_environment()
        _check_settings()
        self.token = secrets.token_urlsafe(16)
        self.log = ServiceLog(frozenset({INGEST, *SERVICES}), on_end=self._publish_change)
        self.clients: dict[str, ServiceClient] = {}
        self.servers: dict[str, BackgroundServer] = {}
        self.relay: Relay | None = None
        self.database = Database(context=sentry_off)
        self.unavailable: dict[str, str] = {}
        self._node_modules: Path | None = None
        self._hidden: list[str] = []
        self._published: status.Running | None = None
        self._pid = os.getpid()
        self._keys = {service.name: secrets.token_hex(16) for service in SERVICES.values()}
        given = {str(s.project_id): (s.name, self._keys[s.name]) for s in SERVICES.values()}
        self.projects = Projects(home, given)
        self._undo = contextlib.ExitStack()

    @property
    def payment(self) -> Supervisor:
        """The payment service. Raises ServerError when it cannot run here."""
        if reason := self.unavailable.get(PAYMENT.name):
            raise ServerError(reason)
        server = self.servers[PAYMENT.name]
        assert isinstance(server, Supervisor)
        return server

    def start(self, report: Report, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Start everything, reporting a line per server.

        ``meanwhile`` is called while the processes start. Raises ServerError when a server does not
        start, after stopping those that did.
        """
        report = _say_in_any_encoding(report)
        with contextlib.ExitStack() as undo:
            self._undo = undo
            self._hidden = undo.enter_context(hide_telemetry_settings(os.environ))
            self.log.install()
            undo.callback(self.log.uninstall)
            with sentry_off():
                self._launch_ingest()
                self._launch_database()
            self._launch_services(report, meanwhile)
            for server in self.servers.values():
                self._await(server)
                report(read_part(server).line)
            self._await_database(report)
            for line in self.status_lines(told=self.servers):
                report(line)
            self._published = self._running()
            undo.enter_context(status.publish(self.home, self._published))
            undo.callback(setattr, self, "_published", None)
            self._undo = undo.pop_all()

    def parts(self) -> list[Part]:
        """Return the current state of each part: the services, then what they need.

        The frontend is not a part: that is the notebook, or any other caller. A kit thread becomes
        a part once it has failed.
        """
        names = (*(name for name in SERVICES if name != FRONTEND.name), INGEST, self.database.name)
        ended = (name for name in list(self.log.ended) if name not in names)
        return [*map(self._part, names), *map(self._ended_part, ended)]

    def status_lines(self, told: Container[str] = ()) -> list[str]:
        """Return a line about the SDKs, each part not in ``told``, the learner and the relay.

        The parts are in startup order. Those that cannot run here come last, where they are seen.
        """
        order = [*self.servers, self.database.name, *self.unavailable, *self.log.ended]
        ranks = {name: rank for rank, name in enumerate(order)}
        parts = sorted(self.parts(), key=lambda part: ranks[part.name])
        told_parts = (part.line for part in parts if part.name not in told)
        return [sdks_line(self._node_modules), *told_parts, *self._other_lines()]

    def dsn(self, name: str) -> str:
        """Return the DSN of your own project ``name``. Raises WorkshopError."""
        return self.projects.dsn(name, self.servers[INGEST].port)

    def stop(self) -> None:
        """Flush what the services still hold, and stop everything in reverse order."""
        # A forked process has the files, but no threads; the files are its parent's.
        if os.getpid() == self._pid:
            self._undo.close()

    def _running(self) -> status.Running:
        """Return what other processes may read; ``workshop status`` shows it."""
        parts = {part.name: _where(part) for part in self.parts()}
        if self.relay and "relay" not in parts:
            parts["relay"] = f"to {self.relay.host}"
        return status.Running(parts, self.token)

    def _part(self, name: str) -> Part:
        if reason := self.unavailable.get(name):
            return Part(name, "down", remark=reason)
        return read_part(self.database if name == self.database.name else self.servers[name])

    def _ended_part(self, name: str) -> Part:
        return Part(name, "down", remark=f"failed: {self.log.ended[name]}. {START_AGAIN}")

    def _publish_change(self) -> None:
        """Tell other processes that a part is down."""
        if published := self._published:
            now = replace(published, parts=self._running().parts)
            status.publish_change(self.home, now)

    def _launch_ingest(self) -> None:
        keep, path = self.retention, self.home / "captured.sqlite3"
        self.store = Store(path, keep=keep.keep, max_bytes=keep.max_bytes)
        self._undo.callback(self.store.close)
        if dsn := os.environ.get("SENTRY_DSN"):
            self.relay = Relay(dsn)
            self._undo.callback(self.relay.close)
        make_app = partial(ingest.make_app, self.store, self.projects, relay=self.relay)
        self._launch(ingest_server(make_app, port=self._wanted_port()))

    def _wanted_port(self) -> int:
        """Return the port in the DSNs of your own projects, so that they stay valid."""
        with contextlib.suppress(WorkshopError):  # a status line says why
            return self.projects.port or INGEST_PORT
        return INGEST_PORT

    def _launch_database(self) -> None:
        if reason := self.database.unavailable:
            self.unavailable[self.database.name] = reason
        else:
            self._undo.callback(self.database.stop)
            self.database.launch()

    def _launch_services(self, report: Report, meanwhile: Callable[[], None]) -> None:
        clients = self._undo.enter_context(contextlib.ExitStack())  # closes after the services
        self._launch_payment(report)
        for service in SERVICES.values():
            client = ServiceClient(service, self._dsn(service), self.learner)
            self.clients[service.name] = client
            clients.callback(client.close)
        clients.enter_context(PROFILER.owned(client.client.options))
        meanwhile()
        self._await_payment()
        # Callers start last: they need the addresses of the services they call.
        self._host(ANALYTICS, serve_asgi(partial(analytics.make_app, self._settings())))
        make_app = partial(game_engine.make_app, self._settings())
        self._host(GAME_ENGINE, serve_tornado(make_app, MAX_BODY_BYTES))
        self._host(GATEWAY, serve_asgi(partial(gateway.make_app, self._settings())))

    def _launch_payment(self, report: Report) -> None:
        try:
            with sentry_off():
                command = node.node_command(payment.HOME, {}, report)
        except ServerError as error:
            self.unavailable[PAYMENT.name] = str(error)
            return
        self._node_modules = Path((command.env or {})["NODE_PATH"])
        supervisor = Supervisor(
            PAYMENT.name,
            lambda port, _: self._payment_command(command, port),
            port=PAYMENT.port,
            on_exit=self._report_exit,
            on_line=partial(self.log.note, PAYMENT.name),
            context=sentry_off,
        )
        self._launch(supervisor)

    def _await_payment(self) -> None:
        """Wait for it; if it does not start, the game engine keeps the balances itself."""
        supervisor = self.servers.get(PAYMENT.name)
        if supervisor is None:
            return
        try:
            supervisor.wait()
        except ServerError as error:
            supervisor.stop()
            del self.servers[PAYMENT.name]
            self.unavailable[PAYMENT.name] = str(error)

    def _report_exit(self, process_exit: ProcessExit) -> None:
        # If it never became ready, the caller of wait() gets the error.
        if process_exit.was_ready:
            report_exit(self.clients[PAYMENT.name].bind, process_exit)

    def _payment_command(self, command: Command, port: int) -> Command:
        """Pass the payment service the values that Python services read from their settings."""
        settings = self._settings()
        variables = {
            "PORT": str(port),
            "SENTRY_DSN": self._dsn(PAYMENT),
            "SENTRY_RELEASE": PAYMENT.release,
            "LEARNER": self.learner or "",
            "DEBUG_TOKEN": self.token,
            "DEBUG_RATE": settings.debug_rate,
        }
        return command._replace(env={**(command.env or {}), **variables})

    def _host(self, service: Service, serve: Serve) -> None:
        context = self.clients[service.name].bind
        self._launch(Server(service.name, serve, port=service.port, context=context))

    def _launch(self, server: BackgroundServer) -> None:
        self.servers[server.name] = server
        self._undo.callback(server.stop)
        server.launch()

    def _await(self, server: BackgroundServer) -> None:
        try:
            server.wait()
        except ServerError as error:
            # The last line of a record is the line of its traceback that names the error.
            log_tail = (line.splitlines()[-1] for line in self.log.lines(server.name)[-3:])
            raise ServerError("\n".join([str(error), *log_tail])) from error

    def _await_database(self, report: Report) -> None:
        """Wait for the database; without it the system runs and reports it as unavailable."""
        if self.database.name in self.unavailable:
            return
        if not self.database.is_running:
            report(read_part(self.database).line)
        try:
            self.database.wait()
            # The first call creates the indexes; learners should not wait for that.
            with sentry_off():
                url = f"{self.servers[ANALYTICS.name].url}/health"
                httpx.get(url, timeout=START_DEADLINE_S, trust_env=False)
        except (ServerError, httpx.HTTPError) as error:
            self.unavailable[self.database.name] = str(error)

    def _settings(self) -> Settings:
        has_database = self.database.name not in self.unavailable
        return replace(
            Settings.from_environment(),
            debug_token=self.token,
            upstreams=Upstreams(self.servers),
            mongodb_uri=self.database.url if has_database else None,
        )

    def _dsn(self, service: Service) -> str:
        key, number = self._keys[service.name], str(service.project_id)
        return make_dsn(key, self.servers[INGEST].port, number)

    def _other_lines(self) -> Iterator[str]:
        if self._hidden:
            names = ", ".join(self._hidden)
            yield status_line("shell", f"{names}: ignored; all parts have their own settings")
        if self.learner:
            yield status_line("learner", f"{self.learner}, in every event")
        yield from moved_lines(self.projects, self.servers[INGEST].port, self.home)
        if any(self.store.deleted):
            yield status_line("store", self.retention.describe(self.store.deleted))
        if self.relay:
            yield _relay_line(self.relay)


def _say_in_any_encoding(report: Report) -> Report:
    """Return ``report`` made safe for a file or pipe whose encoding lacks the marks."""

    def say(line: str) -> None:
        try:
            report(line)
        except UnicodeEncodeError:
            report(line.encode("ascii", "replace").decode())

    return say


def _where(part: Part) -> str:
    """Return the address of a part, or why it has none."""
    is_down = part.state == "down" or part.address is None
    return part.remark if is_down and part.remark else part.address or ""


def _check_settings() -> None:
    """Raise SettingError for an invalid variable: here, and not in a service's thread."""
    try:
        Settings.from_environment()
    except SettingsError as error:
        raise SettingError(str(error)) from error


class Upstreams(Mapping[str, str]):
    """The current base URL of each running service."""

    def __init__(self, servers: Mapping[str, BackgroundServer]) -> None:
        self._servers = {name: servers[name] for name in servers if name in SERVICES}

    def __getitem__(self, name: str) -> str:
        return self._servers[name].url

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)


def _relay_line(relay: Relay) -> str:
    """Return a line about the relay: its target, and the envelopes it could not deliver."""
    trouble = f"  (last error: {relay.last_error})" if relay.last_error else ""
    mark = "✗" if relay.dropped else "✓"
    text = f"to {relay.host}, {relay.dropped} envelopes dropped{trouble}"
    return status_line("relay", text, mark)
