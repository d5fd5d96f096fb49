"""The database of the system: a child process, or one that runs elsewhere.

SecantusDB speaks MongoDB's wire protocol. It is under the GPL and is only ever run as a program
of its own, never imported.
"""

import importlib.util
import os
import sys
import threading
import time
from collections import deque
from typing import Self
from urllib.parse import urlsplit

from kit.hosting import child
from kit.hosting.child import free_port
from kit.hosting.server import HOST, START_DEADLINE_S, ServerError
from kit.system.clients import untraced

DRIVER, SECANTUS = "pymongo", "secantus"
PING_MS = 100
ELSEWHERE_MS = 10_000
PAUSE_S = 2.0
LISTENS = "listening on"  # what SecantusDB says once the port is its own


class Database:
    """A MongoDB for the services, behind the surface of ``kit.hosting.server.Server``.

    ``uri`` is that of a database that runs elsewhere: by default ``MONGODB_URI``. Without one
    SecantusDB runs here, in memory, for as long as this process lives; should it die, an empty
    one takes its place.
    """

    name = "database"

    def __init__(self, uri: str | None = None) -> None:
        self._given = uri or os.environ.get("MONGODB_URI") or None
        self._port: int | None = None
        self._leash: child.Leash | None = None
        self._watcher: threading.Thread | None = None
        self._settled = threading.Event()
        self._listens = threading.Event()
        self._told_to_end = threading.Event()
        self._changing = threading.Lock()
        self._is_ready = False
        self._reason = ""
        self._last_words: deque[str] = deque(maxlen=5)
        self._began = self._ready_after = 0.0

    @property
    def unavailable(self) -> str | None:
        """Why there can be no database here, and what to do; None when there can be one."""
        if importlib.util.find_spec(DRIVER) is None:
            return "MongoDB's driver is not installed. Run pip install pymongo."
        if self._given or importlib.util.find_spec(SECANTUS):
            return None
        return (
            "There is no database. Run pip install --pre SecantusDB (CPython 3.11 to 3.13), or "
            "set MONGODB_URI to a MongoDB of your own, and start again."
        )

    @property
    def is_running(self) -> bool:
        """Whether the database has answered, and has not ended since."""
        return self._is_ready

    @property
    def url(self) -> str:
        """Its connection string. Raises ServerError before the launch."""
        if self._given:
            return self._given
        if self._port is None:
            raise ServerError(f"{self.name} has no port: it was not launched")
        return f"mongodb://{HOST}:{self._port}"

    @property
    def address(self) -> str:
        """Where it is, without the user and the password that ``url`` may hold."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def launch(self) -> Self:
        """Start the program, without waiting. Does nothing when it is running.

        Raises ServerError when there can be no database.
        """
        if self._watcher is not None and self._watcher.is_alive():
            return self
        if self.unavailable:
            raise ServerError(self.unavailable)
        self._settled.clear()
        self._told_to_end.clear()
        self._is_ready, self._reason = False, ""
        self._began = time.perf_counter()
        if not self._given:
            self._port = free_port()
            self._leash = start_secantus(self._port)
        self._watcher = threading.Thread(target=self._watch, name=self.name, daemon=True)
        self._watcher.start()
        return self

    def wait(self, deadline: float = START_DEADLINE_S) -> float:
        """Wait until it answers; return the seconds that took since the launch.

        Raises ServerError with the reason when it ended first, or did not answer in time.
        """
        settled = self._settled.wait(deadline)
        if self._reason:
            raise ServerError(f"{self.name} did not start: {self._reason}")
        if not settled:
            self.stop()
            raise ServerError(f"{self.name} did not answer within {deadline:g} s")
        return self._ready_after

    def stop(self, timeout: float = 5.0) -> None:
        """End the program, by force if it takes longer than ``timeout`` seconds.

        A database that runs elsewhere is left alone.
        """
        with self._changing:
            leash, self._leash = self._leash, None
            self._is_ready = False
            self._told_to_end.set()
        if leash is None:
            return
        child.end(leash, timeout)
        if self._watcher is not None:
            self._watcher.join(timeout)

    def _watch(self) -> None:
        with untraced():
            if self._given:
                self._reason = ping(self._given, ELSEWHERE_MS)
                self._settle(is_ready=not self._reason)
            while (leash := self._leash) is not None and self._follow(leash):
                self._start_again()

    def _start_again(self) -> None:
        """Replace a program that died by an empty one, unless it was told to end."""
        # Clients look every half second. They shall notice: the new one has no indexes.
        self._told_to_end.wait(PAUSE_S)
        with self._changing:
            if self._leash is not None and self._port is not None:
                self._leash = start_secantus(self._port)

    def _follow(self, leash: child.Leash) -> bool:
        """Ping until the program answers, then wait for its end; return whether it answered."""
        self._listens.clear()
        reader = threading.Thread(target=self._listen, args=(leash,), daemon=True)
        reader.start()
        has_answered = False
        while leash.poll() is None and not has_answered:
            # Who answers may be the database of somebody who was faster to take the port.
            has_answered = not ping(self.url, PING_MS) and self._listens.wait(PING_MS / 1000)
        if has_answered:
            self._settle(is_ready=True)
        code = child.wait(leash)
        reader.join()
        self._settled.clear()
        self._is_ready = False
        if not has_answered:
            said = " | ".join(self._last_words)
            self._reason = f"it ended with exit code {code}: {said}"
            self._settle(is_ready=False)
        return has_answered

    def _listen(self, leash: child.Leash) -> None:
        assert leash.stderr is not None
        with leash.stderr as stderr:
            self._last_words.clear()
            for line in stderr:
                self._last_words.append(line.strip())
                if LISTENS in line:
                    self._listens.set()

    def _settle(self, *, is_ready: bool) -> None:
        self._ready_after = time.perf_counter() - self._began
        self._is_ready = is_ready
        self._settled.set()


def start_secantus(port: int) -> child.Leash:
    """Start SecantusDB on a leash: it ends when this process does, however that ends."""
    # -P: a file of the same name in the working directory must not be taken for a module.
    secantus = [sys.executable, "-P", "-m", SECANTUS, "--port", str(port)]
    options = ["--host", HOST, "--storage-path", ":memory:", "--standalone", "--cache-size", "256M"]
    return child.start(child.Command([*secantus, *options]))


def ping(uri: str, timeout_ms: int) -> str:
    """Return nothing when a database answers within ``timeout_ms``, else the reason."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=timeout_ms) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        return str(error).partition(" (configured")[0]
    return ""
