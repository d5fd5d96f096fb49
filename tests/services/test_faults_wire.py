"""The proxy of faults on the wire, with a server behind it that answers each line."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from demo_services.faults.wire import Address, FaultProxy, Toxic

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LATE_S = 0.2


class Upstream:
    """Answers each line with ``got`` and the line, and remembers it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.address: Address = ("127.0.0.1", 0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Upstream"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            self.address = server.sockets[0].getsockname()
            yield self

    async def find(self) -> Address:
        return self.address

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.got.append(line)
            writer.write(b"got " + line)
            await writer.drain()
        writer.close()


async def ask(streams: Streams, line: bytes) -> bytes:
    reader, writer = streams
    writer.write(line)
    return await reader.readline()


def through(toxic: Toxic, test: Callable[[FaultProxy, Upstream], Awaitable[None]]) -> None:
    async def run() -> None:
        upstream = Upstream()
        proxy = FaultProxy(toxic, upstream.find)
        async with upstream.running(), proxy.running():
            await test(proxy, upstream)

    asyncio.run(run())


async def connect(proxy: FaultProxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


def test_answers_come_later_but_those_of_a_handshake() -> None:
    async def test(proxy: FaultProxy, upstream: Upstream) -> None:
        streams = await connect(proxy)
        took = []
        for number in (b"0\n", b"1\n", b"2\n"):
            began = time.perf_counter()
            assert await ask(streams, number) == b"got " + number
            took.append(time.perf_counter() - began)
        assert took[0] < min(took[1:])
        assert min(took[1:]) >= LATE_S * 0.95
        streams[1].close()

    through(Toxic("latency", LATE_S, spared=1), test)


def test_latency_delays_each_answer_alike_and_keeps_their_order() -> None:
    async def test(proxy: FaultProxy, upstream: Upstream) -> None:
        streams = await connect(proxy)
        began = time.perf_counter()
        lines = [b"%d\n" % number for number in range(100)]
        for line in lines:
            streams[1].write(line)
            await asyncio.sleep(0)
        assert [await streams[0].readline() for _ in lines] == [b"got " + line for line in lines]
        # One after the other would take a hundred times as long, however idle the machine.
        assert time.perf_counter() - began < len(lines) / 2 * LATE_S
        streams[1].close()

    through(Toxic("latency", LATE_S), test)


def test_a_reset_loses_the_answer_and_not_the_request() -> None:
    async def test(proxy: FaultProxy, upstream: Upstream) -> None:
        with pytest.raises(ConnectionResetError):
            await ask(await connect(proxy), b"charge\n")
        assert upstream.got == [b"charge\n"]

    through(Toxic("reset_peer"), test)


def test_what_is_down_refuses_connections() -> None:
    async def test(proxy: FaultProxy, upstream: Upstream) -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect(proxy)

    through(Toxic("down"), test)


def test_without_an_upstream_a_connection_is_cut() -> None:
    async def test(proxy: FaultProxy, upstream: Upstream) -> None:
        upstream.address = ("127.0.0.1", 1)  # nothing listens there
        with suppress(ConnectionError):
            assert await ask(await connect(proxy), b"hello\n") == b""
        assert upstream.got == []

    through(Toxic("latency"), test)


def test_what_is_under_way_at_the_end_is_finished() -> None:
    async def run() -> bytes:
        async with Upstream().running() as upstream:
            proxy = FaultProxy(Toxic("latency", LATE_S), upstream.find)
            async with proxy.running():
                reader, writer = await connect(proxy)
                writer.write(b"last\n")
                writer.write_eof()
                while not upstream.got:
                    await asyncio.sleep(0)
            answer = await reader.readline()
            with pytest.raises(ConnectionRefusedError):
                await connect(proxy)
            writer.close()
            return answer

    assert asyncio.run(run()) == b"got last\n"


def test_the_end_of_the_loop_leaves_nothing() -> None:
    # An unclosed socket, or a task that was never awaited, is a failure here by pytest's filters.
    async def run() -> None:
        upstream = Upstream()

        async def hold() -> None:
            async with upstream.running(), FaultProxy(Toxic("latency"), upstream.find).running():
                ready.set()
                await asyncio.Event().wait()

        ready = asyncio.Event()
        task = asyncio.create_task(hold())
        await ready.wait()
        assert not task.done()

    asyncio.run(run())
