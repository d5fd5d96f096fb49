"""The ingest beside a bare socket receiver: python -m tests.benchmarks.ingest.

Each envelope is compressed when it is sent, as the SDKs do it. What both would reach with requests
that lie ready is printed, too: there the receiver does next to nothing for each, and no
ingest that reads what it is sent comes near.
"""

import asyncio
import gzip
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from kit.hosting.server import Ready, Server
from kit.ingest.app import make_app
from kit.ingest.store import Store
from kit.system.ingest_server import ingest_server
from tests.benchmarks.goals import goal
from tests.ingest.sending import KEY, PROJECTS, error, new_id

CONNECTIONS, REQUESTS, ROUNDS = 16, 2000, 5
SIZE = 15_000
GOAL_RATIO = 0.3
NAME = "captured.sqlite3"


async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read each request of a connection up to its length, answer, and forget it."""
    with suppress(asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    writer.close()


async def serve_bare(listener: socket.socket, ready: Ready, end: asyncio.Event) -> None:
    """Serve the bare receiver."""
    async with await asyncio.start_server(receive, sock=listener):
        ready()
        await end.wait()


def bare(path: Path) -> Server:
    """Return a server of the bare receiver: asyncio's own streams and loop, and nothing else."""
    return Server("bare", serve_bare)


def real(path: Path) -> Server:
    """Return a server of the ingest, on a store in ``path``."""
    make = partial(make_app, Store(path / NAME), PROJECTS)
    return ingest_server(make)


def serve(make: Callable[[Path], Server], path: Path, control: Connection) -> None:
    """Serve in this process until the other side closes ``control``."""
    server = make(path)
    server.launch().wait()
    control.send(server.port)
    control.recv()


@contextmanager
def serving(make: Callable[[Path], Server]) -> Iterator[tuple[int, Path]]:
    """Serve in a process of its own; give the port and the folder."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = spawn.Process(target=serve, args=(make, Path(folder), theirs), daemon=True)
        process.start()
        try:
            yield ours.recv(), Path(folder)
        finally:
            process.terminate()
            process.join()


def frames(number: int) -> list[dict[str, object]]:
    """Return stack frames as the SDK writes them."""
    return [
        {
            "filename": f"demo_services/module_{index}.py",
            "function": f"function_{index}",
            "lineno": number + index,
            "pre_context": [f"    value_{line} = compute({line}, {number})" for line in range(5)],
            "context_line": "    raise RuntimeError(reels)",
            "post_context": [f"    # line {line}" for line in range(5)],
            "vars": {f"name_{local}": repr(new_id()) for local in range(5)},
            "in_app": True,
        }
        for index in range(22)
    ]


def envelope(number: int) -> bytes:
    """Return an error envelope of about ``SIZE`` bytes."""
    values = [{"type": "RuntimeError", "value": "reels", "stacktrace": {"frames": frames(number)}}]
    return error(new_id(), exception={"values": values})


def request(envelope: bytes) -> bytes:
    """Return a whole request with an envelope, gzipped as hard as the SDKs do it."""
    body = gzip.compress(envelope)
    head = (
        "POST /api/1/envelope/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Sentry-Auth: {KEY['X-Sentry-Auth']}\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, requests: Iterable[bytes]) -> None:
    """Send requests over one connection, each after the answer to the one before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in requests:
        writer.write(each)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()


async def throughput(port: int, envelopes: list[bytes], *, ready: bool = False) -> float:
    """Return requests per second over all connections; with ``ready``, made before."""
    shares = [map(request, envelopes[start::CONNECTIONS]) for start in range(CONNECTIONS)]
    sending = [list(share) for share in shares] if ready else shares
    began = time.perf_counter()
    await asyncio.gather(*(send(port, share) for share in sending))
    return len(envelopes) / (time.perf_counter() - began)


def assert_readable(folder: Path, expected: int) -> None:
    """Read every envelope from the file, and its payload."""
    with closing(Store(folder / NAME)) as store:
        items = store.items(limit=expected + 1)
    assert len(items) == expected, f"{len(items)} of {expected} are stored"
    assert all(len(item.payload["exception"]["values"]) == 1 for item in items)


def measure(bare_port: int, port: int, *, ready: bool) -> float:
    """Measure both in turn, print the median of each, and return that of their ratios."""
    envelopes = [envelope(number) for number in range(REQUESTS)]
    rounds = [
        [asyncio.run(throughput(each, envelopes, ready=ready)) for each in (bare_port, port)]
        for _ in range(ROUNDS)
    ]
    without, with_store = (statistics.median(measured) for measured in zip(*rounds, strict=True))
    print("requests that lie ready" if ready else "compressed when they are sent")
    print(f"  bare receiver {without:8.0f} requests/s, on asyncio's streams")
    print(f"  ingest        {with_store:8.0f} requests/s, all stored and read again")
    print(f"  ratios        {', '.join(f'{ingest / bare:.2f}' for bare, ingest in rounds)}")
    return statistics.median(ingest / bare for bare, ingest in rounds)


def main() -> int:
    """Print both measurements; return 1 when the first is below the goal."""
    print(f"error envelopes of {SIZE} bytes, gzipped, over {CONNECTIONS} connections")
    with serving(bare) as (bare_port, _), serving(real) as (port, folder):
        ratio = measure(bare_port, port, ready=False)
        measure(bare_port, port, ready=True)
        assert_readable(folder, 2 * REQUESTS * ROUNDS)
    reached = goal(f"{ratio:.2f} of the bare receiver, at least {GOAL_RATIO}", ratio >= GOAL_RATIO)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
