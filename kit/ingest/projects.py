"""The projects of an ingest: those of the course's services, and one's own, whose DSN lasts."""

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

# Below are those of the services, which are in the DSNs of each start.
FIRST_OWN_ID = 1001
# What comes without a DSN.
SPOTLIGHT = "spotlight"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")
_FILE = "projects.json"
_LOCK_DEADLINE_S = 10.0


class Project(NamedTuple):
    """The name under which a project's items are stored, and the key that its DSN must carry."""

    name: str
    key: str


class Projects(Mapping[str, Project]):
    """The projects by id: the number at the end of a DSN.

    ``given`` are those of this run. One's own are kept in the workshop folder ``home``, with the
    port of the ingest that their DSNs hold; every process that uses the folder knows them.
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
        """One's own projects by id, the oldest first. Raises WorkshopError."""
        return own_projects(_read(self._path))

    @property
    def port(self) -> int | None:
        """The port that the DSNs of one's own hold; None before the first. Raises WorkshopError."""
        return _port(_read(self._path))

    def dsn(self, name: str, port: int) -> str:
        """Return the DSN of the project of one's own called ``name``, at the ingest on ``port``.

        It is made at the first time, and the same after that. Raises WorkshopError for a name that
        a project cannot have, and where the file of the projects cannot be read or written.
        """
        if name in (*SERVICES, SPOTLIGHT):
            raise WorkshopError(
                f"The course itself has a project called {name}. Choose another "
                "name for yours, such as my-app."
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
                # Another process may have added it since.
                return self._find(name) or self._write_added(name, port)
        except (OSError, TimeoutError) as error:
            raise WorkshopError(
                f"The project {name} cannot be kept in {self._path}: {error}. Free space there, or "
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
        """Return one's own projects; read anew only where the file has changed.

        A file that cannot be read has none: who asks for a DSN is told, an SDK gets a refusal.
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
    """Return the DSN of a project at the ingest of this machine on ``port``."""
    return f"http://{key}@127.0.0.1:{port}/{number}"


def own_projects(content: Mapping[str, Any]) -> dict[str, Project]:
    """Return the projects of the content of their file, by id."""
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
            raise ValueError("it is not what the workshop wrote there")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WorkshopError(
            f"The projects in {path} cannot be read: {error}. Mend the file, or delete it: your "
            "programs need new DSNs then."
        ) from error
    return content
