"""The server of an ingest, for the running system and for whoever needs an ingest alone."""

from collections.abc import Callable

from starlette.types import ASGIApp

from kit.hosting.server import Server, serve_asgi
from kit.ingest.app import new_loop
from kit.system.clients import sentry_off
from kit.system.dsn import INGEST


def ingest_server(make_app: Callable[[], ASGIApp], *, port: int = 0) -> Server:
    """Return the server of the ingest that ``make_app`` makes, on the fastest parser and loop."""
    serve = serve_asgi(make_app, http="httptools")
    return Server(INGEST, serve, port=port, context=sentry_off, new_loop=new_loop)
