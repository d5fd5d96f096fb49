"""An offline class: the course and all that it needs in one folder, with an installer."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from demo_services import payment
from kit.commands import installer
from kit.commands.installer import this_platform, this_python
from kit.commands.platforms import BUNDLE_PLATFORMS
from kit.home import COURSE
from kit.hosting import node
from kit.hosting.server import ServerError

ROOT = COURSE.parent
INSTALLER = "install.py"
COURSE_PARTS = ("pyproject.toml", "README.md", "LICENSE", "kit", "demo_services", COURSE.name)
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", ".*_cache", ".ipynb_checkpoints", ".workshop", "node_modules"
)
# What builds the project there: an editable installation, so that the notebooks are its own.
BUILDING = ("editables", "pip")
NO_NETWORK = re.compile("after connection broken by|ReadTimeoutError")
NO_TRUST = "confirming the ssl certificate"

Say = Callable[[str], None]


class BundleError(Exception):
    """Why there is no bundle, and what to do."""


@dataclass(frozen=True)
class Target:
    """A kind of machine to install on, and its Python, for example 3.12.

    ``alike`` says that it is this very machine, or one alike: what is published as source alone is
    built here then. For all others, only what is published ready to install will do.
    """

    platform: str
    python: str
    alike: bool = False

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform}"


def targets(platforms: Sequence[str], pythons: Sequence[str]) -> list[Target]:
    """Return each platform with each Python; this machine and this Python unless given.

    Raises BundleError for what the workshop does not run on.
    """
    allowed = SpecifierSet(_project()["project"]["requires-python"])
    for python in pythons:
        if not re.fullmatch(r"\d+\.\d+", python) or f"{python}.0" not in allowed:
            raise BundleError(f"--python {python}: the workshop needs Python {allowed}.")
    pairs = dict.fromkeys(product(platforms or [this_platform()], pythons or [this_python()]))
    found = [Target(*pair, alike=not platforms and pair[1] == this_python()) for pair in pairs]
    unlike = [each for each in found if not each.alike]
    if strange := [each for each in unlike if each.platform not in BUNDLE_PLATFORMS]:
        raise BundleError(f"A bundle for {strange[0]} can be made on such a machine only.")
    return found


def make(folder: Path, wanted: Iterable[Target], say: Say, detail: Say) -> None:
    """Make a bundle in ``folder``, which must not exist or be empty.

    ``say`` is given a line per step, ``detail`` what goes on inside one. An interrupted or failed
    one leaves nothing. Raises BundleError.
    """
    folder = folder.absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BundleError(f"{folder} is there already. Remove it, or name another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.parent, prefix=f"{folder.name}-", suffix=".tmp", ignore_cleanup_errors=True
        ) as temporary:
            made = Path(temporary, folder.name)
            made.mkdir()
            _fill_bundle(made, list(wanted), say, detail)
            if folder.exists():
                folder.rmdir()
            made.rename(folder)
    except OSError as error:
        raise BundleError(f"The bundle cannot be written: {error}.") from error


def _fill_bundle(made: Path, wanted: list[Target], say: Say, detail: Say) -> None:
    say("the course, without the outputs of its notebooks")
    _copy_course(made / installer.COURSE)
    for target in wanted:
        say(f"packages for {target}")
        _collect_wheels(made / installer.WHEELS, target, detail)
    for platform in dict.fromkeys(target.platform for target in wanted):
        say(f"npm packages of the payment service for {platform}")
        _collect_node_packages(made / installer.NODE, platform)
    shutil.copyfile(installer.__file__, made / INSTALLER)
    pairs = [{"platform": target.platform, "python": target.python} for target in wanted]
    # Last, so that a folder with it has all the rest.
    manifest = {"targets": pairs, "files": installer.digests(made)}
    (made / installer.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _project() -> dict[str, Any]:
    declaration = ROOT / "pyproject.toml"
    if not declaration.is_file() or not COURSE.is_dir():
        raise BundleError(f"There is no checkout at {ROOT}. Install from one: pip install -e .")
    return tomllib.loads(declaration.read_text("utf-8"))


def _copy_course(to: Path) -> None:
    to.mkdir()
    for name in COURSE_PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=LEFT_OUT)
        else:
            shutil.copyfile(source, to / name)
    for path in (to / COURSE.name).glob("*.ipynb"):
        _strip_outputs(path)


def _strip_outputs(path: Path) -> None:
    """Remove from a notebook what running it left."""
    notebook = json.loads(path.read_text("utf-8"))
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
            cell["metadata"].pop("execution", None)
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", "utf-8", newline="\n")


def _collect_wheels(wheels: Path, target: Target, detail: Say) -> None:
    project = _project()
    needed = [*project["project"]["dependencies"], *project["build-system"]["requires"], *BUILDING]
    if target.alike:
        _pip(["-m", "pip", "wheel", "--wheel-dir", str(wheels), *needed], detail)
    else:
        _pip([*_foreign_pip(target), "--dest", str(wheels), *needed], detail)


# pip --platform chooses files for another machine, but reads the markers of requirements ("on
# Windows, also colorama") for this one: https://github.com/pypa/pip/issues/11664
_FOREIGN = """
import json, sys
from pip._vendor.packaging import markers
there = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: dict(there)
from pip._internal.cli.main import main
sys.exit(main())
"""


def _foreign_pip(target: Target) -> list[str]:
    platform = BUNDLE_PLATFORMS[target.platform]
    markers = {
        **platform.markers,
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.0",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
    }
    tags = [f"--platform={tag}" for tag in platform.tags]
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}"]
    return ["-c", _FOREIGN, json.dumps(markers), "download", *options, *tags]


def _pip(arguments: list[str], detail: Say) -> None:
    """Run pip, telling what it says. Raises BundleError with its reason."""
    last: deque[str] = deque(maxlen=500)
    options = ["--progress-bar=off", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, *arguments, *options]
    with subprocess.Popen(  # noqa: S603 - it is pip
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as pip:
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                last.append(line.strip())
                detail(line.strip())
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise BundleError(_explain_pip_failure(last))


def _explain_pip_failure(said: Iterable[str]) -> str:
    """Return in one line why pip failed, and what to do."""
    lines = list(said)
    if any(NO_TRUST in line for line in lines):
        return (
            "pip does not trust this network. Set PIP_CERT to the file of the network's own "
            "certificate, and try again."
        )
    if any(NO_NETWORK.search(line) for line in lines):
        return "No network: a bundle is made from pip's and npm's registries. Connect, try again."
    if any("No module named pip" in line for line in lines):
        return "This Python has no pip. Run python -m ensurepip, and try again."
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    unavailable = [" ".join(pair) for pair in pairwise(lines) if "no matching dist" in pair[0]]
    detail = (unavailable or errors or lines[-1:] or ["it said nothing"])[0]
    # No addresses: an address of a registry may hold a password.
    return f"pip cannot get all packages: {re.sub(r'[a-z+]+://[^ ]+', '…', detail)[:400]}"


def _collect_node_packages(archives: Path, platform: str) -> None:
    archives.mkdir(exist_ok=True)
    options = BUNDLE_PLATFORMS[platform].npm if platform != this_platform() else ()
    try:
        node.pack(payment.HOME, node.find_node(), archives / f"{platform}.zip", options)
    except ServerError as error:
        raise BundleError(str(error)) from error
