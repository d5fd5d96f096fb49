"""Which workshops run on a folder: each leaves a note there, for other processes to read."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from kit.private import write_private

# The time at which a process began, as the system has it, may move a little with the clock.
SAME_S = 2.0


@dataclass(frozen=True)
class Running:
    """A running workshop.

    ``parts`` maps the name of each part to where it answers, without any password, or to why it
    cannot run here. ``since`` is when the workshop started, ``process_since`` when its process
    did, in seconds since the epoch.
    """

    parts: dict[str, str]
    token: str = field(repr=False)
    pid: int = field(default_factory=os.getpid)
    process_since: float = field(default_factory=lambda: psutil.Process().create_time())
    since: float = field(default_factory=time.time)

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs, and not another one under the same number."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.process_since) < SAME_S
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def port(self, part: str) -> int | None:
        """Return the port on which a part answers; None when it does not, or has none."""
        with contextlib.suppress(ValueError):
            return urlsplit(self.parts.get(part, "")).port
        return None

    def lines(self, *, with_token: bool = False) -> Iterator[str]:
        """Yield a line for each thing to know; the token only when it is asked for."""
        yield f"pid {self.pid}, since {datetime.fromtimestamp(self.since):%Y-%m-%d %H:%M:%S}"
        token = {"token": self.token} if with_token else {}
        for name, text in {**self.parts, **token}.items():
            yield f"  {name:<12} {text}"


@contextlib.contextmanager
def publish(home: Path, running: Running) -> Iterator[None]:
    """Leave the note inside the block, readable by its owner alone; remove notes of the dead."""
    find_running(home)
    publish_change(home, running)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _note(home, running).unlink()


def publish_change(home: Path, running: Running) -> None:
    """Write the note again, in the block of ``publish``."""
    # Without its note a workshop works as well.
    with contextlib.suppress(OSError):
        write_private(_note(home, running), json.dumps(asdict(running)))


def find_running(home: Path) -> list[Running]:
    """Return the workshops that run on a folder, the oldest first; remove notes of the dead."""
    found = []
    for note in home.glob("running-*.json"):
        running = _read_note(note)
        if running is None:
            continue
        if running.is_alive:
            found.append(running)
        else:
            with contextlib.suppress(OSError):
                note.unlink()
    return sorted(found, key=lambda running: running.since)


def _note(home: Path, running: Running) -> Path:
    return home / f"running-{running.pid}.json"


def _read_note(note: Path) -> Running | None:
    """Return what a note says; None when it cannot be read, or is none of ours."""
    try:
        return Running(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
