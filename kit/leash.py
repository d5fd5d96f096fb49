"""Runs a program that ends with whoever started it, however that one ends.

``python leash.py PROGRAM ARGUMENT...`` runs the program until it ends, or until standard input is
closed, which the system does when the process at its other end dies. The program is killed then,
and its temporary files are removed: only for programs that have nothing to lose.

It imports nothing of the kit, so that it starts at once and stays small.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading


def main(command: list[str]) -> int:
    """Run the command; return its exit code, negative for a signal."""
    with tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as home:
        own = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), home)
        program = subprocess.Popen(  # noqa: S603 - the caller is our own
            command, stdin=subprocess.DEVNULL, env={**os.environ, **own}
        )
        threading.Thread(target=kill_at_end_of_input, args=(program,), daemon=True).start()
        return program.wait()


def kill_at_end_of_input(program: "subprocess.Popen[bytes]") -> None:
    """Wait until nobody holds the other end of standard input, then kill the program."""
    with contextlib.suppress(OSError):
        # Unbuffered: a buffer that a thread waits in aborts the interpreter at its end.
        os.read(sys.stdin.fileno(), 1)
    program.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
