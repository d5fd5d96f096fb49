"""Cross-origin requests: web pages with a DSN may send and may read the response.

The responses match Sentry's Relay: its relay-server/src/middlewares/cors.rs, and the layer of
tower-http that it configures there. https://developer.mozilla.org/docs/Web/HTTP/Guides/CORS
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_REQUEST_HEADERS = (
    "x-sentry-auth",
    "x-requested-with",
    "x-forwarded-for",
    "origin",
    "referer",
    "accept",
    "content-type",
    "authentication",
    "authorization",
    "content-encoding",
    "transfer-encoding",
)
_READABLE_HEADERS = ("x-sentry-error", "x-sentry-rate-limits", "retry-after")
_EVERY_ANSWER = {
    "access-control-allow-origin": "*",
    "vary": "origin, access-control-request-method, access-control-request-headers",
    "cross-origin-resource-policy": "cross-origin",
}
_PREFLIGHT = {
    **_EVERY_ANSWER,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": ",".join(_REQUEST_HEADERS),
    "access-control-max-age": "3600",
}
_ANSWER = Headers(
    {**_EVERY_ANSWER, "access-control-expose-headers": ",".join(_READABLE_HEADERS)}
).raw


class CrossOrigin:
    """Lets pages of every origin send to the paths that ``is_open`` accepts.

    A refusal has the same headers: without them the page would only see a network error.
    """

    def __init__(self, app: ASGIApp, is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or pass the request on and allow every origin."""
        if scope["type"] != "http" or not self._is_open(scope["path"]):
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _preflight(Headers(scope=scope))(scope, receive, send)
        else:

            async def send_to_any_origin(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], *_ANSWER]
                await send(message)

            await self._app(scope, receive, send_to_any_origin)


def _preflight(headers: Headers) -> Response:
    """Answer a browser's preflight request.

    Chromium also asks whether a page may reach a less public network. Pages from this machine may.
    https://wicg.github.io/private-network-access/
    """
    answer = dict(_PREFLIGHT)
    asks = headers.get("access-control-request-private-network") == "true"
    if asks and _is_of_this_machine(headers.get("origin", "")):
        answer["access-control-allow-private-network"] = "true"
    return Response(headers=answer)


def _is_of_this_machine(origin: str) -> bool:
    try:
        return urlsplit(origin).hostname in _LOOPBACK
    except ValueError:
        return False
