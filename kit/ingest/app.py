"""The ingest: the local stand-in for Sentry, speaking the envelope protocol."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kit.ingest.encoding import DECODERS, IDENTITY, BadEncoding, Encoded
from kit.ingest.envelope import BadEnvelope, Envelope, TooLarge, parse
from kit.ingest.projects import SPOTLIGHT
from kit.ingest.store import Received, Store, StoreError

MAX_BODY_BYTES = 20 * 1024 * 1024
MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024
HOSTS = ["127.0.0.1", "localhost"]
# Of envelopes that are written together; who sent the first waits for the last.
_MAX_BATCH = 32
_ENVELOPE_PATH = re.compile(r"/api/([^/]+)/envelope/")

Relay = Callable[[bytes], None]


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the fastest event loop there is: uvloop's, which does not exist on Windows."""
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

    ``projects`` maps the number at the end of a DSN to the name under which its items are
    stored and the key that the DSN must carry. ``relay`` is handed the bytes of each envelope
    that was stored; it must not block. ``body_deadline`` is how long a request may take to
    send its body, in seconds.
    """
    ingest = _Ingest(store, projects, relay, body_deadline)
    app = Starlette(
        routes=[
            Route("/api/{project_id}/envelope/", ingest.envelope, methods=["POST"]),
            Route("/stream", ingest.stream, methods=["POST"]),
            Route("/health", _health),
        ],
        exception_handlers={HTTPException: _refusal},
    )
    return TrustedHostMiddleware(_Shortcut(ingest, app), allowed_hosts=HOSTS)


class _Shortcut:
    """Takes envelopes straight to the ingest, and everything else to ``app``.

    Starlette's routing and middleware cost as much as parsing the envelope.
    """

    def __init__(self, ingest: "_Ingest", app: ASGIApp) -> None:
        self._ingest = ingest
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _ENVELOPE_PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request({**scope, "path_params": {"project_id": match[1]}}, receive)
        try:
            answer = await self._ingest.envelope(request)
        except HTTPException as refused:
            answer = await _refusal(request, refused)
        await answer(scope, receive, send)


class _Answer(JSONResponse):
    """JSON by a writer that takes a tenth of the time of the standard library's."""

    def render(self, content: object) -> bytes:
        return msgspec.json.encode(content)


