"""Examines the machine: what is there, what is missing, and how to get it."""

import os
import platform
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from demo_services import payment
from demo_services.services import SERVICES
from kit.commands.npm_packages import NPM_PACKAGES
from kit.hosting import node
from kit.hosting.database import Database
from kit.hosting.server import HOST, ServerError
from kit.system.dsn import INGEST, INGEST_PORT

PACKAGE = "crash-workshop"
NEEDED_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Diagnosis:
    """The result for one requirement; ``remedy`` says what to do when it is not ``ok``."""

    ok: bool
    what: str
    remedy: str = ""


def examine_machine(home: Path, course: Path) -> Iterator[Diagnosis]:
    """Yield a diagnosis for everything that the workshop needs."""
    yield Diagnosis(True, f"Python {platform.python_version()} on {platform.platform()}")
    yield from _packages()
    yield Diagnosis(
        course.is_dir(), f"the course in {course}", f"pip install --force-reinstall {PACKAGE}"
    )
    yield _writable(home, "WORKSHOP_HOME")
    yield _database()
    yield from _node()
    yield from _ports()


def _packages() -> Iterator[Diagnosis]:
    for requirement in map(Requirement, requires(PACKAGE) or []):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "missing"
        fits = found != "missing" and found in requirement.specifier
        yield Diagnosis(fits, f"{requirement.name} {found}", f"pip install '{requirement}'")


def _writable(folder: Path, variable: str) -> Diagnosis:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            # An empty file can be created even on a full disk.
            file.write(bytes(NEEDED_BYTES))
    except OSError as error:
        remedy = f"free some disk space there, or set {variable} to a folder of your own"
        return Diagnosis(False, f"{folder}: {error}", remedy)
    return Diagnosis(True, f"{folder} is writable")


def _database() -> Diagnosis:
    database = Database()
    if database.unavailable:
        return Diagnosis(False, "no database", database.unavailable)
    given = os.environ.get("MONGODB_URI")
    where = f"MONGODB_URI, at {database.address}" if given else "SecantusDB, started when needed"
    return Diagnosis(True, f"database: {where}")


def _node() -> Iterator[Diagnosis]:
    try:
        found = node.find_node()
    except ServerError as error:
        yield Diagnosis(False, "no Node.js", str(error))
        return
    given = "WORKSHOP_NODE" if os.environ.get("WORKSHOP_NODE") else "came with the workshop"
    yield Diagnosis(True, f"Node.js {found.version}: {given}")
    try:
        modules = {name: node.node_modules(NPM_PACKAGES[name], found) for name in NPM_PACKAGES}
    except ServerError as error:
        yield Diagnosis(False, "packages from npm: no folder for them", str(error))
        return
    missing = {name: node.missing_packages(NPM_PACKAGES[name], found) for name in NPM_PACKAGES}
    for name, folder in modules.items():
        yield Diagnosis(True, f"packages of {name}: {_packages_state(folder, missing[name])}")
    if any(missing.values()):
        yield _writable(modules[payment.HOME.name].parent.parent, "WORKSHOP_CACHE")


def _packages_state(modules: Path, missing: list[str]) -> str:
    if not missing:
        return f"in {modules}"
    if modules.is_dir():
        return f"incomplete, {missing[0]} is missing: the next use downloads them again"
    return "not installed yet: the first use downloads them"


def _ports() -> Iterator[Diagnosis]:
    """A taken port is fine: another is used."""
    wanted = {INGEST: INGEST_PORT} | {s.name: s.port for s in SERVICES.values() if s.port}
    for name, port in wanted.items():
        with closing(socket.socket()) as probe:
            taken = probe.connect_ex((HOST, port)) == 0
        state = "taken; another one will be used" if taken else "free"
        yield Diagnosis(True, f"port {port} for {name} is {state}")
