"""The projects of an ingest: the course's services, and your own, whose DSNs stay the same."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from demo_services.services import SERVICES
from kit.actionable import WorkshopError
from kit.private import private_folder, write_private

# Lower ids belong to the services, whose DSNs change with each start.
FIRST_OWN_ID = 1001
# For items that arrive without a DSN.
SPOTLIGHT = "spotlight"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")
_FILE = "projects.json"
_LOCK_DEADLINE_S = 10.0


class Project(NamedTuple):
    """The name under which a project's items are stored, and the key that its DSN must contain."""

    name: str
    key: str


class Projects(Mapping[str, Project]):
    """The projects by id: the number at the end of a DSN.

    ``given`` are those of this run. Your own are stored in the workshop folder ``home``, with the
    ingest port in their DSNs; every process that uses the folder knows them.
    """

    def __init__(self, home: Path, given: Mapping[str, tuple[str, str]]) -> None:
        self._path = home / _FILE
        self._given = {number: Project(*project) for number, project in given.items()}
        self._own: dict[str, Project] = {}
        self._read_state: tuple[int, int] | None = None

    def __getitem__(self, number: str) -> Project:
        if number in self._given:
            return self._given[number]
        return self._read_own()[number]

    def __iter__(self) -> Iterator[str]:
        yield from self._given
        yield from self._read_own()

    def __len__(self) -> int:
        return len(self._given) + len(self._read_own())

    @property
    def own(self) -> dict[str, Project]:
        """Your own projects by id, oldest first. Raises WorkshopError."""
        return own_projects(_read(self._path))

    @property
    def port(self) -> int | None:
        """The port in your own projects' DSNs; None before the first. Raises WorkshopError."""
        return _port(_read(self._path))

    def dsn(self, name: str, port: int) -> str:
        """Return the DSN of your own project ``name``, at the ingest on ``port``.

        The first call creates it; later calls return the same. Raises WorkshopError for an invalid
        name, and when the file of the projects cannot be read or written.
        """
        if name in (*SERVICES, SPOTLIGHT):
            raise WorkshopError(
                f"The course itself has a project called {name}. Choose another "
                "name for your project, such as my-app."
            )
        if not _NAME.fullmatch(name):
            raise WorkshopError(
                f"A project cannot be called {name!r}. Use up to 50 lower-case letters, digits, "
                "hyphens, dots and underscores, and begin with a letter or digit: my-app."
            )
        number, project = self._find(name) or self._add(name, port)
        return make_dsn(project.key, port, number)

    def _find(self, name: str) -> tuple[str, Project] | None:
        found = self.own.items()
        return next(((number, own) for number, own in found if own.name == name), None)

    def _add(self, name: str, port: int) -> tuple[str, Project]:
        try:
            private_folder(self._path.parent)
            lock = FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_DEADLINE_S, mode=0o600)
            with lock:
                # Another process may have added it meanwhile.
                return self._find(name) or self._write_added(name, port)
        except (OSError, TimeoutError) as error:
            raise WorkshopError(
                f"Could not save the project {name} in {self._path}: {error}. Free space there, or "
                "set WORKSHOP_HOME to a folder that you can write to, and start again."
            ) from error

    def _write_added(self, name: str, port: int) -> tuple[str, Project]:
        content = _read(self._path)
        known = own_projects(content)
        number = str(max([FIRST_OWN_ID - 1, *map(int, known)]) + 1)
        project = Project(name, secrets.token_hex(16))
        projects = {n: own._asdict() for n, own in {**known, number: project}.items()}
        content = {"port": _port(content) or port, "projects": projects}
        write_private(self._path, json.dumps(content, indent=2))
        return number, project

    def _read_own(self) -> dict[str, Project]:
        """Return your own projects; reread them only when the file has changed.

        An unreadable file counts as empty: asking for a DSN raises, and an SDK gets a refusal.
        """
        try:
            facts = self._path.stat()
        except OSError:
            return {}
        state = facts.st_mtime_ns, facts.st_ino
        if state != self._read_state:
            try:
                self._own = self.own
            except WorkshopError:
                self._own = {}
            self._read_state = state
        return self._own


def make_dsn(key: str, port: int, number: str) -> str:
    """Return the DSN of a project at this machine's ingest on ``port``."""
    return f"http://{key}@127.0.0.1:{port}/{number}"


def own_projects(content: Mapping[str, Any]) -> dict[str, Project]:
    """Return the projects in the content of their file, by id."""
    projects: Mapping[str, Any] = content.get("projects", {})
    return {number: Project(each["name"], each["key"]) for number, each in projects.items()}


def _port(content: Mapping[str, Any]) -> int | None:
    port: int | None = content.get("port")
    return port


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        well_formed = all(map(str.isdecimal, own_projects(content)))
        if not well_formed or not isinstance(_port(content), int):
            raise ValueError("its content is not from the workshop")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WorkshopError(
            f"Could not read the projects in {path}: {error}. Repair the file, or delete it: your "
            "programs then need new DSNs."
        ) from error
    return content