class _Ingest:
    def __init__(
        self,
        store: Store,
        projects: Mapping[str, tuple[str, str]],
        relay: Relay | None,
        body_deadline: float,
    ) -> None:
        self._store = store
        self._projects = projects
        self._relay = relay
        self._body_deadline = body_deadline
        self._budget = _Budget(MAX_IN_FLIGHT_BYTES)
        self._batch: list[tuple[Received, asyncio.Future[None]]] = []

    async def envelope(self, request: Request) -> JSONResponse:
        """What a DSN points at."""
        return await self._accept(request, self._authenticate(request))

    async def stream(self, request: Request) -> JSONResponse:
        """What ``SENTRY_SPOTLIGHT`` points at: there is no key, so web pages are kept out."""
        if "origin" in request.headers:
            raise HTTPException(403, "/stream takes no requests from web pages; use a DSN.")
        return await self._accept(request, SPOTLIGHT)

    def _authenticate(self, request: Request) -> str:
        project_id = request.path_params["project_id"]
        project = self._projects.get(project_id)
        if project is None:
            known = ", ".join(self._projects)
            raise HTTPException(401, f"There is no project {project_id}; there are: {known}.")
        name, key = project
        given = _given_key(request)
        if given is None:
            raise HTTPException(
                401, "The key is missing; send X-Sentry-Auth: Sentry sentry_key=<key of the DSN>."
            )
        if given != key:
            raise HTTPException(
                401, f"The key is not that of project {project_id}; use the DSN of this run."
            )
        return name

    async def _accept(self, request: Request, project: str) -> JSONResponse:
        with self._budget.share() as take:
            sent, body = await self._read(request, take)
            envelope = _parse_body(body)
            try:
                await self._store_received(Received(project, envelope, time.time(), sent))
            except StoreError as error:
                raise HTTPException(503, str(error)) from error
        if self._relay is not None:
            self._relay(envelope.body)
        return _Answer({"id": envelope.event_id} if envelope.event_id else {})

    async def _store_received(self, received: Received) -> None:
        """Wait until an envelope is written, together with all that come while others do.

        In the loop's own thread: handing it to another takes longer than writing it.
        """
        loop = asyncio.get_running_loop()
        if not self._batch:
            loop.call_soon(self._write_when_settled, loop, 0)
        written = loop.create_future()
        self._batch.append((received, written))
        await written

    def _write_when_settled(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Write what came in, once a turn of the loop has brought nothing more.

        Most of what a write costs is the same for one envelope and for many.
        """
        count = len(self._batch)
        if seen < count < _MAX_BATCH:
            loop.call_soon(self._write_when_settled, loop, count)
        else:
            self._write()

    def _write(self) -> None:
        batch, self._batch = self._batch, []
        failure = None
        try:
            self._store.write([received for received, _ in batch])
        except Exception as error:
            # Whatever it is: nobody else would tell those who wait.
            failure = error
        for _, written in batch:
            if written.done():  # its request was given up
                continue
            if failure is None:
                written.set_result(None)
            else:
                written.set_exception(failure)

    async def _read(self, request: Request, take: Callable[[int], None]) -> tuple[Encoded, bytes]:
        """Return the body as it was sent, and what it decompresses to."""
        encoding = _encoding(request)
        decoder, chunks, parts, size = DECODERS[encoding](), [], [], 0
        with _refusals(self._body_deadline):
            async with asyncio.timeout(self._body_deadline):
                async for chunk in request.stream():
                    if not chunk:  # the last one always is
                        continue
                    chunks.append(chunk)
                    if encoding != IDENTITY:
                        take(len(chunk))
                    for part in decoder.feed(chunk):
                        size += len(part)
                        if size > MAX_BODY_BYTES:
                            raise HTTPException(413, f"The body is over {MAX_BODY_BYTES} bytes.")
                        # Twice: once more for the decoder's window, or for joining the parts.
                        take(2 * len(part))
                        parts.append(part)
        if not decoder.is_complete:
            raise HTTPException(400, "The compressed body is truncated; send it again.")
        sent = Encoded(encoding, b"".join(chunks))
        chunks.clear()
        return sent, sent.data if encoding == IDENTITY else b"".join(parts)


@contextmanager
def _refusals(deadline: float) -> Iterator[None]:
    """Turn what goes wrong while a body is read into answers."""
    try:
        yield
    except TimeoutError as error:
        reason = f"The body did not end within {deadline:g} s; send it again."
        raise HTTPException(408, reason, {"Connection": "close"}) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "The connection was closed before the body ended.") from error
    except BadEncoding as error:
        reason = f"The body cannot be decompressed: {error}."
        raise HTTPException(400, reason) from error


class _Budget:
    """The bytes that all requests in flight may hold together."""

    def __init__(self, total: int) -> None:
        self._left = total

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Give a callable that takes bytes from the budget until the block ends."""
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._left:
                raise HTTPException(
                    429, "Too many bytes are in flight; try again.", {"Retry-After": "1"}
                )
            self._left -= size
            taken += size

        try:
            yield take
        finally:
            self._left += taken


def _encoding(request: Request) -> str:
    encoding = request.headers.get("content-encoding", IDENTITY).strip().lower()
    if encoding not in DECODERS:
        known = ", ".join(DECODERS)
        raise HTTPException(415, f"Content-Encoding {encoding} is not known; use {known}.")
    return encoding


def _parse_body(body: bytes) -> Envelope:
    try:
        return parse(body)
    except TooLarge as error:
        raise HTTPException(413, f"Too large: {error}.") from error
    except BadEnvelope as error:
        raise HTTPException(400, f"Not an envelope: {error}.") from error


def _given_key(request: Request) -> str | None:
    scheme, _, fields = request.headers.get("x-sentry-auth", "").partition(" ")
    if scheme.lower() == "sentry":
        pairs = (field.strip().partition("=") for field in fields.split(","))
        return next((value for name, _, value in pairs if name == "sentry_key"), None)
    return request.query_params.get("sentry_key")


async def _refusal(request: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, HTTPException), "it is registered for nothing else"
    return JSONResponse({"detail": refused.detail}, refused.status_code, refused.headers)


async def _health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})
