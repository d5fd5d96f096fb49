"""A receiver that does nothing: what it takes, it hands on to whoever waits, and forgets.

It checks no address and no key, bounds nothing and stores nothing.
"""

import time
from collections.abc import Mapping
from itertools import count

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from kit.ingest import app as ingest
from kit.ingest.encoding import IDENTITY, Encoded, decode
from kit.ingest.envelope import MAX_ITEMS, parse
from kit.ingest.store import Received, Store


def make_app(
    store: Store, projects: Mapping[str, tuple[str, str]], relay: object = None
) -> Starlette:
    """Return the application, with the arguments of ``kit.ingest.app.make_app``."""
    numbers = count(1)

    async def receive(request: Request) -> JSONResponse:
        encoding = request.headers.get("content-encoding", IDENTITY)
        sent = Encoded(encoding, await request.body())
        envelope = parse(decode(sent))
        name, _ = projects[request.path_params["project_id"]]
        first = next(numbers) * MAX_ITEMS
        ids = range(first, first + len(envelope.items))
        store._publish(Received(name, envelope, time.time(), sent), ids)
        return JSONResponse({})

    return Starlette(routes=[Route("/api/{project_id}/envelope/", receive, methods=["POST"])])


def install() -> None:
    """Let the workshop that this process starts next use it."""
    ingest.make_app = make_app  # type: ignore[assignment]
