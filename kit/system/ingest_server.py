"""The ingest's server, for the running system or for an ingest alone."""

from collections.abc import Callable

from starlette.types import ASGIApp

from kit.hosting.server import Server, serve_asgi
from kit.ingest.app import new_loop
from kit.system.clients import sentry_off
from kit.system.dsn import INGEST


def ingest_server(make_app: Callable[[], ASGIApp], *, port: int = 0) -> Server:
    """Return a server for the ingest from ``make_app``, on the fastest parser and event loop."""
    serve = serve_asgi(make_app, http="httptools")
    return Server(INGEST, serve, port=port, context=sentry_off, new_loop=new_loop)
