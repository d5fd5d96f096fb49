"""Reads and decompresses request bodies, with bounded size, time and memory."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from kit.ingest.encoding import DECODERS, IDENTITY, BadEncoding, Encoded

MAX_BODY_BYTES = 20 * 1024 * 1024
MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024


class Budget:
    """The bytes that all requests in flight may hold together."""

    def __init__(self, total: int) -> None:
        self._left = total

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Yield a callable that takes bytes from the budget until the block ends."""
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


async def read_body(
    request: Request, take: Callable[[int], None], deadline: float
) -> tuple[Encoded, bytes]:
    """Return the body as sent, and decompressed.

    ``take`` receives the bytes that it holds; ``deadline`` is in seconds. Raises HTTPException.
    """
    encoding = _encoding(request)
    decoder, chunks, parts, size = DECODERS[encoding](), [], [], 0
    with _refusals(deadline):
        async with asyncio.timeout(deadline):
            async for chunk in request.stream():
                if not chunk:  # the last one is always empty
                    continue
                chunks.append(chunk)
                if encoding != IDENTITY:
                    take(len(chunk))
                for part in decoder.feed(chunk):
                    size += len(part)
                    if size > MAX_BODY_BYTES:
                        raise HTTPException(413, f"The body is over {MAX_BODY_BYTES} bytes.")
                    # Twice: also for the decoder's window, or for joining the parts.
                    take(2 * len(part))
                    parts.append(part)
    if not decoder.is_complete:
        raise HTTPException(400, "The compressed body is truncated; send it again.")
    sent = Encoded(encoding, b"".join(chunks))
    chunks.clear()
    return sent, sent.data if encoding == IDENTITY else b"".join(parts)


def _encoding(request: Request) -> str:
    """Return the encoding of a body. An empty header counts as none, as in Relay."""
    encoding = request.headers.get("content-encoding", "").strip().lower() or IDENTITY
    if encoding not in DECODERS:
        known = ", ".join(DECODERS)
        raise HTTPException(415, f"Content-Encoding {encoding} is unknown; use {known}.")
    return encoding


@contextmanager
def _refusals(deadline: float) -> Iterator[None]:
    """Turn errors while reading a body into HTTP responses."""
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
