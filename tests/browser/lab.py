"""JupyterLab as ``workshop lab`` starts it, on a copy of the course."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import nbformat

from kit.hosting.child import free_port

COURSE = Path(__file__).parent.parent.parent / "notebooks"
DEADLINE_S = 60.0

# The command itself, with its course moved to where saving a notebook changes no checkout.
COMMAND = (
    "import sys, pathlib, kit.commands.cli as cli; "
    "cli.COURSE = pathlib.Path(sys.argv.pop(1)); cli.main()"
)

START = "from kit import Workshop\nworkshop = Workshop.start(report=lambda line: None)"
# A cell: what a test patched or made in a kernel that others use, too.
TIDY_UP = """import ipywidgets
from unittest.mock import patch
patch.stopall()
ipywidgets.Widget.close_all()"""
# A cell: until its button is pressed no endless loop begins, and its crash goes on.
HOLD = """import ipywidgets, threading
from unittest.mock import patch
go_on, fire = threading.Event(), workshop.trigger
def trigger(crash_id, **options):
    if crash_id == 'game-engine/infinite-loop':
        go_on.wait()
    return fire(crash_id, **options)
patch.object(workshop, 'trigger', trigger).start()
button = ipywidgets.Button(description='Go on')
button.on_click(lambda _: go_on.set())
button"""


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token, and the folder that it shows."""

    url: str
    token: str
    course: Path

    def address(self, notebook: str) -> str:
        """Return the address of a notebook, with no tab open from an earlier visit."""
        return f"{self.url}/lab/tree/{notebook}?reset&token={self.token}"

    @property
    def first_page(self) -> str:
        """The address that ``workshop lab`` opens."""
        return f"{self.url}/?token={self.token}"

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of these code cells into the course; return its name."""
        notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
        notebook.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        }
        nbformat.write(notebook, self.course / name)
        return name


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Run JupyterLab as on a machine that never had one; all that it writes is in ``folder``.

    Raises RuntimeError with its output when it does not start.
    """
    course = shutil.copytree(
        COURSE, folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    lab = Lab(f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe(16), course)
    output = folder / "lab.log"
    with (
        output.open("w") as log,
        subprocess.Popen(
            _command(lab), env=_environment(folder), cwd=folder, stdout=log, stderr=log
        ) as process,
    ):
        try:
            _await(lab, process, output)
            yield lab
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _command(lab: Lab) -> list[str]:
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={lab.url.rpartition(':')[2]}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={lab.token}",
        "--expose-app-in-browser",
    ]
    return [sys.executable, "-c", COMMAND, str(lab.course), "lab", *options]


def _environment(folder: Path) -> dict[str, str]:
    jupyter = ("CONFIG", "DATA", "RUNTIME")
    return {
        **os.environ,
        **{f"JUPYTER_{kind}_DIR": str(folder / "jupyter") for kind in jupyter},
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "WORKSHOP_HOME": str(folder / "workshop"),
    }


def _await(lab: Lab, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{lab.url}/api", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start:\n{output.read_text()}")
