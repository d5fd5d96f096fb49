"""Installs the Crash Workshop from this file's folder, without a network.

    python install.py [FOLDER]

FOLDER, by default ``crash-workshop``, will hold the course and everything it needs. Running it
again repairs an installation and keeps your changes to the notebooks.
"""

# Part of each bundle, and run before anything is installed: it may only use the standard library.
# Old Pythons must be able to parse it, so that it can say that they are too old.
from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

MANIFEST = "bundle.json"
WHEELS, NODE = "wheels", "node"
# Marks a folder as a learner's copy of the course; also in kit.home.
COPY_MANIFEST = ".crash-workshop.json"
COMPLETE = "crash-workshop-complete"  # in the environment, once all packages are installed
OLDEST = (3, 11)

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


class InstallError(Exception):
    """The workshop cannot be installed; the message says why and what to do."""


def this_platform() -> str:
    """Return the name of this machine's platform in a bundle, for example windows-x86_64."""
    machine = platform.machine().lower()
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{_MACHINES.get(machine, machine)}"


def this_python() -> str:
    """Return the version of this Python as in a bundle, for example 3.12."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def run_installer() -> int:
    """Install, and return the exit code."""
    description, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("crash-workshop"))
    bundle = Path(__file__).resolve().parent
    try:
        return install(bundle, parser.parse_args().folder.absolute())
    except InstallError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"Could not install: {error}. Start again with another folder.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. Start again to continue where it stopped.", file=sys.stderr)
    return 1


def install(bundle: Path, folder: Path) -> int:
    """Install a bundle into ``folder``; return the exit code of ``workshop doctor`` there."""
    _check_machine(bundle)
    _check_folder(folder)
    _check_bundle(bundle)
    _begin(folder)
    _step(f"A separate Python environment in {folder}, with all packages; this takes a minute")
    python = _make_environment(folder / ".venv")
    _install_packages(python, bundle / WHEELS)
    workshop = _program(folder / ".venv", "workshop")
    _step("The course")
    _run([workshop, "notebooks", folder], folder)
    for archive in sorted((bundle / NODE).glob(f"*-{this_platform()}.zip")):
        _step(f"The npm packages of {archive.name.partition('-')[0]}")
        _run([workshop, "unpack", archive], folder)
    _step("workshop doctor")
    code = _call([workshop, "doctor"], folder)
    print(f"\n{'Done' if code == 0 else 'Installed, but see the output of the doctor'}. Now run\n")
    print(f"    {_quote(workshop)} lab", flush=True)
    return code


def _check_machine(bundle: Path) -> None:
    if sys.version_info < OLDEST:
        raise InstallError(
            f"This is Python {this_python()}. The workshop needs Python 3.11 or newer; "
            "start install.py with such a version."
        )
    targets = _manifest(bundle)["targets"]
    if {"platform": this_platform(), "python": this_python()} in targets:
        return
    made_for = ", ".join(f"Python {each['python']} on {each['platform']}" for each in targets)
    raise InstallError(
        f"This is Python {this_python()} on {this_platform()}. The bundle is for {made_for}. Start "
        "install.py with such a Python, or have a bundle made: workshop bundle FOLDER "
        f"--platform {this_platform()} --python {this_python()}"
    )


def digests(bundle: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a bundle except its manifest, by relative path."""
    found = {}
    for path in sorted(bundle.rglob("*")):
        name = path.relative_to(bundle).as_posix()
        if path.is_file() and name != MANIFEST:
            found[name] = _digest(path)
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_bundle(bundle: Path) -> None:
    """Refuse an incompletely copied bundle before anything is installed from it."""
    expected = _manifest(bundle)["files"]
    for name, digest in expected.items():
        path = bundle / name
        state = "is missing" if not path.is_file() else "is damaged"
        if state == "is missing" or _digest(path) != digest:
            raise InstallError(f"{path} {state}. Copy the whole bundle again, then retry.")


def _manifest(bundle: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((bundle / MANIFEST).read_text("utf-8"))
        return {"targets": manifest["targets"], "files": manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallError(
            f"{bundle / MANIFEST} is missing or damaged. Copy the whole bundle again, then retry."
        ) from error


def _check_folder(folder: Path) -> None:
    is_ours = (folder / COPY_MANIFEST).is_file()
    if folder.exists() and not is_ours and any(folder.iterdir()):
        raise InstallError(f"{folder} is not empty. Start again with another folder.")


def _begin(folder: Path) -> None:
    """Make the folder and mark it as the workshop's before the slow steps."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / COPY_MANIFEST).exists():
        (folder / COPY_MANIFEST).write_text("{}\n", "utf-8")


def _make_environment(folder: Path) -> Path:
    # An interrupted installation is not repaired: pip would take a half-written package for
    # installed.
    fresh = [] if (folder / COMPLETE).is_file() else ["--clear"]
    # Without pip, which Debian's Python does not include. The bundle brings its own.
    _run([sys.executable, "-m", "venv", "--without-pip", *fresh, folder], folder.parent)
    (folder / COMPLETE).unlink(missing_ok=True)
    return _program(folder, "python")


def _install_packages(python: Path, wheels: Path) -> None:
    pip = next(wheels.glob("pip-*.whl"), None)
    if pip is None:
        raise InstallError(f"pip is missing in {wheels}. Copy the whole bundle again.")
    # Python compiles modules on import; most are never imported.
    options: list[str | Path] = ["--no-index", "--find-links", wheels, "--no-compile", "--quiet"]
    # Upgrades packages from an earlier bundle.
    _run([python, pip / "pip", "install", *options, "--upgrade", "pip", "crash-workshop"], wheels)
    (python.parent.parent / COMPLETE).touch()


def _program(environment: Path, name: str) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / f"{name}.exe"
    return environment / "bin" / name


def _run(command: list[str | Path], folder: Path) -> None:
    if code := _call(command, folder):
        raise InstallError(f"This step exited with {code}; its output is above. Start again.")


def _call(command: list[str | Path], folder: Path) -> int:
    return subprocess.call(command, cwd=folder, env=_environment())  # noqa: S603 - ours


def _environment() -> dict[str, str]:
    """Return this process's environment without variables that redirect pip or Python."""
    own = {k: v for k, v in os.environ.items() if not k.upper().startswith(("PIP_", "PYTHON"))}
    # The programs print UTF-8 everywhere; pip ignores the machine's settings.
    return {**own, "PYTHONUTF8": "1", "PIP_CONFIG_FILE": os.devnull}


def _quote(program: Path) -> str:
    return f'"{program}"' if " " in str(program) else str(program)


def _step(what: str) -> None:
    print(f"• {what}", flush=True)


if __name__ == "__main__":
    sys.exit(run_installer())
