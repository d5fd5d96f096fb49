"""A stand-in for Sentry: keeps what a service sends, by trace, events and spans alike."""

import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sentry_sdk.envelope import Envelope

from kit.crashes.expectation import is_watchdog

WAIT_S = 60


class Trace:
    """What arrived of one trace."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.spans: list[dict[str, Any]] = []

    @property
    def event(self) -> dict[str, Any]:
        (only,) = self.events
        return only

    @property
    def segment(self) -> dict[str, Any] | None:
        """The span of the request itself: it is over when its answer is."""
        return next((span for span in self.spans if span["is_segment"]), None)

    @property
    def operations(self) -> set[str]:
        return {attribute(span, "sentry.op") for span in self.spans}


def attribute(span: dict[str, Any], name: str) -> Any:
    """The value of an attribute of a span; None without one."""
    return span["attributes"].get(name, {}).get("value")


def is_late_by_chance(event: dict[str, Any]) -> bool:
    """Whether Node's watchdog found the event loop late where nothing blocks it.

    On a busy machine that may be at any moment.
    """
    is_block = "countUnmatched" in json.dumps(event["exception"])
    return is_watchdog(event) and not is_block


class Receiver(ThreadingHTTPServer):
    """Listens on 127.0.0.1; ``dsn`` is what a service needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EnvelopeHandler)
        self.bodies: list[bytes] = []
        self.traces: dict[str, Trace] = defaultdict(Trace)
        self._arrived = threading.Condition()

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_address[1]}/3"

    def keep(self, body: bytes) -> None:
        with self._arrived:
            self.bodies.append(body)
            for item in Envelope.deserialize(body):
                if item.type == "event":
                    event = json.loads(item.payload.get_bytes())
                    if not is_late_by_chance(event):
                        self.traces[event["contexts"]["trace"]["trace_id"]].events.append(event)
                elif item.type == "span":
                    for span in json.loads(item.payload.get_bytes())["items"]:
                        self.traces[span["trace_id"]].spans.append(span)
            self._arrived.notify_all()

    def wait(self, trace_id: str, enough: Callable[[Trace], Any]) -> Trace:
        """Return the trace when it holds ``enough``."""
        with self._arrived:
            trace = self.traces[trace_id]
            arrived = self._arrived.wait_for(lambda: enough(trace), WAIT_S)
            assert arrived, f"only {vars(trace)}"
            return trace


class EnvelopeHandler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = b"".join(self._chunks())
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.keep(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _chunks(self) -> list[bytes]:
        """Node's SDK does not say how long its envelopes are."""
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return chunks

    def log_message(self, format: str, *args: Any) -> None:
        pass
