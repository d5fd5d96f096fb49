"""Run the game engine alone: ``SENTRY_DSN=... python -m demo_services.game_engine``."""

import asyncio
import contextlib
import socket

import sentry_sdk
from tornado.httpserver import HTTPServer

from demo_services import standalone
from demo_services.game_engine.app import MAX_BODY_BYTES, make_app
from demo_services.services import GAME_ENGINE
from demo_services.settings import Settings
from demo_services.telemetry import sentry_options


async def serve(sock: socket.socket) -> None:
    """Serve until the program is interrupted."""
    server = HTTPServer(make_app(Settings.from_environment()), max_body_size=MAX_BODY_BYTES)
    server.add_socket(sock)
    standalone.announce(GAME_ENGINE, sock)
    await asyncio.Event().wait()


sentry_sdk.init(**sentry_options(GAME_ENGINE))
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(serve(standalone.listen(GAME_ENGINE)))
