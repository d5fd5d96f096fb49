"""A stand-in for Sentry: keeps the envelopes that services send, by trace."""

import gzip
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import brotli
from sentry_sdk.envelope import Envelope

DECODERS = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}
WAIT_S = 60


class Receiver(ThreadingHTTPServer):
    """Listens on 127.0.0.1; ``dsn`` is what a service needs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EnvelopeHandler)
        self.bodies: list[bytes] = []
        self._items: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        self._arrived = threading.Condition()

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_address[1]}/1"

    def keep(self, body: bytes) -> None:
        with self._arrived:
            self.bodies.append(body)
            for item in Envelope.deserialize(body):
                # Items of other types are no JSON objects, or belong to no trace.
                if item.type in {"event", "transaction", "profile"}:
                    payload = json.loads(item.payload.get_bytes())
                    self._items[self._trace(payload)].append((item.type, payload))
            self._arrived.notify_all()

    @staticmethod
    def _trace(payload: dict[str, Any]) -> str:
        if "transactions" in payload:  # a profile
            return payload["transactions"][0]["trace_id"]
        return payload.get("contexts", {}).get("trace", {}).get("trace_id", "")

    def telemetry(self, trace: str, service: str) -> "Telemetry":
        """Wait for the transaction of ``service``: it is sent after the errors in it."""
        with self._arrived:
            arrived = self._arrived.wait_for(lambda: self._transaction(trace, service), WAIT_S)
            assert arrived, f"no transaction of {service}, only {self._items[trace]}"
            return Telemetry(self._items[trace], service)

    def _transaction(self, trace: str, service: str) -> bool:
        return any(
            kind == "transaction" and payload["server_name"] == service
            for kind, payload in self._items[trace]
        )


class Telemetry:
    """What one service reported of one trace."""

    def __init__(self, items: list[tuple[str, dict[str, Any]]], service: str) -> None:
        mine = [(kind, item) for kind, item in items if item.get("server_name", service) == service]
        self.events = [item for kind, item in mine if kind == "event"]
        self.transaction = next(item for kind, item in mine if kind == "transaction")
        # Profiles say the service by their release only.
        self.profiles = [
            item for kind, item in items if kind == "profile" and service in item["release"]
        ]

    @property
    def event(self) -> dict[str, Any]:
        (only,) = self.events
        return only

    @property
    def spans(self) -> list[str]:
        return [span["op"] for span in self.transaction["spans"]]


class EnvelopeHandler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keep(DECODERS[self.headers["Content-Encoding"]](body))
        self.send_response(200)
        # No body: a second write would wait 40 ms for the first one's acknowledgement.
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass
