"""Envelopes to send to an ingest, and an ingest in a process of its own to send them to."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from kit.ingest.app import make_app
from kit.ingest.encoding import IDENTITY, Encoded
from kit.ingest.envelope import parse
from kit.ingest.store import Received, Store
from kit.system.ingest_server import ingest_server

PROJECTS = {"1": ("gateway", "key-1"), "2": ("game-engine", "key-2")}
PATIENCE_S = 60.0
KEY = {"X-Sentry-Auth": "Sentry sentry_key=key-1, sentry_version=7"}


def new_id() -> str:
    return uuid4().hex


def item(kind: str, payload: object, **headers: object) -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    header = json.dumps({"type": kind, "length": len(data), **headers}).encode()
    return header + b"\n" + data + b"\n"


def body(*items: bytes, **headers: object) -> bytes:
    return json.dumps(headers).encode() + b"\n" + b"".join(items)


def error(trace_id: str, **fields: object) -> bytes:
    event_id = new_id()
    event = {"event_id": event_id, "contexts": {"trace": {"trace_id": trace_id}}, **fields}
    return body(item("event", event), event_id=event_id)


def store_away(store: Store, *contents: bytes, project: str = "gateway") -> None:
    """Store envelopes as the ingest does."""
    store.write([received(content, project=project) for content in contents])


def received(content: bytes, *, project: str = "gateway", at: float | None = None) -> Received:
    """Return an envelope that was sent without compression, now or at another time."""
    sent = Encoded(IDENTITY, content)
    return Received(project, parse(content), time.time() if at is None else at, sent)


@dataclass
class Ingest:
    """A running ingest, its store, and the bytes that it handed to its relay."""

    url: str
    store: Store
    relayed: list[bytes]

    @property
    def dsn(self) -> str:
        return f"{self.url.replace('//', '//key-1@')}/1"

    def post(self, content: Any, path: str = "/api/1/envelope/", **headers: str) -> httpx.Response:
        with client() as http:
            return http.post(self.url + path, content=content, headers={**KEY, **headers})


def client() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=PATIENCE_S)


@contextmanager
def running(
    store: Store,
    body_deadline: float = PATIENCE_S,
    projects: Mapping[str, tuple[str, str]] = PROJECTS,
) -> Iterator[Ingest]:
    """Run an ingest on a store."""
    relayed: list[bytes] = []
    make = partial(make_app, store, projects, relay=relayed.append, body_deadline=body_deadline)
    server = ingest_server(make)
    server.launch().wait()
    yield Ingest(server.url, store, relayed)
    server.stop()


@dataclass
class Child:
    """An ingest in a process of its own."""

    url: str
    process: subprocess.Popen[str]

    def peak_bytes(self) -> int:
        """Return the most memory that the process ever had resident."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("peak\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def child_ingest(path: Path) -> Iterator[Child]:
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield Child(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.kill()
