"""The system's database: a child process, or one that runs elsewhere.

SecantusDB speaks MongoDB's wire protocol. It is under the GPL and only runs as a separate
program; it is never imported.
"""

import importlib.util
import os
import sys
import threading
from contextlib import nullcontext
from typing import Self
from urllib.parse import urlsplit

from kit.hosting import child
from kit.hosting.child import Command
from kit.hosting.environment import python_environment
from kit.hosting.server import HOST, Context, ServerError
from kit.hosting.supervisor import Supervisor

DRIVER, SECANTUS = "pymongo", "secantus"
ANSWER_MS = ELSEWHERE_MS = 10_000
PAUSE_S = 2.0
LISTENS = "listening on"  # SecantusDB prints this once it has bound the port


class Database(Supervisor):
    """A MongoDB for the services.

    ``uri`` is the address of a database that runs elsewhere, by default ``MONGODB_URI``. Without
    one, SecantusDB runs here, in memory, until this process ends; if it crashes, an empty one
    replaces it.
    """

    scheme = "mongodb"
    # Fail at once if it cannot start: the workshop also runs without a database.
    max_failed_starts = 1

    def __init__(self, uri: str | None = None, *, context: Context = nullcontext) -> None:
        super().__init__("database", _secantus, says_ready=self._is_answering, context=context)
        self._uri = uri or os.environ.get("MONGODB_URI") or None

    @property
    def unavailable(self) -> str | None:
        """Why no database can run here, and what to do; None when one can."""
        if importlib.util.find_spec(DRIVER) is None:
            return "MongoDB's driver is not installed. Run pip install pymongo."
        if self._uri or importlib.util.find_spec(SECANTUS):
            return None
        return (
            "There is no database. Run pip install --pre SecantusDB (CPython 3.11 to 3.13), or "
            "set MONGODB_URI to a MongoDB of your own, and start again."
        )

    @property
    def url(self) -> str:
        """Its connection string. Raises ServerError before the launch."""
        return self._uri or super().url

    @property
    def address(self) -> str:
        """Its address without the user and password that ``url`` may contain."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def public_url(self) -> str:
        """Its connection string up to and including the host."""
        return f"{self.scheme}://{self.address}"

    def launch(self) -> Self:
        """Start the program, or connect to the database that runs elsewhere, in the background.

        Raises ServerError when no database can run.
        """
        if self.unavailable:
            raise ServerError(self.unavailable)
        return super().launch()

    def _run_until_end(self) -> None:
        if self._uri is None:
            super()._run_until_end()
            return
        if reason := ping(self._uri, ELSEWHERE_MS):
            raise ServerError(reason)
        self._become_ready()
        self._end.wait()

    def _ask_to_end(self) -> None:
        # It stores nothing, so it needs no graceful exit.
        if self._run is not None:
            child.end(self._run.process)

    def _is_answering(self, line: str) -> bool:
        """Return whether ``line`` says that it bound the port, and it answers there."""
        # Both: another workshop may have taken the port first, and would answer.
        if LISTENS not in line:
            return False
        with self._context():
            return not ping(self.url, ANSWER_MS)

    def _pause(self, failed_starts: int) -> float:
        # Clients poll every half second. They must notice: the new one has no indexes.
        return max(PAUSE_S, super()._pause(failed_starts))


def _secantus(port: int, end: threading.Event) -> Command:
    """Return the command that runs SecantusDB on a port, without files on disk."""
    # -P: a file of the same name in the working directory must not be imported.
    program = [sys.executable, "-P", "-m", SECANTUS, "--port", str(port), "--host", HOST]
    options = ["--storage-path", ":memory:", "--standalone", "--cache-size", "256M"]
    return Command([*program, *options], env=python_environment(os.environ))


def ping(uri: str, timeout_ms: int) -> str:
    """Return "" when a database answers within ``timeout_ms``, else the reason."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=timeout_ms) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        return str(error).partition(" (configured")[0]
    return ""
