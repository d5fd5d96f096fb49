"""Faults on the wire: a proxy between a service and what it calls, with toxics as in Toxiproxy.

https://github.com/Shopify/toxiproxy#toxics names and describes them.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from demo_services import standalone
from demo_services.faults.names import numbers_of

ToxicKind = Literal["latency", "reset_peer", "down"]
Address = tuple[str, int]

CHUNK_BYTES = 64 * 1024
# How long open connections may stay when a proxy ends: each may carry a last request.
GRACE_S = 5.0
# Linger for 0 seconds: closing then resets the connection and drops unsent data.
RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


@dataclass(frozen=True)
class Toxic:
    """A defect of the connection.

    ``latency`` delays answers by ``seconds``, except the first ``spared`` of a connection, such as
    those of a handshake. ``reset_peer`` resets a connection instead of passing on the answer that
    the upstream has already given. ``down`` refuses connections.
    """

    kind: ToxicKind
    seconds: float = 0.0
    spared: int = 0


def declared_toxic(fault: str, *, spared: int = 0) -> Toxic:
    """Return the toxic of a fault, as declared in faults.json."""
    numbers = numbers_of(fault)
    return Toxic(numbers["toxic"], numbers.get("ms", 0) / 1000, spared)


class FaultProxy:
    """Listens on 127.0.0.1 inside ``running()``, and connects callers to the upstream.

    ``find_upstream`` is called for each connection: a service may restart on another port.
    """

    def __init__(self, toxic: Toxic, find_upstream: Callable[[], Awaitable[Address]]) -> None:
        self._toxic = toxic
        self._find_upstream = find_upstream
        self._links: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Its base URL while it runs."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FaultProxy"]:
        """Run it inside the block; afterwards open connections may finish, for ``GRACE_S``."""
        async with contextlib.AsyncExitStack() as closing:
            if self._toxic.kind == "down":
                sock = closing.enter_context(contextlib.closing(taken_port()))
            else:
                sock = standalone.bind(0)
                server = await asyncio.start_server(self._serve, sock=sock)
                closing.callback(server.close)
                closing.push_async_callback(self._finish)
            self.port = sock.getsockname()[1]
            yield self

    async def _finish(self) -> None:
        links = set(self._links)
        try:
            if links:
                await asyncio.wait(links, timeout=GRACE_S)
        finally:
            for link in links:
                link.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one caller, until either end closes."""
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        try:
            answers, requests = await asyncio.open_connection(*await self._find_upstream())
        except OSError:
            # As without a proxy: nothing answers.
            writer.transport.abort()
            return
        sending = asyncio.create_task(pass_on(reader, requests))
        try:
            await self._answer(answers, writer)
        finally:
            sending.cancel()
            requests.transport.abort()
            writer.close()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._toxic.kind == "reset_peer":
            await answers.read(CHUNK_BYTES)
            reset(writer)
        else:
            await pass_on_late(answers, writer, self._toxic)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward everything until the end."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def pass_on_late(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toxic: Toxic
) -> None:
    """Forward everything, each piece with the same delay."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        chunk, count = b"?", 0
        with contextlib.suppress(OSError):
            while chunk:
                chunk = await reader.read(CHUNK_BYTES)
                delay = toxic.seconds if count >= toxic.spared else 0.0
                pieces.put_nowait((loop.time() + delay, chunk))
                count += 1
            return
        pieces.put_nowait((loop.time(), b""))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, chunk = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not chunk:
                return
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return  # the caller has gone and no longer waits
    finally:
        reading.cancel()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset (RST) instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def find_upstream(upstreams: Mapping[str, str], service: str) -> Address:
    """Return the current address of a service."""
    url = urlsplit(upstreams[service])
    return url.hostname or "127.0.0.1", url.port or 80


def taken_port() -> socket.socket:
    """Return a socket that is bound but does not listen: connections to its port are refused."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock
