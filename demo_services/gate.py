"""The guard's place in services that are built with FastAPI: in front of all routes."""

from collections.abc import Awaitable

import sentry_sdk
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from demo_services.guard import TOKEN_HEADER, Guard
from demo_services.refused import Refused, log_refusal
from demo_services.services import Service


class DebugGate:
    """ASGI middleware: nothing below the service's debug base is reached past the guard.

    In front of the routes, because a route itself is asked too late: to a method that it does not
    take, the router answers for it, and so tells that it is there.
    """

    def __init__(self, app: ASGIApp, service: Service, guard: Guard) -> None:
        self._app = app
        self._service = service
        self._guard = guard

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or answer it.

        Not a coroutine function: that would be a frame in every stack trace from behind it.
        """
        if scope["type"] == "http" and self._service.is_debug(scope["path"]):
            try:
                self._admit(Request(scope))
            except Refused as refused:
                # Without a route it would be named by its URL, whatever a stranger tries.
                name = f"{self._service.debug_base}/*"
                sentry_sdk.get_current_scope().set_transaction_name(name, source="route")
                log_refusal(refused)
                answer = JSONResponse(refused.body(), refused.status, refused.headers)
                return answer(scope, receive, send)
        return self._app(scope, receive, send)

    def _admit(self, request: Request) -> None:
        address = request.client.host if request.client else ""
        self._guard.admit(request.url.path, address, request.headers.get(TOKEN_HEADER))
