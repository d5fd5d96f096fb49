"""Real services, each in its own process, reporting to a receiver in this one."""

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from demo_services.payment import HOME
from kit.hosting import node
from kit.hosting.child import Command
from kit.hosting.supervisor import Supervisor

from .receiver import Receiver, Telemetry

TOKEN = "workshop-7f3a-secret"
WAIT_S = 60


class Running:
    """A service that runs alone, and what it reports."""

    def __init__(self, name: str, receiver: Receiver, **environment: str) -> None:
        self.name = name
        self.receiver = receiver
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"demo_services.{name.replace('-', '_')}", "--port", "0"],
            env={**os.environ, "SENTRY_DSN": receiver.dsn, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        match = re.fullmatch(rf"{name} listening on (http://127\.0\.0\.1:\d+)\n", said)
        assert match, said or self.process.communicate()
        self.url = match[1]
        self.errors: list[str] = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        # The SDK's sender starts with the first event and traces its own upload in that request.
        health = self.call("/health")
        if environment.get("SENTRY_DSN") != "":
            self.telemetry(health)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

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

    def health(self, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until what it says of its health is right: it has little patience with others."""
        deadline = time.monotonic() + WAIT_S
        while not is_right(said := self.call("/health").json()):
            assert time.monotonic() < deadline, said
        return said

    def telemetry(self, response: httpx.Response) -> Telemetry:
        """Return what this service reported of a call."""
        trace = response.request.headers["sentry-trace"].partition("-")[0]
        return self.receiver.telemetry(trace, self.name)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)


def is_up(health: dict[str, Any]) -> bool:
    return bool(health["status"] == "up")


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def statistics(receiver: Receiver) -> Iterator[Running]:
    """The analytics service, with the database of all tests."""
    with Running("analytics", receiver, DEBUG_TOKEN=TOKEN) as running:
        running.health(is_up)
        yield running


@pytest.fixture(scope="session")
def engine(receiver: Receiver, statistics: Running) -> Iterator[Running]:
    environment = {"DEBUG_TOKEN": TOKEN, "ANALYTICS_URL": statistics.url}
    with Running("game-engine", receiver, **environment) as running:
        yield running


@pytest.fixture(scope="session")
def payment() -> Iterator[Supervisor]:
    """The payment service; what it reports is the subject of tests of its own."""
    command = node.node_command(HOME, {"DEBUG_TOKEN": TOKEN}, report=print)

    def prepare(port: int, _: threading.Event) -> Command:
        return command._replace(env={**(command.env or {}), "PORT": str(port)})

    running = Supervisor("payment", prepare).launch()
    running.wait(WAIT_S)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def gateway(
    receiver: Receiver, engine: Running, payment: Supervisor, statistics: Running
) -> Iterator[Running]:
    environment = {
        "DEBUG_TOKEN": TOKEN,
        "PAYMENT_URL": payment.url,
        "GAME_ENGINE_URL": engine.url,
        "ANALYTICS_URL": statistics.url,
    }
    with Running("gateway", receiver, **environment) as running:
        yield running
