"""Background servers: one interface to launch, await, find and stop them.

``BackgroundServer`` is the interface, ``Server`` runs in a thread of this process. Servers that run
as child processes are in ``kit.hosting.supervisor``.
"""

import asyncio
import socket
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Self

import uvicorn
from starlette.types import ASGIApp
from tornado.httpserver import HTTPServer
from tornado.web import Application

from demo_services.standalone import bind
from kit.actionable import ActionableError
from kit.threads import report_thread_failure

HOST = "127.0.0.1"
START_DEADLINE_S = 60.0  # a class that starts all at once on one machine has to wait

Ready = Callable[[], None]
Serve = Callable[[socket.socket, Ready, asyncio.Event], Awaitable[None]]
Context = Callable[[], AbstractContextManager[object]]
NewLoop = Callable[[], asyncio.AbstractEventLoop]
Report = Callable[[str], object]  # receives a line for people
Parser = Literal["h11", "httptools"]
State = Literal["up", "starting", "restarting", "down"]

# FastAPI silences this while it builds an application, but two threads that build one at the same
# time undo each other's filter, and the warning appears in a learner's cell.
warnings.filterwarnings("ignore", message=r"The 'alias' attribute with value")


class ServerError(ActionableError, RuntimeError):
    """A server could not start; the message says which, why, and what to do."""


class BackgroundServer(ABC):
    """A server that a thread of this process runs or watches.

    ``context`` opens the context in which that happens. It listens on ``port`` when that is free,
    else on any free port.
    """

    scheme = "http"

    def __init__(self, name: str, *, port: int = 0, context: Context = nullcontext) -> None:
        self.name = name
        self.wanted_port = port
        self._context = context
        self._port: int | None = None
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        # Guards the attributes below, and wakes waiting threads.
        self._changed = threading.Condition()
        self._is_ready = False
        self._reason: str | None = None
        self._error: BaseException | None = None
        self._start_count = self._starts_before = 0
        self._since = self._ready_after = 0.0

    @property
    def is_running(self) -> bool:
        """Whether it accepts requests."""
        return self._is_ready

    @property
    def state(self) -> State:
        """Whether it is up, starting, restarting after an exit, or permanently down."""
        if self._is_ready:
            return "up"
        if self._thread is None or self._reason is not None:
            return "down"
        return "restarting" if self._start_count > self._starts_before else "starting"

    @property
    def reason(self) -> str | None:
        """Why it is permanently down, in one line; None while it runs or starts."""
        return self._reason

    @property
    def start_count(self) -> int:
        """How often it became ready."""
        return self._start_count

    @property
    def port(self) -> int:
        """The port it listens on. Raises ServerError before the launch."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port: it was not launched")
        return self._port

    @property
    def url(self) -> str:
        """Its base URL. Raises ServerError before the launch."""
        return f"{self.scheme}://{HOST}:{self.port}"

    @property
    def public_url(self) -> str:
        """Its URL without any password that ``url`` contains. Raises ServerError like ``url``."""
        return self.url

    def launch(self) -> Self:
        """Take a port and start in the background. Does nothing when already launched."""
        if self._thread is not None and self._thread.is_alive():
            return self
        self._take_port()
        self._end = threading.Event()
        self._reason = self._error = None
        self._starts_before = self._start_count
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._run_in_context, name=self.name, daemon=True)
        self._thread.start()
        return self

    def wait(self, deadline: float = START_DEADLINE_S, *, after: int = 0) -> float:
        """Wait until it accepts requests; return the seconds that took since its launch or exit.

        Before ending the server, read ``start_count`` and pass it as ``after`` to wait for the next
        start. Raises ServerError with the reason when it is permanently down or was not ready in
        time. A launch that takes too long is stopped; a restart continues.
        """
        with self._changed:
            is_settled = self._changed.wait_for(
                lambda: self._reason or (self._is_ready and self._start_count > after), deadline
            )
        was_ready = self._start_count > self._starts_before
        if self._reason:
            what = "is down" if was_ready else "did not start"
            raise ServerError(f"{self.name} {what}: {self._reason}") from self._error
        if not is_settled:
            if not was_ready:
                self.stop(timeout=0.5)
            raise ServerError(f"{self.name} was not ready within {deadline:g} s")
        return self._ready_after

    def stop(self, timeout: float = 5.0) -> None:
        """End it, waiting at most ``timeout`` seconds. Does nothing when it has ended."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        with self._changed:
            self._end.set()
        self._ask_to_end()
        thread.join(timeout)

    @abstractmethod
    def _take_port(self) -> None:
        """Choose the port for this launch."""

    @abstractmethod
    def _run_until_end(self) -> None:
        """Run it in this thread until ``_end`` is set. Raises the error if it ends earlier."""

    @abstractmethod
    def _ask_to_end(self) -> None:
        """Make ``_run_until_end`` return soon; called once ``_end`` is set."""

    def _run_in_context(self) -> None:
        try:
            with self._context():
                self._run_until_end()
        except BaseException as error:
            # Catch everything: if this thread ended silently, others would wait for it.
            expected = isinstance(error, ServerError)
            reason = str(error) if expected else f"{type(error).__name__}: {error}"
            self._become_down(reason, error)
            # If it was never ready, the caller of wait() gets the error.
            if self._start_count > self._starts_before and not self._end.is_set():
                report_thread_failure()
        else:
            self._become_down("it was stopped")

    def _become_ready(self) -> None:
        with self._changed:
            self._ready_after = time.monotonic() - self._since
            self._is_ready = True
            self._start_count += 1
            self._changed.notify_all()

    def _become_down(self, reason: str, error: BaseException | None = None) -> None:
        with self._changed:
            self._is_ready = False
            self._reason, self._error = reason, error
            self._changed.notify_all()


