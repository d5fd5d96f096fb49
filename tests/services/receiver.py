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
        self.profiles: list[dict[str, Any]] = []
        self._arrived = threading.Condition()

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_address[1]}/1"

    def keep(self, body: bytes) -> None:
        with self._arrived:
            self.bodies.append(body)
            for item in Envelope.deserialize(body):
                # Items of other types are no JSON objects, or are not asked for.
                if item.type in {"event", "span", "profile_chunk"}:
                    self._keep(item.type, json.loads(item.payload.get_bytes()))
            self._arrived.notify_all()

    def _keep(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "profile_chunk":
            self.profiles.append(payload)
        elif kind == "event":
            trace = payload.get("contexts", {}).get("trace", {}).get("trace_id", "")
            self._items[trace].append((kind, payload))
        else:
            for span in payload["items"]:
                self._items[span["trace_id"]].append((kind, span))

    def telemetry(self, trace: str, service: str) -> "Telemetry":
        """Wait for the service span of ``service``, and for the errors that were sent before it."""
        with self._arrived:
            arrived = self._arrived.wait_for(lambda: self._segment(trace, service), WAIT_S)
            assert arrived, f"no service span of {service}, only {self._items[trace]}"
            return Telemetry(self._items[trace], service)

    def profile(self, service: str, profiler: str) -> dict[str, Any]:
        """Wait for what a profiler recorded of ``service``."""

        def mine() -> dict[str, Any] | None:
            return next((p for p in self.profiles if is_its(p, service, profiler)), None)

        with self._arrived:
            found = self._arrived.wait_for(mine, WAIT_S)
        assert found, f"no profile of {service}"
        return found

    def _segment(self, trace: str, service: str) -> bool:
        return any(
            kind == "span" and span["is_segment"] and server_name(span) == service
            for kind, span in self._items[trace]
        )


def is_its(profile: dict[str, Any], service: str, profiler: str) -> bool:
    return profile["profiler_id"] == profiler and profile["release"].startswith(f"{service}@")


def server_name(span: dict[str, Any]) -> str:
    return span["attributes"]["sentry.release"]["value"].partition("@")[0]


class Telemetry:
    """What one service reported of one trace."""

    def __init__(self, items: list[tuple[str, dict[str, Any]]], service: str) -> None:
        events = [item for kind, item in items if kind == "event"]
        spans = [item for kind, item in items if kind == "span" and server_name(item) == service]
        self.events = [event for event in events if event["server_name"] == service]
        self.segment = next(span for span in spans if span["is_segment"])
        self.children = sorted(
            (span for span in spans if not span["is_segment"]), key=lambda s: s["start_timestamp"]
        )

    def attribute(self, name: str) -> Any:
        """A value that the service span has; None without it."""
        return self.segment["attributes"].get(name, {}).get("value")

    @property
    def event(self) -> dict[str, Any]:
        (only,) = self.events
        return only

    @property
    def spans(self) -> list[str]:
        return [span["attributes"]["sentry.op"]["value"] for span in self.children]


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
