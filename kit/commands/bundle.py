"""An offline class: the workshop and everything it needs in one folder, with an installer."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import metadata
from itertools import product
from pathlib import Path

from packaging.specifiers import SpecifierSet

from kit.commands import installer
from kit.commands.installer import this_platform, this_python
from kit.commands.npm_packages import NPM_PACKAGES, archive_name
from kit.commands.platforms import BUNDLE_PLATFORMS, Target
from kit.commands.wheels import PACKAGE, BundleError, Say, collect_packages, make_workshop_wheel
from kit.hosting import node
from kit.hosting.server import ServerError

INSTALLER = "install.py"


def targets(platforms: Sequence[str], pythons: Sequence[str]) -> list[Target]:
    """Return every combination of platform and Python; by default this machine and this Python.

    Raises BundleError for one that the workshop does not support.
    """
    allowed = SpecifierSet(metadata(PACKAGE)["Requires-Python"])
    for python in pythons:
        if not re.fullmatch(r"\d+\.\d+", python) or f"{python}.0" not in allowed:
            raise BundleError(f"--python {python}: the workshop needs Python {allowed}.")
    pairs = dict.fromkeys(product(platforms or [this_platform()], pythons or [this_python()]))
    found = [Target(*pair, alike=not platforms and pair[1] == this_python()) for pair in pairs]
    unlike = [each for each in found if not each.alike]
    if strange := [each for each in unlike if each.platform not in BUNDLE_PLATFORMS]:
        raise BundleError(f"A bundle for {strange[0]} can only be made on such a machine.")
    return found


def make(folder: Path, wanted: Iterable[Target], say: Say, detail: Say) -> None:
    """Make a bundle in ``folder``, which must not exist or be empty.

    ``say`` receives a line per step, ``detail`` the progress within it. Leaves nothing behind when
    it fails or is interrupted. Raises BundleError.
    """
    folder = folder.absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BundleError(f"{folder} already exists. Remove it, or name another folder.")
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
        raise BundleError(f"Could not write the bundle: {error}.") from error


def _fill_bundle(made: Path, wanted: list[Target], say: Say, detail: Say) -> None:
    say("the workshop, without the outputs of its notebooks")
    workshop = make_workshop_wheel(made / installer.WHEELS, detail)
    for target in wanted:
        say(f"packages for {target}")
        collect_packages(workshop, target, workshop.parent, detail)
    for platform in dict.fromkeys(target.platform for target in wanted):
        for package in NPM_PACKAGES.values():
            say(f"npm packages of {package.name} for {platform}")
            _collect_node_packages(package, made / installer.NODE, platform)
    shutil.copyfile(installer.__file__, made / INSTALLER)
    pairs = [{"platform": target.platform, "python": target.python} for target in wanted]
    # Last: a folder that has it is complete.
    manifest = {"targets": pairs, "files": installer.digests(made)}
    (made / installer.MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def folder_bytes(folder: Path) -> int:
    """Return the total size of a folder's files, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _collect_node_packages(package: Path, archives: Path, platform: str) -> None:
    archives.mkdir(exist_ok=True)
    options = BUNDLE_PLATFORMS[platform].npm if platform != this_platform() else ()
    try:
        node.pack(package, node.find_node(), archives / archive_name(package, platform), options)
    except ServerError as error:
        raise BundleError(str(error)) from error
