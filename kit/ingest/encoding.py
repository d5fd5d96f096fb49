"""Content encodings: bodies as they are sent, and what they decompress to."""

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import brotli  # type: ignore[import-untyped]

IDENTITY = "identity"
# One step of decompression: what a bomb may cost before it is looked at again.
_STEP_BYTES = 256 * 1024


class BadEncoding(ValueError):
    """The bytes are not of the encoding that they are said to be; the message says why."""


class Encoded(NamedTuple):
    """Bytes as they were sent, and their encoding: one of ``DECODERS``."""

    encoding: str
    data: bytes


class Decoder(Protocol):
    """Decompresses one body, as it comes in."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what ``chunk`` decompresses to, in parts of bounded size. Raises BadEncoding."""

    @property
    def is_complete(self) -> bool:
        """Whether the data fed so far is all of it."""


def decode(encoded: Encoded) -> bytes:
    """Return what a body decompresses to. Raises BadEncoding."""
    return b"".join(DECODERS[encoded.encoding]().feed(encoded.data))


class _Identity:
    is_complete = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        yield (part := self._decompress(chunk))
        while len(part) == _STEP_BYTES:
            yield (part := self._decompress(self._stream.unconsumed_tail))
        if self._stream.unused_data:
            raise BadEncoding("there is more after its end")

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, _STEP_BYTES)
        except zlib.error as error:
            raise BadEncoding(str(error)) from error


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._stream.is_finished())

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        part = self._decompress(chunk)
        while part:
            yield part
            part = self._decompress(b"")

    def _decompress(self, data: bytes) -> bytes:
        try:
            return bytes(self._stream.process(data, output_buffer_limit=_STEP_BYTES))
        except brotli.error as error:
            raise BadEncoding(str(error)) from error


DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    IDENTITY: _Identity,
}