class Server(BackgroundServer):
    """A server in a thread of this process, with its own event loop.

    ``serve`` gets the listening socket, a callable to signal that it accepts requests, and the
    event that ends it. ``new_loop`` creates the event loop.
    """

    def __init__(
        self,
        name: str,
        serve: Serve,
        *,
        port: int = 0,
        context: Context = nullcontext,
        new_loop: NewLoop = asyncio.new_event_loop,
    ) -> None:
        super().__init__(name, port=port, context=context)
        self._serve = serve
        self._new_loop = new_loop
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_end = asyncio.Event()

    def _take_port(self) -> None:
        self._loop = None
        self._listener = listen(self.wanted_port)
        self._port = self._listener.getsockname()[1]

    def _run_until_end(self) -> None:
        assert self._listener is not None
        # The open listener of a dead server would still accept connections, and clients would hang.
        # Without debug mode, which PYTHONASYNCIODEBUG and PYTHONDEVMODE would enable: it is slow,
        # and its log lines would become breadcrumbs.
        loop = asyncio.Runner(debug=False, loop_factory=self._new_loop)
        with self._listener as listener, loop as runner:
            runner.run(self._main(listener))
        if not self._end.is_set():
            raise ServerError("it ended" if self._is_ready else "it ended before it was ready")

    def _ask_to_end(self) -> None:
        # Without a loop the thread has not got that far yet, and will not serve when it does.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop_end.set)

    async def _main(self, listener: socket.socket) -> None:
        self._loop_end = asyncio.Event()
        # Last: from here on _ask_to_end() sets the event.
        self._loop = asyncio.get_running_loop()
        if not self._end.is_set():
            await self._serve(listener, self._become_ready, self._loop_end)


def listen(port: int = 0) -> socket.socket:
    """Return a listening loopback socket on ``port``, or on a free port when that is taken."""
    try:
        return bind(port)
    except OSError:
        return bind(0)


class _UvicornServer(uvicorn.Server):
    """uvicorn's server, which calls back once it has started."""

    def __init__(self, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def serve_asgi(make_app: Callable[[], ASGIApp], *, http: Parser = "h11") -> Serve:
    """Return a function that serves the ASGI app from ``make_app``, called in the loop.

    ``http`` is the request parser. It is fixed rather than whatever is installed: httptools passes
    headers as plain lists, whose values the SDK then sends in the local variables of every frame.
    Only applications that report nothing may use it.
    """

    async def serve(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
        config = uvicorn.Config(
            make_app(),
            log_config=None,
            log_level=None,
            access_log=False,
            # By default uvicorn trusts any local caller's claim about its address.
            proxy_headers=False,
            # By default it reads WEB_CONCURRENCY, and fails unless that is a number.
            workers=1,
            lifespan="on",
            http=http,
            timeout_graceful_shutdown=1,
            # An SDK keeps its connection, and loses what it sends on a closed one, so the server
            # does not close any during a kernel's life.
            timeout_keep_alive=30 * 24 * 3600,
        )
        server = _UvicornServer(config, ready)

        async def stop_at_end() -> None:
            await end.wait()
            server.should_exit = True

        ending = asyncio.create_task(stop_at_end())
        try:
            await server.serve(sockets=[listener])
        except SystemExit as error:
            raise RuntimeError("the application's lifespan failed at startup") from error
        finally:
            ending.cancel()

    return serve


def serve_tornado(make_app: Callable[[], Application], max_body_bytes: int) -> Serve:
    """Return a function that serves the Tornado app from ``make_app``, called in the loop."""

    async def serve(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
        server = HTTPServer(make_app(), max_body_size=max_body_bytes)
        server.add_sockets([listener])
        ready()
        await end.wait()
        server.stop()
        await server.close_all_connections()

    return serve
