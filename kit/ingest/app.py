"""The ingest's application: the local stand-in for Sentry, with everything a DSN points at."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kit.ingest.authentication import Gatekeeper, check_envelope_dsn, request_key
from kit.ingest.cors import CrossOrigin
from kit.ingest.endpoints import otlp
from kit.ingest.endpoints.check_in import check_in_envelope
from kit.ingest.endpoints.minidump import hyphenated, minidump_envelope
from kit.ingest.endpoints.security_report import report_envelopes
from kit.ingest.endpoints.store_event import PIXEL, event_envelope
from kit.ingest.envelope import Envelope
from kit.ingest.intake import Intake, Relay
from kit.ingest.projects import SPOTLIGHT
from kit.ingest.store import Store

HOSTS = frozenset({"127.0.0.1", "localhost"})
_ENVELOPE_PATH = re.compile(r"/api/([^/]+)/envelope/")
_SLASHES = re.compile("/{2,}")
_NOT_TAKEN = {
    "nel": "reports of network errors",
    "unreal/[^/]*": "crashes of the Unreal Engine",
    "playstation": "crashes of PlayStations",
    "events/[^/]*/attachments": "attachments without their event",
    "upload": "uploads of large attachments",
    "integration/vercel/logs": "logs of Vercel",
}


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the fastest event loop: uvloop's, except on Windows, where it does not exist."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def make_app(
    store: Store,
    projects: Mapping[str, tuple[str, str]],
    relay: Relay | None = None,
    *,
    body_deadline: float = 10.0,
) -> ASGIApp:
    """Return the ASGI application of the ingest.

    ``projects`` maps the number at the end of a DSN to the name under which its items are stored
    and the key that the DSN must contain. ``relay`` receives the bytes of each stored envelope; it
    must not block. ``body_deadline`` limits how long a request may take to send its body, in
    seconds.
    """
    endpoints = _Endpoints(Gatekeeper(projects), Intake(store, relay, body_deadline))
    app = Starlette(routes=_routes(endpoints), exception_handlers={HTTPException: _refusal})
    app.router.redirect_slashes = False
    return _Doorway(CrossOrigin(_Shortcut(endpoints, app), _is_for_pages))


def _routes(endpoints: "_Endpoints") -> list[Route]:
    """Return the routes: those in Relay's relay-server/src/endpoints/mod.rs, and our own.

    Relay answers some of them only with or only without a trailing slash; here every path has one
    at this point.
    """
    return [
        Route("/api/{project_id}/envelope/", endpoints.envelope, methods=["POST"]),
        Route("/api/store/", endpoints.store, methods=["GET", "POST"]),
        Route("/api/{project_id}/store/", endpoints.store, methods=["GET", "POST"]),
        Route("/api/{project_id}/security/", endpoints.security, methods=["POST"]),
        Route("/api/{project_id}/csp-report/", endpoints.security, methods=["POST"]),
        Route("/api/{project_id}/minidump/", endpoints.minidump, methods=["POST"]),
        Route("/api/{project_id}/cron/{slug}/", endpoints.cron, methods=["GET", "POST"]),
        Route(
            "/api/{project_id}/cron/{slug}/{sentry_key}/",
            endpoints.cron,
            methods=["GET", "POST"],
        ),
        *(
            Route(f"/api/{{project_id}}/{path}/v1/{kind}/", endpoint, methods=["POST"])
            for path in ("integration/otlp", "otlp")
            for kind, endpoint in (("traces", endpoints.traces), ("logs", endpoints.logs))
        ),
        Route("/tunnel/", endpoints.tunnel, methods=["POST"]),
        Route("/stream", endpoints.stream, methods=["POST"]),
        Route("/health", _health),
    ]


def _is_for_pages(path: str) -> bool:
    """Whether web pages may send there: to paths that require a DSN."""
    return path.startswith(("/api/", "/tunnel/"))


class _Doorway:
    """Serves this machine's host names only, and normalizes paths as Relay does.

    Otherwise an attacker's page whose name resolves to this machine could send to /stream.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if host.partition(":")[0] not in HOSTS:
                await _wrong_host(host)(scope, receive, send)
                return
            scope["path"] = _normalized(scope["path"])
        await self._app(scope, receive, send)


def _normalized(path: str) -> str:
    """Return a path without double slashes, and with a trailing one where pages may send.

    Relay does the first (relay-server/src/middlewares/normalize_path.rs); it is stricter about the
    trailing slash of some paths, and its users complain.
    """
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return f"{path}/" if path[-1:] != "/" and _is_for_pages(f"{path}/") else path


def _wrong_host(host: str) -> JSONResponse:
    return _refuse(
        HTTPException(
            400,
            f"The ingest only accepts the hosts {' and '.join(sorted(HOSTS))}, not {host[:100]!r}. "
            "Send from this machine to http://127.0.0.1 and the port in the DSN. In a container "
            "that works if you start it with docker run --network=host.",
        )
    )


class _Shortcut:
    """Passes envelopes directly to their endpoint, and everything else to ``app``.

    Starlette's routing and middleware cost as much as parsing the envelope.
    """

    def __init__(self, endpoints: "_Endpoints", app: ASGIApp) -> None:
        self._endpoints = endpoints
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _ENVELOPE_PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["path_params"] = {"project_id": match[1]}
        request = Request(scope, receive)
        try:
            answer = await self._endpoints.envelope(request)
        except HTTPException as refused:
            answer = _refuse(refused)
        await answer(scope, receive, send)


class _Endpoints:
    """The endpoints: each finds the project of a request, stores its content, and responds."""

    def __init__(self, gatekeeper: Gatekeeper, intake: Intake) -> None:
        self._gatekeeper = gatekeeper
        self._intake = intake

    async def envelope(self, request: Request) -> Response:
        """Accept an envelope: the endpoint that a DSN points at."""
        project_id, key = request.path_params["project_id"], request_key(request)
        if key is None:
            # The key may be in the envelope.
            return _accepted(
                await self._intake.take_envelope(
                    request, lambda headers: self._gatekeeper.admit_envelope(headers, project_id)
                )
            )
        name = self._gatekeeper.admit(project_id, key)

        def check(headers: Mapping[str, Any]) -> str:
            check_envelope_dsn(headers, project_id, key)
            return name

        return _accepted(await self._intake.take_envelope(request, check))

    async def tunnel(self, request: Request) -> Response:
        """Accept an SDK's ``tunnel`` requests: the envelope contains its DSN."""
        return _accepted(
            await self._intake.take_envelope(
                request, lambda headers: self._gatekeeper.admit_envelope(headers, None)
            )
        )

    async def stream(self, request: Request) -> Response:
        """Accept what ``SENTRY_SPOTLIGHT`` sends: without a key, so web pages are refused."""
        if "origin" in request.headers:
            raise HTTPException(403, "/stream accepts no requests from web pages; use a DSN.")
        return _accepted(await self._intake.take_envelope(request, lambda headers: SPOTLIGHT))

    async def store(self, request: Request) -> Response:
        """Accept events as SDKs sent them before envelopes; pages put them into an image URL."""
        if _content_type(request) == "application/x-sentry-envelope":
            if "project_id" in request.path_params:
                return await self.envelope(request)
            name = self._admit(request)
            return _accepted(await self._intake.take_envelope(request, lambda headers: name))
        name = self._admit(request)
        query = request.query_params.get("sentry_data", "")

        async def translate(content: bytes) -> list[bytes]:
            return [event_envelope(query.encode() if request.method == "GET" else content)]

        (envelope,) = await self._intake.take_other(request, name, translate)
        if request.method == "GET":
            return Response(PIXEL, media_type="image/gif")
        return _accepted(envelope)

    async def security(self, request: Request) -> Response:
        """Accept a browser's reports about a page's Content Security Policy."""
        name, kind = self._admit(request), request.headers.get("content-type", "")
        user_agent = request.headers.get("user-agent", "")

        async def translate(content: bytes) -> list[bytes]:
            return report_envelopes(content, kind, request.query_params, user_agent)

        await self._intake.take_other(request, name, translate)
        return Response()

    async def minidump(self, request: Request) -> Response:
        """Accept uploads from the crash reporters of native programs."""
        name = self._admit(request)

        async def translate(content: bytes) -> list[bytes]:
            return [await minidump_envelope(content, request.headers)]

        (envelope,) = await self._intake.take_other(request, name, translate)
        return Response(hyphenated(envelope.event_id or ""), media_type="text/plain")

    async def cron(self, request: Request) -> Response:
        """Accept check-ins from jobs without an SDK."""
        name, kind = self._admit(request), _content_type(request)
        slug = request.path_params["slug"]

        async def translate(content: bytes) -> list[bytes]:
            return [check_in_envelope(slug, content, kind, request.query_params)]

        await self._intake.take_other(request, name, translate)
        return Response(status_code=202)

    async def traces(self, request: Request) -> Response:
        """Accept spans from OpenTelemetry's exporters."""
        return await self._export(request, otlp.export_traces)

    async def logs(self, request: Request) -> Response:
        """Accept log records from OpenTelemetry's exporters."""
        return await self._export(request, otlp.export_logs)

    async def _export(self, request: Request, export: otlp.Exporting) -> Response:
        name, kind = self._admit(request), otlp.exported_type(_content_type(request))
        answer = b""

        async def translate(content: bytes) -> list[bytes]:
            nonlocal answer
            # In a thread: it may take a second, and would block everything else.
            envelope, answer = await asyncio.to_thread(export, content, kind)
            return [] if envelope is None else [envelope]

        await self._intake.take_other(
            request, name, translate, growth=otlp.GROWTH, limit=otlp.MAX_BYTES
        )
        return Response(answer, media_type=kind)

    def _admit(self, request: Request) -> str:
        """Return the name of the project that a request belongs to. Raises HTTPException."""
        key = request_key(request)
        if "project_id" in request.path_params:
            return self._gatekeeper.admit(request.path_params["project_id"], key)
        return self._gatekeeper.admit_key(key)


class _Answer(JSONResponse):
    """JSON from an encoder that needs a tenth of the standard library's time."""

    def render(self, content: object) -> bytes:
        return msgspec.json.encode(content)


def _accepted(envelope: Envelope) -> Response:
    return _Answer({"id": envelope.event_id} if envelope.event_id else {})


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _refusal(request: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, HTTPException), "registered for nothing else"
    path = request.scope["path"]
    if refused.status_code == 405 and refused.headers:
        reason = f"{request.method[:20]} is not allowed here; use {refused.headers['Allow']}."
        refused = HTTPException(405, reason, refused.headers)
    elif refused.status_code == 404 and _is_for_pages(path):
        refused = _not_taken(path)
    return _refuse(refused)


def _not_taken(path: str) -> HTTPException:
    """Return the refusal of a path that only Relay supports, or that neither knows."""
    end = path.removeprefix("/api/").partition("/")[2].strip("/")
    for known, what in _NOT_TAKEN.items():
        if re.fullmatch(known, end):
            return HTTPException(501, f"Sentry accepts {what} here; this ingest does not.")
    return HTTPException(
        404,
        f"There is no {end[:100]!r} here. A DSN points at envelope/, store/, security/, "
        "minidump/, cron/, integration/otlp/v1/traces and integration/otlp/v1/logs.",
    )


def _refuse(refused: HTTPException) -> JSONResponse:
    """Return a response with the reason, also in the header that older SDKs log."""
    reason = refused.detail.encode("ascii", "replace").decode()
    shown = "".join(each if each.isprintable() else "?" for each in reason)
    headers = {**(refused.headers or {}), "X-Sentry-Error": shown[:500]}
    return JSONResponse({"detail": refused.detail}, refused.status_code, headers)


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})
