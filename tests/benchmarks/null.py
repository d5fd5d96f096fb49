"""A receiver that does nothing: what it takes, it hands on to whoever waits, and forgets.

It checks no address and no key, bounds nothing and stores nothing.
"""

import gzip
import time
from collections.abc import Mapping
from itertools import count

import brotli
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from kit.ingest import app as ingest
from kit.ingest.envelope import MAX_ITEMS, parse
from kit.ingest.store import Received, Store

DECODERS = {"gzip": gzip.decompress, "br": brotli.decompress, "identity": bytes}


def make_app(
    store: Store, projects: Mapping[str, tuple[str, str]], relay: object = None
) -> Starlette:
    """Return the application, with the arguments of ``kit.ingest.app.make_app``."""
    numbers = count(1)

    async def receive(request: Request) -> JSONResponse:
        body = await request.body()
        decode = DECODERS[request.headers.get("content-encoding", "identity")]
        envelope = parse(decode(body))
        name, _ = projects[request.path_params["project_id"]]
        first = next(numbers) * MAX_ITEMS
        ids = range(first, first + len(envelope.items))
        store._publish(Received(name, envelope, time.time()), ids)
        return JSONResponse({})

    return Starlette(routes=[Route("/api/{project_id}/envelope/", receive, methods=["POST"])])


def install() -> None:
    """Let the workshop that this process starts next use it."""
    ingest.make_app = make_app  # type: ignore[assignment]
