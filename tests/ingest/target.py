"""The whole ingest as one function of the bytes it is sent, which checks itself."""

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

from sentry_sdk.envelope import Envelope as SdkEnvelope
from sentry_sdk.envelope import parse_json

from kit.ingest.app import make_app
from kit.ingest.encoding import Encoded, decode
from kit.ingest.store import Store, StoredItem
from tests.ingest.sending import KEY, PROJECTS

CORPUS = Path(__file__).with_name("corpus")
CHECKED_EVERY = 5000
MAGIC = {b"\x1f\x8b": "gzip", b"\x78": "deflate", b"\x28\xb5\x2f\xfd": "zstd"}


class Answer(NamedTuple):
    """What the ingest answered, and the decompressed body if it was accepted."""

    status: int
    body: dict[str, Any]
    accepted: bytes | None


class Target:
    """An ingest on a store of its own, called as its server calls it."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.accepted: list[bytes] = []
        self._app = make_app(self.store, PROJECTS, relay=self.accepted.append)
        self._loop = asyncio.new_event_loop()
        self._calls = 0

    def check(self, data: bytes) -> Answer:
        """Send a body. Raises AssertionError when the answer or the store is not as it must be."""
        before = self._newest()
        answer = self._loop.run_until_complete(self._call(data))
        assert answer.status < 500, answer
        if answer.status == 200:
            assert answer.accepted is not None
            self._compare(answer.accepted, before)
        else:
            assert isinstance(answer.body["detail"], str), answer
            assert self._newest() == before, "what was refused is stored"
        self._calls += 1
        if self._calls % CHECKED_EVERY == 0:
            self.assert_sound()
        return answer

    def check_request(
        self, method: str, path: str, query: str, kind: str, data: bytes
    ) -> tuple[int, bytes]:
        """Send a request to any endpoint. Raises AssertionError when the answer is not as it must.

        Return the status and the body of the answer.
        """
        before = self._newest()
        headers = {"host": "127.0.0.1", "content-type": kind, **KEY}
        call = self._request(method, path, query, headers, data)
        status, answered = self._loop.run_until_complete(call)
        assert status < 500 or status == 501, answered
        if status >= 400:
            assert isinstance(json.loads(answered)["detail"], str)
            assert self._newest() == before, "what was refused is stored"
        for item in self.store.items():
            assert item.headers["type"] == item.type
        return status, answered

    def assert_sound(self) -> None:
        """Let SQLite look through the whole file, then empty it."""
        verdict = self.store._reader.execute("PRAGMA integrity_check").fetchone()
        assert verdict == ("ok",), verdict
        assert not self.store._reader.execute("PRAGMA foreign_key_check").fetchall()
        self.store._writer.execute("DELETE FROM envelopes")

    def close(self) -> None:
        """Look through the file a last time, and close it."""
        self.assert_sound()
        self.store.close()
        self._loop.close()

    def _newest(self) -> int:
        (newest,) = self.store._reader.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()
        return newest or 0

    def _compare(self, body: bytes, before: int) -> None:
        """Everything in the body is in the store, byte for byte."""
        query = "SELECT encoding, body FROM envelopes ORDER BY id DESC LIMIT 1"
        assert decode(Encoded(*self.store._reader.execute(query).fetchone())) == body
        rows = self.store._reader.execute(
            'SELECT "offset", length FROM items WHERE envelope = '
            "(SELECT max(id) FROM envelopes) ORDER BY id"
        ).fetchall()
        kept = b"".join(body[offset : offset + length] for offset, length in rows)
        # All but the envelope's header line and blank lines at the end.
        assert kept.strip() == body.partition(b"\n")[2].strip()
        stored = self.store.items(limit=max(len(rows), 1))[: len(rows)]
        for item in stored:
            assert item.project == "gateway"
            assert item.headers["type"] == item.type
        _compare_with_the_sdk(body, stored[::-1])

    async def _call(self, data: bytes) -> Answer:
        headers = {"host": "127.0.0.1", "content-encoding": encoding(data), **KEY}
        self.accepted.clear()
        status, body = await self._request("POST", "/api/1/envelope/", "", headers, data)
        accepted = self.accepted[0] if self.accepted else None
        return Answer(status, json.loads(body), accepted)

    async def _request(
        self, method: str, path: str, query: str, headers: dict[str, str], data: bytes
    ) -> tuple[int, bytes]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        # In two pieces, cut where the length says, so that the same input is always cut alike.
        cut = len(data) * 7 % (len(data) + 1)
        received = [
            {"type": "http.request", "body": data[:cut], "more_body": True},
            {"type": "http.request", "body": data[cut:], "more_body": False},
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return received.pop(0) if received else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def _compare_with_the_sdk(body: bytes, stored: list[StoredItem]) -> None:
    """The SDK's own reader finds the same items; it adds a type of content where none is given."""
    for ours, theirs in zip(stored, SdkEnvelope.deserialize(body).items, strict=True):
        default = {"content_type": theirs.payload.inferred_content_type}
        assert _comparable(default | ours.headers) == _comparable(theirs.headers)
        parsed = theirs.payload.json
        if isinstance(ours.payload, bytes):
            assert ours.payload == theirs.get_bytes()
        elif parsed is None:
            parsed = parse_json(theirs.get_bytes())
        if parsed is not None:
            assert _comparable(ours.payload) == _comparable(parsed)


def _comparable(value: Any) -> Any:
    """Return parsed JSON in which NaN equals NaN."""
    if isinstance(value, dict):
        return {name: _comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(_comparable, value))
    return value if value == value else "NaN"


def encoding(data: bytes) -> str:
    """Return the encoding that a body looks as if it had."""
    # Brotli has no magic number; these bits are the size of the window that it takes by default.
    if data[:1] != b"{" and data[:1] and data[0] & 0x0F == 0x0B:
        return "br"
    return next((name for magic, name in MAGIC.items() if data.startswith(magic)), "identity")
