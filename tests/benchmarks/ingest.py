"""The ingest beside a receiver that does nothing: python -m tests.benchmarks.ingest."""

import asyncio
import gzip
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from kit.hosting.server import Server, serve_asgi
from kit.ingest.app import make_app
from kit.ingest.store import Store
from tests.benchmarks.goals import goal
from tests.ingest.sending import KEY, PROJECTS, error, new_id

CONNECTIONS, REQUESTS, ROUNDS = 16, 2000, 5
SIZE = 15_000
GOAL_RATIO = 0.3


def null_app(path: Path) -> ASGIApp:
    """Return a receiver that reads each body and forgets it."""

    async def receive(request: Request) -> JSONResponse:
        await request.body()
        return JSONResponse({})

    return Starlette(routes=[Route("/api/{project_id}/envelope/", receive, methods=["POST"])])


def ingest_app(path: Path) -> ASGIApp:
    """Return the ingest, on a store in ``path``."""
    return make_app(Store(path / "captured.sqlite3"), PROJECTS)


def serve(app: Callable[[Path], ASGIApp], path: Path, control: Connection) -> None:
    """Serve an app in this process until the other side closes ``control``."""
    server = Server("benchmark", serve_asgi(partial(app, path)))
    server.launch().wait()
    control.send(server.port)
    control.recv()


@contextmanager
def serving(app: Callable[[Path], ASGIApp]) -> Iterator[int]:
    """Serve an app in a process of its own; give its port."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = spawn.Process(target=serve, args=(app, Path(folder), theirs), daemon=True)
        process.start()
        try:
            yield ours.recv()
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


def request(number: int) -> bytes:
    """Return a whole request: an error envelope of about ``SIZE`` bytes, gzipped."""
    values = [{"type": "RuntimeError", "value": "reels", "stacktrace": {"frames": frames(number)}}]
    envelope = error(new_id(), exception={"values": values})
    body = gzip.compress(envelope)
    head = (
        "POST /api/1/envelope/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Sentry-Auth: {KEY['X-Sentry-Auth']}\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, requests: list[bytes]) -> None:
    """Send requests over one connection, each after the answer to the one before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in requests:
        writer.write(each)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()


async def throughput(port: int, requests: list[bytes]) -> float:
    """Return requests per second over all connections."""
    began = time.perf_counter()
    shares = [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]
    await asyncio.gather(*(send(port, share) for share in shares))
    return len(requests) / (time.perf_counter() - began)


def main() -> int:
    """Measure both in turn, print the median of each and their ratio; return 1 below the goal."""
    requests = [request(number) for number in range(REQUESTS)]
    with serving(null_app) as null, serving(ingest_app) as ingest:
        rounds = [
            [asyncio.run(throughput(port, requests)) for port in (null, ingest)]
            for _ in range(ROUNDS)
        ]
    without, with_store = (statistics.median(measured) for measured in zip(*rounds, strict=True))
    ratio = statistics.median(ingest / null for null, ingest in rounds)
    print(f"error envelopes of {SIZE} bytes, gzipped, over {CONNECTIONS} connections")
    print(f"  null receiver {without:8.0f} requests/s")
    print(f"  ingest        {with_store:8.0f} requests/s, stored and readable")
    reached = goal(f"{ratio:.2f} of the null receiver, at least {GOAL_RATIO}", ratio >= GOAL_RATIO)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
