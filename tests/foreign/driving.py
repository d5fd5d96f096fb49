"""Runs the programs of other SDKs against a real ingest."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kit.hosting.node import find_node
from kit.ingest.app import make_app
from kit.ingest.store import Store, StoredItem
from kit.system.system import ingest_server
from tests.foreign.installation import Installation, require
from tests.foreign.sdks import CLI, EVERY, GO, MESSAGE, NODE, PYTHON, RUBY, ForeignSdk

PATIENCE_S = 60.0
FIRST_ID = 1001

Command = tuple[list[str], dict[str, str]]


@dataclass
class ForeignIngest:
    """A running ingest with a project for each SDK."""

    url: str
    store: Store

    def dsn(self, sdk: ForeignSdk) -> str:
        """Return the DSN of an SDK's project."""
        return f"{self.url.replace('//', f'//{key_of(sdk)}@')}/{id_of(sdk)}"

    def wait_for_events(self, sdk: ForeignSdk) -> list[StoredItem]:
        """Return the events of an SDK in the order of arrival, once all that it sends are there."""
        deadline = time.monotonic() + PATIENCE_S
        with self.store.subscribe() as arrivals:
            while len(found := self.events(sdk)) < len(sdk.titles):
                arrivals.get(deadline - time.monotonic())
        return found

    def events(self, sdk: ForeignSdk) -> list[StoredItem]:
        """Return the events of an SDK in the order of arrival."""
        return self.store.items(project=sdk.name, type="event")[::-1]


def id_of(sdk: ForeignSdk) -> int:
    """Return the number of an SDK's project."""
    return FIRST_ID + EVERY.index(sdk)


def key_of(sdk: ForeignSdk) -> str:
    """Return the key of an SDK's project; some SDKs take hexadecimal digits only."""
    return f"{id_of(sdk):032x}"


@contextmanager
def running(folder: Path) -> Iterator[ForeignIngest]:
    """Run an ingest that has a project for each SDK."""
    projects = {str(id_of(sdk)): (sdk.name, key_of(sdk)) for sdk in EVERY}
    store = Store(folder / "foreign.db")
    make = partial(make_app, store, projects)
    server = ingest_server(make)
    server.launch().wait()
    try:
        yield ForeignIngest(server.url, store)
    finally:
        server.stop()
        store.close()


def run(sdk: ForeignSdk, dsn: str, installed: Installation) -> str:
    """Run the program of an SDK to its end and return what it printed."""
    arguments, environment = _COMMANDS[sdk](sdk, installed)
    done = subprocess.run(
        arguments,
        env={**_environment(), **environment, "SENTRY_DSN": dsn},
        cwd=sdk.source.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.stdout


def _environment() -> dict[str, str]:
    """Return the environment without what configures SDKs, and without a proxy."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SENTRY_") and not name.lower().endswith("_proxy")
    }


def _python(sdk: ForeignSdk, installed: Installation) -> Command:
    path = os.pathsep.join([str(installed.python(sdk)), str(sdk.source.parent)])
    return [sys.executable, str(sdk.source)], {"PYTHONPATH": path}


def _node(sdk: ForeignSdk, installed: Installation) -> Command:
    environment = {"NODE_PATH": str(installed.npm()), "SDK": sdk.package}
    return [str(find_node().path), str(sdk.source)], environment


def _cli(sdk: ForeignSdk, installed: Installation) -> Command:
    program = installed.npm() / sdk.package / "bin" / "sentry-cli"
    said = ["--message", MESSAGE, "--level", "warning", "--tag", "shop.till:north"]
    about = ["--release", "shop@1.4.2", "--env", "production", "--user", "id:7"]
    return [str(find_node().path), str(program), "send-event", *said, *about], {}


def _ruby(sdk: ForeignSdk, _: Installation) -> Command:
    return [require("ruby"), str(sdk.source)], {}


def _go(sdk: ForeignSdk, installed: Installation) -> Command:
    return [str(installed.go(sdk))], {}


_COMMANDS: dict[ForeignSdk, Callable[[ForeignSdk, Installation], Command]] = {
    **dict.fromkeys(PYTHON, _python),
    **dict.fromkeys(NODE, _node),
    CLI: _cli,
    **dict.fromkeys(RUBY, _ruby),
    GO: _go,
}
