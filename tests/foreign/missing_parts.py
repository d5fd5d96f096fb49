"""What the ingest does not answer yet, for tests only: the store endpoint and other origins."""

import base64
import binascii
import json
import zlib

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


def with_missing_parts(app: ASGIApp) -> ASGIApp:
    """Return the application, with an endpoint for single events and answers to preflights."""

    async def store(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        event = _decode(await request.body())
        head = json.dumps({"event_id": json.loads(event)["event_id"]}).encode()
        item = json.dumps({"type": "event", "length": len(event)}).encode()
        content = b"\n".join((head, item, event, b""))

        async def body() -> dict[str, object]:
            return {"type": "http.request", "body": content, "more_body": False}

        kept = [pair for pair in scope["headers"] if pair[0] in (b"host", b"x-sentry-auth")]
        path = scope["path"].replace("/store/", "/envelope/")
        await app({**scope, "path": path, "raw_path": path.encode(), "headers": kept}, body, send)

    return CORSMiddleware(
        _Choose(app, store), allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
    )


class _Choose:
    def __init__(self, app: ASGIApp, store: ASGIApp) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_store = scope["type"] == "http" and scope["path"].endswith("/store/")
        if scope["type"] == "http":
            # sentry-ruby 5.3 sends the header without a value where it does not compress.
            named = [pair for pair in scope["headers"] if pair != (b"content-encoding", b"")]
            scope = {**scope, "headers": named}
        await (self._store if is_store else self._app)(scope, receive, send)


def _decode(body: bytes) -> bytes:
    """Return the JSON of an event; old SDKs compress it, and some encode that as base64."""
    for decode in (bytes, zlib.decompress, lambda data: zlib.decompress(data, 31)):
        for data in (body, _unbase64(body)):
            try:
                json.loads(text := decode(data))
            except (ValueError, zlib.error):
                continue
            return text
    return body


def _unbase64(body: bytes) -> bytes:
    try:
        return base64.b64decode(body)
    except binascii.Error:
        return body
