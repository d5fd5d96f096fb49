"""Bugsink, an independent server that speaks Sentry's protocol, in an environment of its own.

Its dependencies clash with ours. It is installed once, into the cache that the payment service's
packages are kept in. See https://www.bugsink.com/docs/installation/.
"""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import httpx
import platformdirs
import psutil
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from kit.hosting import child
from kit.hosting.child import Command
from kit.hosting.server import HOST

VERSION = "2.6.1"
DEADLINE_S = 60

# The template for a machine of one's own digests an event before it answers. All else that is set
# here keeps it from calling its maker and from writing elsewhere.
OWN_SETTINGS = "BUGSINK.update(PHONEHOME=False, INGEST_STORE_BASE_DIR={ingestion!r})\n"
SET_UP = """
from django.core.management import call_command
from bsmain.models import AuthToken
from projects.models import Project
call_command("migrate", verbosity=0)
call_command("migrate", "snappea", database="snappea", verbosity=0)
print(Project.objects.create(name="workshop").dsn, AuthToken.create_full_access().token)
"""


def installed() -> Path:
    """Return the Python that has Bugsink; install it unless that was done before."""
    cache = Path(os.environ.get("WORKSHOP_CACHE") or platformdirs.user_cache_path("crash-workshop"))
    home = cache.absolute() / f"bugsink-{VERSION}-{sys.implementation.cache_tag}"
    home.mkdir(parents=True, exist_ok=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with filelock.FileLock(f"{home}.lock"):
        if not (home / "complete").exists():
            venv.create(home, clear=True, with_pip=True)
            run(python, "pip", "install", "--quiet", f"bugsink=={VERSION}")
            (home / "complete").touch()
    return python


def run(python: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Run a module in Bugsink's environment and return what it printed."""
    command = [python, "-m", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment() -> Mapping[str, str]:
    """Return ours without what is about our own packages and our own Sentry."""
    ours = ("PIP_CONSTRAINT", "PYTHONPATH", "SENTRY_DSN", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if name not in ours}


class Bugsink:
    """A Bugsink with one project; ``dsn`` is that project's. All it writes is in ``home``."""

    def __init__(self, python: Path, home: Path) -> None:
        self._python, self._home = python, home
        self._port = child.free_port()
        self._url = f"http://{HOST}:{self._port}"
        where = (f"--host={HOST}", f"--port={self._port}", "--template=local")
        run(python, "bugsink.scripts.create_conf", *where, cwd=home)
        with (home / "bugsink_conf.py").open("a") as settings:
            settings.write(OWN_SETTINGS.format(ingestion=str(home / "ingestion")))
        self.dsn, self._token = self._manage("shell", "-c", SET_UP).split()[-2:]

    def start(self) -> None:
        """Start it on its port, and wait until it answers."""
        serve = ("-m", "bugsink.scripts.manage", "runserver", f"{HOST}:{self._port}", "--noreload")
        command = Command([str(self._python), *serve], self._home, environment())
        with (self._home / "log.txt").open("a") as log:
            self._child = child.start(command, stdout=log, stderr=log)
        self._get("/health/ready")

    def stop(self) -> None:
        """Kill it, whatever it is doing."""
        child.end(self._child)

    def suspend(self) -> None:
        """Let it hang: connections are accepted by the system, and nobody answers."""
        self._process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        self._process.resume()

    def issues(self) -> Iterator[dict[str, Any]]:
        """Yield its issues."""
        return self._list("issues", project="1")

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the id of each event and what it keeps of it; ``data`` is the payload."""
        for issue in self.issues():
            for event in self._list("events", issue=issue["id"]):
                kept = self._get(f"/api/canonical/0/events/{event['id']}/").json()
                yield kept["event_id"].replace("-", ""), kept

    def skipped(self) -> set[str]:
        """Return the types of items that it has thrown away, as its log says."""
        log = (self._home / "log.txt").read_text("utf-8", errors="replace")
        # It takes attachments that are minidumps, and no others.
        log = log.replace("attachment type: ", "envelope item: attachment ")
        return set(re.findall(r"skipping non-supported envelope item: (\w+)", log))

    @property
    def _process(self) -> psutil.Process:
        (program,) = psutil.Process(self._child.pid).children()
        return program

    @cached_property
    def _http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx.Client(
            base_url=self._url, headers=headers, trust_env=False, timeout=DEADLINE_S
        )

    def _manage(self, *arguments: str) -> str:
        return run(self._python, "bugsink.scripts.manage", *arguments, cwd=self._home)

    def _list(self, what: str, **query: str) -> Iterator[dict[str, Any]]:
        url = f"/api/canonical/0/{what}/?{httpx.QueryParams(query)}"
        while url:
            page = self._get(url).json()
            yield from page["results"]
            url = page["next"]

    @retry(
        retry=retry_if_exception_type(httpx.TransportError),
        wait=wait_fixed(0.05),
        stop=stop_after_delay(DEADLINE_S),
        reraise=True,
    )
    def _get(self, url: str) -> httpx.Response:
        return self._http.get(url).raise_for_status()
