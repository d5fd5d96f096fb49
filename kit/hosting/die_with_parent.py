"""Runs a program that ends with the process that started it, however that process ends.

``python die_with_parent.py PROGRAM ARGUMENT...`` runs the program until it ends, and then ends the
same way: with its exit code, or by its signal. A byte on standard input asks the program to end
(on Windows, kills it). When standard input is closed, which the system does when the process at
the other end dies, the program is killed. Its temporary files are removed, so use this only for
programs that have nothing to lose.

It imports nothing from the kit, so that it starts fast and stays small.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading


def run_command(command: list[str]) -> int:
    """Run the command; return its exit code, negative for a signal."""
    forbid_core_dumps()
    with tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as home:
        own = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), home)
        program = subprocess.Popen(  # noqa: S603 - the caller is ours
            command, stdin=subprocess.DEVNULL, env={**os.environ, **own}
        )
        threading.Thread(target=watch_stdin, args=(program,), daemon=True).start()
        return program.wait()


def forbid_core_dumps() -> None:
    """Prevent core dumps of an aborted program, and then of this one, from filling the disk."""
    if sys.platform != "win32":
        import resource

        # Linux passes a dump to a crash handler despite a limit of 0, but not with a limit of 1.
        limit = 1 if sys.platform == "linux" else 0
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def watch_stdin(program: "subprocess.Popen[bytes]") -> None:
    """Ask the program to end on a byte on standard input, and kill it at end of input."""
    with contextlib.suppress(OSError):
        # Unbuffered: a thread blocked in a buffered read aborts the interpreter at shutdown.
        if os.read(sys.stdin.fileno(), 1):
            program.terminate()
            os.read(sys.stdin.fileno(), 1)
    program.kill()


def end_by_signal(number: int) -> None:
    """End this process by a signal."""
    with contextlib.suppress(OSError):  # raised for SIGKILL, which has no handler anyway
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    code = run_command(sys.argv[1:])
    if code < 0:
        end_by_signal(-code)
    sys.exit(code)
