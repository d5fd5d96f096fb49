"""DSNs for your own programs, those outside the course."""

import os
from collections.abc import Iterator
from pathlib import Path

from kit.actionable import WorkshopError
from kit.ingest.projects import Projects
from kit.system.part import status_line
from kit.system.status import Running, find_running

INGEST = "ingest"
INGEST_PORT = 8969  # the port of Spotlight, Sentry's own local receiver


def find_dsn(home: Path, name: str) -> tuple[str, bool]:
    """Return the DSN of your own project, and whether a workshop on ``home`` answers there.

    If none is running, it has the port that the next start tries first. Raises WorkshopError.
    """
    projects = Projects(home, {})
    found = [port for run in find_running(home) if (port := run.port(INGEST))]
    wanted = projects.port or INGEST_PORT
    port = next((port for port in found if port == wanted), (found or [wanted])[-1])
    return projects.dsn(name, port), bool(found)


def dsn_lines(home: Path, running: Running) -> Iterator[str]:
    """Yield a line with the DSN of each of your own projects at a running workshop.

    Raises WorkshopError.
    """
    projects, port = Projects(home, {}), running.port(INGEST)
    for project in projects.own.values() if port else ():
        yield f"  {project.name:<12} {projects.dsn(project.name, port or INGEST_PORT)}"


def moved_lines(projects: Projects, here: int, home: Path) -> Iterator[str]:
    """Yield a line if DSNs in use do not lead to this run, whose port is ``here``."""
    try:
        port, names = projects.port, [project.name for project in projects.own.values()]
    except WorkshopError as error:
        yield status_line("dsn", str(error), mark="✗")
        return
    if port is None or port == here or not names:
        return
    others = (run for run in find_running(home) if run.pid != os.getpid())
    if any(run.port(INGEST) == port for run in others):
        holder = "belongs to another workshop on this folder, which uses the same store"
    else:
        holder = "was taken"
    yield status_line(
        "dsn",
        f"port {port}, in the DSN of {', '.join(names)}, {holder}. This run has {here}: get its "
        f'DSN with workshop.dsn("{names[0]}"), or the command workshop dsn {names[0]}.',
        mark="✗",
    )
