"""The workshops that run on a folder: each leaves a note there for other processes."""

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

# A process's start time, as the operating system reports it, may shift a little with the clock.
SAME_S = 2.0


@dataclass(frozen=True)
class Running:
    """A running workshop.

    ``parts`` maps the name of each part to its address, without any password, or to why it cannot
    run here. ``since`` is the start time of the workshop, ``process_since`` that of its process,
    in seconds since the epoch.
    """

    parts: dict[str, str]
    token: str = field(repr=False)
    pid: int = field(default_factory=os.getpid)
    process_since: float = field(default_factory=lambda: psutil.Process().create_time())
    since: float = field(default_factory=time.time)

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs, and not another one with the same pid."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.process_since) < SAME_S
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def port(self, part: str) -> int | None:
        """Return the port on which a part listens; None when it is down or has none."""
        with contextlib.suppress(ValueError):
            return urlsplit(self.parts.get(part, "")).port
        return None

    def lines(self, *, with_token: bool = False) -> Iterator[str]:
        """Yield a status line for each part; the token only on request."""
        yield f"pid {self.pid}, since {datetime.fromtimestamp(self.since):%Y-%m-%d %H:%M:%S}"
        token = {"token": self.token} if with_token else {}
        for name, text in {**self.parts, **token}.items():
            yield f"  {name:<12} {text}"


@contextlib.contextmanager
def publish(home: Path, running: Running) -> Iterator[None]:
    """Keep a note inside the block that only its owner can read; remove stale notes."""
    find_running(home)
    publish_change(home, running)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _note(home, running).unlink()


def publish_change(home: Path, running: Running) -> None:
    """Rewrite the note, in the block of ``publish``."""
    # A workshop also works without its note.
    with contextlib.suppress(OSError):
        write_private(_note(home, running), json.dumps(asdict(running)))


def find_running(home: Path) -> list[Running]:
    """Return the workshops that run on a folder, oldest first; remove stale notes."""
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
    """Return the content of a note; None when it is unreadable or not a workshop's."""
    try:
        return Running(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
