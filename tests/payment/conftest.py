"""The payment service as a process of its own, reporting to a receiver in this one."""

import json
import os
import queue
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from demo_services.payment import HOME
from kit.hosting import node

from .receiver import Receiver, Trace

TOKEN = "workshop-7f3a-secret"
WAIT_S = 60

Start = Callable[..., "Payment"]


class Payment:
    """The service while it runs, what it says, and what it reports."""

    def __init__(self, receiver: Receiver, **environment: str) -> None:
        self.receiver = receiver
        given = {"PORT": "0", "SENTRY_DSN": receiver.dsn, "DEBUG_TOKEN": TOKEN, **environment}
        command = node.node_command(HOME, given, report=print)
        self.process = subprocess.Popen(
            command.arguments,
            cwd=command.cwd,
            env=command.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors: list[str] = []
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=read, daemon=True)
            for read in (self._read_lines, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()
        self.ready = self.said("ready")
        self.url = f"http://127.0.0.1:{self.ready['port']}"

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def said(self, kind: str) -> dict[str, Any]:
        """Wait for the next line, which is of that type."""
        line = self._said.get(timeout=WAIT_S)
        assert line is not None, "".join(self.errors)
        assert line.pop("type") == kind
        return line

    def call(self, path: str, method: str = "GET", **kwargs: Any) -> httpx.Response:
        """Make one call in a trace of its own."""
        headers = {
            "sentry-trace": f"{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-1",
            "X-Debug-Token": TOKEN,
            **kwargs.pop("headers", {}),
        }
        return httpx.request(
            method, self.url + path, headers=headers, timeout=WAIT_S, trust_env=False, **kwargs
        )

    def dies_of(self, path: str) -> str:
        """Make a call that gets no answer; return its trace, once the process is gone."""
        trace = uuid.uuid4().hex
        with pytest.raises(httpx.RemoteProtocolError):
            self.call(path, headers={"sentry-trace": f"{trace}-{uuid.uuid4().hex[:16]}-1"})
        self.process.wait(WAIT_S)
        return trace

    def trace(self, response: httpx.Response, events: int = 0) -> Trace:
        """Return what is reported of a call: its own span, and that many events."""
        trace = response.request.headers["sentry-trace"].partition("-")[0]
        return self.receiver.wait(
            trace, lambda it: it.segment is not None and len(it.events) >= events
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT_S)
        for reader in self._readers:
            reader.join(WAIT_S)


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def payment(receiver: Receiver) -> Iterator[Payment]:
    """The service that all tests share that leave it alive."""
    payment = Payment(receiver)
    yield payment
    payment.stop()


@pytest.fixture
def start(receiver: Receiver) -> Iterator[Start]:
    """Start a service of the test's own."""
    started: list[Payment] = []

    def start(**environment: str) -> Payment:
        started.append(Payment(receiver, **environment))
        return started[-1]

    yield start
    for payment in started:
        payment.stop()


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Node.js in the service's folder, with its packages, to its end."""
    command = node.node_command(HOME, environment, report=print)
    return subprocess.run(
        [command.arguments[0], *arguments],
        cwd=command.cwd,
        env={**os.environ, **(command.env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
