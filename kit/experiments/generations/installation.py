"""The two generations of Sentry's Python SDK, and where each is installed.

The environment's SDK is used as it is. The other is installed once, into a folder of the workshop
from which only child processes import.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import filelock
from sentry_sdk.consts import VERSION

from demo_services.sdk import GENERATION
from kit.actionable import WorkshopError
from kit.hosting import child
from kit.hosting.child import Command
from kit.hosting.server import Report

VERSIONS = {2: "2.75.0", 3: "3.0.0b2"}
"""The version of each generation that the course compares."""

INSTALL_DEADLINE_S = 120.0
LOCK_DEADLINE_S = 2 * INSTALL_DEADLINE_S
# Without dependencies: the environment has what both generations need. A lost network is reported
# within seconds, not after pip's minute.
PIP_INSTALL = (
    *("-m", "pip", "install", "--no-deps", "--only-binary", ":all:"),
    *("--disable-pip-version-check", "--no-input", "--quiet", "--retries", "1", "--timeout", "15"),
)
NEXT_STEP = (
    "Connect this machine and run the cell again; PIP_INDEX_URL and PIP_FIND_LINKS apply here, "
    "too. Until then only the other generation is shown."
)
_UNREACHABLE = re.compile(r"connection|resolve|timed out|unreachable|No matching", re.IGNORECASE)


@dataclass(frozen=True)
class InstalledSdk:
    """An SDK to run programs with.

    ``folder`` is where it is installed, None for the environment's.
    """

    generation: int
    version: str
    folder: Path | None = None

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return "from this environment" if self.folder is None else "installed by the workshop"


def find_sdk(generation: int, home: Path, report: Report) -> InstalledSdk:
    """Return a generation of the SDK, installing it into the workshop folder if it is missing.

    ``report`` receives a line about each slow step. Raises WorkshopError with the reason when it
    cannot be installed.
    """
    if generation == GENERATION:
        return InstalledSdk(generation, VERSION)
    sdk = InstalledSdk(generation, VERSIONS[generation], home / "sdk" / VERSIONS[generation])
    assert sdk.folder is not None
    try:
        if not sdk.folder.is_dir():
            sdk.folder.parent.mkdir(parents=True, exist_ok=True)
            # Two notebooks may start at the same time.
            with filelock.FileLock(sdk.folder.parent / "install.lock", timeout=LOCK_DEADLINE_S):
                if not sdk.folder.is_dir():
                    _install(sdk.version, sdk.folder, report)
    except (OSError, filelock.Timeout) as error:
        raise WorkshopError(
            f"Could not install sentry-sdk {sdk.version} into {sdk.folder}: {error}. Free some "
            "space there, or set WORKSHOP_HOME to a folder that you can write to."
        ) from error
    return sdk


def _install(version: str, folder: Path, report: Report) -> None:
    """Install into a temporary folder, and rename it once it is complete."""
    report(f"sentry-sdk {version}: installing it once, beside yours; this takes some seconds")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f"{version}-", suffix=".tmp", ignore_cleanup_errors=True
    ) as temporary:
        target = Path(temporary, version)
        arguments = ["--target", str(target), f"sentry-sdk=={version}"]
        with Path(temporary, "pip.txt").open("w+", encoding="utf-8", errors="replace") as said:
            code = _run_pip(arguments, said)
            said.seek(0)
            if code or not (target / "sentry_sdk").is_dir():
                raise WorkshopError(_explain(version, said.read()))
        target.rename(folder)
    report(f"sentry-sdk {version}: installed in {time.monotonic() - began:.0f} s")


def _run_pip(arguments: Sequence[str], said: IO[str]) -> int:
    """Run pip until it ends or the deadline passes; return its exit code."""
    # The constraints are for this environment, which has the other version.
    environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    command = Command([sys.executable, *PIP_INSTALL, *arguments], env=environment)
    pip = child.start(command, stdout=said, stderr=said)
    try:
        return pip.wait(INSTALL_DEADLINE_S)
    except subprocess.TimeoutExpired:
        said.write(f"ERROR: pip timed out after {INSTALL_DEADLINE_S:g} s\n")
        return 1
    finally:
        child.end(pip)


def _explain(version: str, said: str) -> str:
    """Return why an installation failed, from pip's last error line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    words = errors[-1].removeprefix("ERROR: ").rstrip(".") if errors else "pip printed no error"
    if "No module named pip" in words:
        return (
            f"Could not install sentry-sdk {version}: this Python has no pip. Run "
            "python -m ensurepip, then the cell again."
        )
    network = "; the package index was unreachable, or does not have this version"
    cause = network if _UNREACHABLE.search(words) else ""
    return f"Could not install sentry-sdk {version}: {words}{cause}. {NEXT_STEP}"
