"""Programs that run as child processes and end with this one, however it ends."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from kit.hosting.server import listen

LEASH = Path(__file__).with_name("die_with_parent.py")

# Below those that systems give to connections that go out.
FIRST_PORT, PORTS = 20_000, 12_000
GONE_S = 5.0
_asked = itertools.count()

Leash = subprocess.Popen[str]


class Command(NamedTuple):
    """What to run; ``env`` is the whole environment, by default that of this process."""

    arguments: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if nobody listens there at the moment, else a port that is free.

    It may be taken by somebody else before it is used. Processes that ask for any port at the same
    moment, as a class does, get different ones.
    """
    own = FIRST_PORT + (8 * os.getpid() + next(_asked)) % PORTS
    with contextlib.closing(listen(wanted or own)) as sock:
        port: int = sock.getsockname()[1]
        return port


def start(
    command: Command,
    *,
    stdout: int | IO[str] = subprocess.DEVNULL,
    stderr: int | IO[str] = subprocess.PIPE,
) -> Leash:
    """Start a program on a leash, which ends as the program does. Raises OSError."""
    return subprocess.Popen(  # noqa: S603 - all commands are ours
        [sys.executable, "-I", "-S", str(LEASH), *command.arguments],
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        # A group of its own, so that Ctrl-C in the kernel ends a cell and not the program.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def ask_to_end(leash: Leash) -> None:
    """Let the program end in its own way (SIGTERM; Windows knows only the hard way)."""
    assert leash.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        leash.stdin.write("\n")
        leash.stdin.flush()


def end(leash: Leash, timeout: float = 5.0) -> None:
    """End the program now, and wait until it is gone. Does nothing when it is gone."""
    assert leash.stdin is not None
    with contextlib.suppress(OSError):
        leash.stdin.close()
    try:
        leash.wait(timeout)
    except subprocess.TimeoutExpired:
        _kill(leash)


def wait(leash: Leash) -> int:
    """Wait for the end of the program; return its exit code, negative for a signal."""
    code = leash.wait()
    if sys.platform != "win32":
        # Had somebody killed the leash alone, the program would still run. It is in its group.
        with contextlib.suppress(OSError):
            os.killpg(leash.pid, signal.SIGKILL)
    return code


def _kill(leash: Leash) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(leash.pid), *psutil.Process(leash.pid).children(recursive=True)]
        for process in reversed(family):
            # One that has just ended must not save the others.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        leash.wait()
        # Bounded: whoever inherits the others may never read how they ended.
        psutil.wait_procs(family, timeout=GONE_S)
