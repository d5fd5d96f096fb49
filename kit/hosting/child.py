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

WRAPPER = Path(__file__).with_name("die_with_parent.py")

# Below those that systems give to connections that go out.
FIRST_PORT, PORTS = 20_000, 12_000
GONE_S = 5.0
_calls = itertools.count()

# The wrapper, whose end is that of the program: it ends in the same way.
ChildProcess = subprocess.Popen[str]


class Command(NamedTuple):
    """What to run; ``env`` is the whole environment, by default that of this process."""

    arguments: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if nothing listens there at the moment, else a port that is free.

    Another program may take it before it is used. Processes that ask for any port at the same
    moment, as a class does, get different ones.
    """
    own = FIRST_PORT + (8 * os.getpid() + next(_calls)) % PORTS
    with contextlib.closing(listen(wanted or own)) as sock:
        port: int = sock.getsockname()[1]
        return port


def start(
    command: Command,
    *,
    stdout: int | IO[str] = subprocess.DEVNULL,
    stderr: int | IO[str] = subprocess.PIPE,
) -> ChildProcess:
    """Start a program that ends when this process does, however that ends. Raises OSError."""
    return subprocess.Popen(  # noqa: S603 - all commands are ours
        [sys.executable, "-I", "-S", str(WRAPPER), *command.arguments],
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


def ask_to_end(process: ChildProcess) -> None:
    """Let the program end in its own way (SIGTERM; Windows knows only the hard way)."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write("\n")
        process.stdin.flush()


def end(process: ChildProcess, timeout: float = 5.0) -> None:
    """End the program now, and wait until it is gone. Does nothing when it is gone."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        _kill(process)


def wait(process: ChildProcess) -> int:
    """Wait for the end of the program; return its exit code, negative for a signal."""
    code = process.wait()
    if sys.platform != "win32":
        # Had the wrapper alone been killed, the program would still run. It is in its group.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    return code


def _kill(process: ChildProcess) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        wrapper = psutil.Process(process.pid)
        family = [wrapper, *wrapper.children(recursive=True)]
        for member in reversed(family):
            # One that has just ended must not save the others.
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
        # Bounded: the process that inherits the others may never read how they ended.
        psutil.wait_procs(family, timeout=GONE_S)
