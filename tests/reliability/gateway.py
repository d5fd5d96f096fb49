"""A gateway for the traffic alone, which answers as a test wants it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answering = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request to the gateway; ``json_body`` is what a spin sends."""

    server: "StandIn"
    json_body: dict[str, Any] | None = None

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length", 0))
        self.json_body = json.loads(self.rfile.read(size)) if size else None
        self.server.requests.append(self)
        self.server.answering(self)

    do_POST = do_GET

    def answer(self, status: int = 200, body: str = "{}", length: int | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given: object) -> None:
        """Write nothing."""


class StandIn(ThreadingHTTPServer):
    """Answers each request by calling ``answering``, in a thread of its own."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, answering: Answering) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answering = answering
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *given: object) -> None:
        """A caller that went away is what some tests are about."""


@contextmanager
def stand_in(answering: Answering = Request.answer) -> Iterator[StandIn]:
    server = StandIn(answering)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
