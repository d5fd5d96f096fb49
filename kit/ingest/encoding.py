"""Content encodings: bodies as sent, and decompressed."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import brotli  # type: ignore[import-untyped]

IDENTITY = "identity"
# One step of decompression: what a decompression bomb may cost before the next check.
_STEP_BYTES = 256 * 1024
# Below it compression saves little; from it on the SDK for Node.js compresses.
_SHRUNK_BYTES = range(256, 32 * 1024)
# 8 MiB: every Zstandard decoder must support that (RFC 8878, 3.1.1.1.2); more is refused.
_MAX_WINDOW_LOG = 23


class BadEncoding(ValueError):
    """The bytes do not have the declared encoding; the message says why."""


class Encoded(NamedTuple):
    """Bytes as sent, and their encoding: one of ``DECODERS``."""

    encoding: str
    data: bytes


class Decoder(Protocol):
    """Decompresses one body incrementally."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed ``chunk`` in parts of bounded size. Raises BadEncoding."""

    @property
    def is_complete(self) -> bool:
        """Whether the body is complete with the data fed so far."""


def shrink(encoded: Encoded) -> Encoded:
    """Return a small uncompressed body compressed, and any other unchanged.

    Sentry's SDK for Node.js compresses larger ones itself, and sends many small ones: an envelope
    for each log line.
    """
    if encoded.encoding != IDENTITY or len(encoded.data) not in _SHRUNK_BYTES:
        return encoded
    data = zlib.compress(encoded.data, level=1)
    return Encoded("deflate", data) if len(data) < len(encoded.data) else encoded


def decode(encoded: Encoded) -> bytes:
    """Return a body decompressed. Raises BadEncoding."""
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


class _Zstandard:
    """Imports its module on first use, because few senders need it."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        self._error = zstd.ZstdError
        options = {int(zstd.DecompressionParameter.window_log_max): _MAX_WINDOW_LOG}
        self._stream = zstd.ZstdDecompressor(options=options)

    @property
    def is_complete(self) -> bool:
        return bool(self._stream.eof)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        yield (part := self._decompress(chunk))
        while part and not self._stream.eof:
            yield (part := self._decompress(b""))
        if self._stream.eof and self._stream.unused_data:
            raise BadEncoding("there is more after its end")

    def _decompress(self, data: bytes) -> bytes:
        if self._stream.eof:
            raise BadEncoding("there is more after its end")
        try:
            return bytes(self._stream.decompress(data, _STEP_BYTES))
        except self._error as error:
            raise BadEncoding(str(error)) from error


DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstandard,
    IDENTITY: _Identity,
}
