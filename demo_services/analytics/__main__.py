"""Run the analytics service alone: ``MONGODB_URI=... python -m demo_services.analytics``."""

import asyncio
import contextlib
import socket

import sentry_sdk
import uvicorn

from demo_services import standalone
from demo_services.analytics.app import make_app
from demo_services.services import ANALYTICS
from demo_services.settings import Settings
from demo_services.telemetry import sentry_options


async def serve(sock: socket.socket) -> None:
    """Serve until the program is interrupted."""
    app = make_app(Settings.from_environment())
    # No proxy is in front of it that could be trusted about a caller's address.
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, proxy_headers=False, http="h11", workers=1
    )
    server = uvicorn.Server(config)
    standalone.announce(ANALYTICS, sock)
    await server.serve(sockets=[sock])


sentry_sdk.init(**sentry_options(ANALYTICS))
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(serve(standalone.listen(ANALYTICS)))
