"""Forwards requests to the services behind the gateway."""

import asyncio
import math
import re
from collections.abc import Iterable

import httpx
import sentry_sdk
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sentry_sdk import logger

from demo_services.connections import ONE_REQUEST
from demo_services.gateway.target import Target
from demo_services.refused import Refused
from demo_services.services import Service
from demo_services.settings import Settings
from demo_services.trace import trace_id

MAX_BODY_BYTES = 2**20
# They describe one connection, not the message (RFC 9110, section 7.6.1).
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# How long the caller waits, in milliseconds; also forwarded to the service.
DEADLINE_HEADER = "X-Deadline-Ms"
WHOLE_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}")
Headers = Iterable[tuple[bytes, bytes]]


def make_client() -> httpx.AsyncClient:
    """Return the client for calls to other services; bound them with ``asyncio.timeout``.

    Connections are not kept: a request on one that its server has closed would be lost.
    """
    return httpx.AsyncClient(limits=ONE_REQUEST, timeout=None, trust_env=False)  # noqa: S113


async def forward(
    request: Request, target: Target, client: httpx.AsyncClient, settings: Settings
) -> Response:
    """Send the request to its target and return the answer unchanged.

    An unreachable service becomes a 502, a late one a 504. Both are reported to Sentry as handled,
    one issue per service: the caller gets an answer, but someone has to look into it.
    An error that the service itself answers is forwarded and not reported again.
    Raises ``Refused``: 413 for a body over 1 MiB, 503 for a service that does not run here.
    """
    if target.service.name not in settings.upstreams:
        raise Refused(503, "not-here", f"The service {target.service.name} does not run here.")
    body = await read_body(request)
    deadline_s = min(settings.deadline_s, caller_deadline_s(request))
    try:
        async with asyncio.timeout(deadline_s):
            return await exchange(request, target, body, client, settings)
    except httpx.TransportError as error:
        report_unreachable(target.service, error)
        return failure(502, "bad-gateway", target.service, "cannot be reached")
    except TimeoutError as error:
        report_late(target.service, error)
        late = f"did not answer within {deadline_s:g} s"
        return failure(504, "gateway-timeout", target.service, late)


def caller_deadline_s(request: Request) -> float:
    """Return how long the caller says it waits, in seconds; infinite when it does not say."""
    text = request.headers.get(DEADLINE_HEADER, "")
    return int(text) / 1000 if WHOLE_MILLISECONDS.fullmatch(text) else math.inf


async def read_body(request: Request) -> bytes:
    """Return the body. Raises ``Refused`` (413) when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, "body-too-large", f"A body may have {MAX_BODY_BYTES} bytes.")
    return bytes(body)


async def exchange(
    request: Request,
    target: Target,
    body: bytes,
    client: httpx.AsyncClient,
    settings: Settings,
) -> Response:
    """Make the call, and read the answer within the deadline."""
    query = request.scope["query_string"].decode("latin-1")
    path = f"{target.path}?{query}" if query else target.path
    upstream = client.build_request(
        request.method,
        settings.upstreams[target.service.name] + path,
        headers=end_to_end(request.headers.raw, {"host", "content-length", "expect"}),
        content=body,
        # httpx would re-encode the URL; this one is sent unchanged.
        extensions={"target": path.encode("latin-1")},
    )
    answer = await client.send(upstream, stream=True)
    try:
        # Raw: compressed answers stay compressed.
        content = b"".join([chunk async for chunk in answer.aiter_raw()])
    finally:
        await answer.aclose()
    response = Response(content, answer.status_code)
    # uvicorn adds its own date and server.
    response.raw_headers = end_to_end(answer.headers.raw, {"date", "server"})
    return response


def end_to_end(headers: Headers, without: set[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers for the other end, not those for the next hop."""
    headers = [(name.lower(), value) for name, value in headers]
    dropped = HOP_BY_HOP | without
    for name, value in headers:
        if name == b"connection":
            dropped |= {option.strip().lower() for option in value.decode("latin-1").split(",")}
    return [(name, value) for name, value in headers if name.decode("latin-1") not in dropped]


def report_unreachable(service: Service, error: httpx.TransportError) -> None:
    """Tell Sentry that a service is down."""
    sentry_sdk.set_tag("upstream.failed", service.name)
    sentry_sdk.add_breadcrumb(
        category="upstream", message=f"{service.name} cannot be reached", level="error"
    )
    logger.error(
        "{upstream} cannot be reached: {reason}", upstream=service.name, reason=repr(error)
    )
    with sentry_sdk.new_scope() as scope:
        scope.set_level("error")
        scope.fingerprint = ["gateway", "upstream-unreachable", service.name]
        sentry_sdk.capture_exception(error)


def report_late(service: Service, error: TimeoutError) -> None:
    """Tell Sentry that a service is late."""
    sentry_sdk.set_tag("upstream.failed", service.name)
    sentry_sdk.add_breadcrumb(category="upstream", message=f"{service.name} is late", level="error")
    logger.warning("{upstream} is late, gave up", upstream=service.name)
    with sentry_sdk.new_scope() as scope:
        scope.set_level("warning")
        scope.fingerprint = ["gateway", "upstream-late", service.name]
        sentry_sdk.capture_exception(error)


def failure(status: int, error: str, service: Service, what: str) -> JSONResponse:
    """Answer in place of a failed service."""
    return JSONResponse(
        {
            "error": error,
            "service": service.name,
            "detail": f"The service {service.name} {what}.",
            "trace_id": trace_id(),
        },
        status,
    )
