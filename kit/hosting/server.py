"""Servers in background threads, behind one launch/wait/stop/url surface."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from tornado.httpserver import HTTPServer
from tornado.web import Application

from demo_services.standalone import bind
from kit.advice import Advice

HOST = "127.0.0.1"
START_DEADLINE_S = 60.0  # a class that starts at once on one machine has to wait

Ready = Callable[[], None]
Serve = Callable[[socket.socket, Ready, asyncio.Event], Awaitable[None]]
Context = Callable[[], AbstractContextManager[object]]


class ServerError(Advice, RuntimeError):
    """A server could not start; the message says which, why, and what to do."""


class Server:
    """A server that runs in a daemon thread with an event loop of its own.

    ``serve`` gets the listening socket, a callable to say that it accepts requests, and the
    event that ends it. ``context`` opens the context in which all of it runs. The wanted ``port``
    is taken when it is free, else any free one.
    """

    def __init__(
        self, name: str, serve: Serve, *, port: int = 0, context: Context = nullcontext
    ) -> None:
        self.name = name
        self.wanted_port = port
        self._serve = serve
        self._context = context
        self._thread: threading.Thread | None = None
        self._settled = threading.Event()
        self._is_ready = False
        self._error: BaseException | None = None
        self._port: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._is_wanted = False
        self._began = self._ready_after = 0.0

    @property
    def is_running(self) -> bool:
        """Whether the server accepts requests."""
        return self._is_ready and self._thread is not None and self._thread.is_alive()

    @property
    def port(self) -> int:
        """The port it listens on. Raises ServerError before the launch."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port: it was not launched")
        return self._port

    @property
    def url(self) -> str:
        """Its base URL. Raises ServerError before the launch."""
        return f"http://{HOST}:{self.port}"

    def launch(self) -> Self:
        """Bind the port and start the thread, without waiting. Does nothing when it is running."""
        if self._thread is not None and self._thread.is_alive():
            return self
        listener = listen(self.wanted_port)
        self._port = listener.getsockname()[1]
        self._settled.clear()
        self._is_ready, self._error, self._loop = False, None, None
        self._is_wanted = True
        self._began = time.perf_counter()
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name=f"{self.name}-server", daemon=True
        )
        self._thread.start()
        return self

    def wait(self, deadline: float = START_DEADLINE_S) -> float:
        """Wait until it accepts requests; return the seconds that took since the launch.

        Raises ServerError with the reason when it ended first, or was not ready in time.
        """
        settled = self._settled.wait(deadline)
        if self._error is not None:
            raise ServerError(
                f"{self.name} did not start: {type(self._error).__name__}: {self._error}"
            ) from self._error
        if not settled:
            self.stop(timeout=0.5)
            raise ServerError(f"{self.name} did not start within {deadline:g} s")
        if not self._is_ready:
            raise ServerError(f"{self.name} ended before it accepted requests")
        return self._ready_after

    def stop(self, timeout: float = 5.0) -> None:
        """End it and wait for its thread. Does nothing when it is not running."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        # Without a loop the thread has not come that far, and will not serve when it has.
        self._is_wanted = False
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)
        thread.join(timeout)

    def _run(self, listener: socket.socket) -> None:
        with self._context():
            try:
                asyncio.run(self._main(listener))
            except BaseException as error:
                self._error = error
            finally:
                # An open listener of a dead server still accepts, and its clients hang.
                listener.close()
                self._is_ready = False
                self._settled.set()

    async def _main(self, listener: socket.socket) -> None:
        self._end = asyncio.Event()
        # Last: from now on stop() sets the event.
        self._loop = asyncio.get_running_loop()
        if self._is_wanted:
            await self._serve(listener, self._ready, self._end)

    def _ready(self) -> None:
        self._ready_after = time.perf_counter() - self._began
        self._is_ready = True
        self._settled.set()


def listen(port: int = 0) -> socket.socket:
    """Return a listening loopback socket on ``port``, or on any free port when that is taken."""
    try:
        return bind(port)
    except OSError:
        return bind(0)


class _UvicornServer(uvicorn.Server):
    """uvicorn's server, saying when it has started instead of being asked."""

    def __init__(self, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def serve_asgi(make_app: Callable[[], ASGIApp]) -> Serve:
    """Return how to serve the ASGI application that ``make_app`` makes inside the loop."""

    async def serve(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
        config = uvicorn.Config(
            make_app(),
            log_config=None,
            log_level=None,
            access_log=False,
            # By default any caller on this machine is believed about its address.
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=1,
            # An SDK keeps its connection, and loses what it sends on one that was closed meanwhile.
            timeout_keep_alive=3600,
        )
        server = _UvicornServer(config, ready)

        async def stop_at_end() -> None:
            await end.wait()
            server.should_exit = True

        ending = asyncio.create_task(stop_at_end())
        try:
            await server.serve(sockets=[listener])
        except SystemExit as error:
            raise RuntimeError("the application's lifespan failed at start-up") from error
        finally:
            ending.cancel()

    return serve


def serve_tornado(make_app: Callable[[], Application], max_body_bytes: int) -> Serve:
    """Return how to serve the Tornado application that ``make_app`` makes inside the loop."""

    async def serve(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
        server = HTTPServer(make_app(), max_body_size=max_body_bytes)
        server.add_sockets([listener])
        ready()
        await end.wait()
        server.stop()
        await server.close_all_connections()

    return serve
