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

# Below the ephemeral ports that systems assign to outgoing connections.
FIRST_PORT, PORTS = 20_000, 12_000
GONE_S = 5.0
_calls = itertools.count()

# The wrapper around the program; it ends when and how the program ends.
ChildProcess = subprocess.Popen[str]


class Command(NamedTuple):
    """What to run; ``env`` is the complete environment, by default that of this process."""

    arguments: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if nothing listens there now, else a free port.

    Another program may take it before it is used. Processes that ask for any port at the same time,
    as in a class, get different ones.
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
    """Start a program that ends with this process, however that ends. Raises OSError."""
    return subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, "-I", "-S", str(WRAPPER), *command.arguments],
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        # In a separate process group, so that Ctrl-C in the kernel does not end the program.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def ask_to_end(process: ChildProcess) -> None:
    """Request a graceful exit (SIGTERM; on Windows, kill the program)."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write("\n")
        process.stdin.flush()


def end(process: ChildProcess, timeout: float = 5.0) -> None:
    """Kill the program and wait until it is gone. Does nothing when it already is."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        _kill(process)


def wait(process: ChildProcess) -> int:
    """Wait until the program ends; return its exit code, negative for a signal."""
    code = process.wait()
    if sys.platform != "win32":
        # If only the wrapper was killed, the program still runs; it is in the same group.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    return code


def _kill(process: ChildProcess) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        wrapper = psutil.Process(process.pid)
        family = [wrapper, *wrapper.children(recursive=True)]
        for member in reversed(family):
            # One that has just ended must not keep the others alive.
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
        # Bounded: the process that adopts the others may never reap them.
        psutil.wait_procs(family, timeout=GONE_S)
