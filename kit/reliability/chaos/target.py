"""The running workshop that an experiment works on, found from any process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kit.actionable import WorkshopError
from kit.home import default_home
from kit.system.status import Running, find_running


@dataclass(frozen=True)
class ExperimentTarget:
    """A running workshop: the address of its gateway, its debug token, its process and its folder.

    ``flush`` makes its services send what they still hold; None from another process.
    """

    url: str
    token: str = field(repr=False)
    pid: int
    home: Path
    flush: Callable[[], object] | None = None


_CHOSEN: list[ExperimentTarget] = []


@contextmanager
def use_target(target: ExperimentTarget) -> Iterator[None]:
    """Let probes and actions of this process work on a workshop inside the block."""
    _CHOSEN.append(target)
    try:
        yield
    finally:
        _CHOSEN.remove(target)


def find_target(pid: int | None = None) -> ExperimentTarget:
    """Return the chosen workshop, else the latest that runs on this folder.

    With ``pid`` it is the workshop of that process.

    The folder is ``WORKSHOP_HOME``, or the default one. Raises WorkshopError if none runs.
    """
    if _CHOSEN:
        return _CHOSEN[-1]
    home = default_home()
    for running in reversed(find_running(home)):
        if pid not in (None, running.pid):
            continue
        if target := read_target(running, home):
            return target
    raise WorkshopError(
        f"No workshop runs on {home}, so there is nothing to experiment on. Run Workshop.start() "
        "in a notebook or workshop serve, or set WORKSHOP_HOME to the folder of a running one."
    )


def read_target(running: Running, home: Path) -> ExperimentTarget | None:
    """Return a running workshop as a target; None while its gateway does not answer."""
    port = running.port("gateway")
    url = f"http://127.0.0.1:{port}"
    return ExperimentTarget(url, running.token, running.pid, home) if port else None
