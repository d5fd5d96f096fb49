"""Puts the guard in front of all routes in the FastAPI services."""

from collections.abc import Awaitable

import sentry_sdk
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demo_services.guard import TOKEN_HEADER, Guard
from demo_services.refused import Refused, log_refusal
from demo_services.services import Service


class DebugGate:
    """ASGI middleware: no request reaches the service's debug base without the guard.

    It is in front of the routes, because a route itself runs too late: for an unsupported method
    the router answers, which would reveal that the route exists.
    """

    def __init__(self, app: ASGIApp, service: Service, guard: Guard) -> None:
        self._app = app
        self._service = service
        self._guard = guard

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or answer it.

        Not a coroutine function: that would add a frame to every stack trace from inside.
        """
        if scope["type"] == "http" and self._service.is_debug(scope["path"]):
            try:
                self._admit(Request(scope))
            except Refused as refused:
                # Without a route the URL, which a stranger chooses, would be its name.
                name = f"{self._service.debug_base}/*"
                sentry_sdk.get_current_scope().set_transaction_name(name, source="route")
                log_refusal(refused)
                answer = JSONResponse(refused.body(), refused.status, refused.headers)
                return answer(scope, receive, send)
        return self._app(scope, receive, send)

    def _admit(self, request: Request) -> None:
        address = request.client.host if request.client else ""
        self._guard.admit(request.url.path, address, request.headers.get(TOKEN_HEADER))
