"""The learner's own program, as a child process that reports to the workshop."""

import os
import sys
import threading
from collections import deque
from pathlib import Path

from kit.hosting.child import Command
from kit.hosting.environment import experiment_environment
from kit.hosting.server import ServerError
from kit.hosting.supervisor import Supervisor

KEPT_LINES = 200
# uvicorn, Flask and most others write this to stderr once their port is open.
LISTENS = "running on http"


class OwnProgram(Supervisor):
    """A Python program that serves HTTP, and is restarted when it ends on its own.

    This kernel's Python runs ``file``. Its DSN is in ``SENTRY_DSN``, which every SDK reads, and the
    port to listen on is in ``PORT``; no other ``SENTRY_*`` variable reaches it.
    """

    # Fail at once if it cannot start: its author is there to fix it.
    max_failed_starts = 1

    def __init__(self, file: Path, project: str, dsn: str) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        super().__init__(project, self._prepare, on_line=self._lines.append, says_ready=is_ready)
        self._file = file.resolve()
        self._dsn = dsn

    @property
    def lines(self) -> list[str]:
        """The last lines of its output, oldest first."""
        return list(self._lines)

    def run(self) -> "OwnProgram":
        """Start it, and wait until it listens.

        Raises ServerError with the end of its output when it does not.
        """
        if not self._file.is_file():
            raise ServerError(f"There is no file {self._file}. Run the cell that writes it first.")
        try:
            self.launch().wait()
        except ServerError as error:
            self.stop()
            raise ServerError("\n".join([str(error), *self.lines[-12:]])) from error
        return self

    def __repr__(self) -> str:
        return f"{self.name}: {self._file.name} at {self.url}, {self.reason or self.state}"

    def _prepare(self, port: int, end: threading.Event) -> Command:
        variables = {"SENTRY_DSN": self._dsn, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        return Command(
            [sys.executable, str(self._file)],
            cwd=self._file.parent,
            env={**experiment_environment(os.environ), **variables},
        )


def is_ready(line: str) -> bool:
    """Return whether a line of output says that the port is open."""
    return LISTENS in line.lower()
