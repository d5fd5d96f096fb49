"""The packages of a bundle as wheels: the workshop itself and everything it needs."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from importlib.metadata import version as installed_version
from itertools import pairwise
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from kit.actionable import ActionableError
from kit.commands.platforms import BUNDLE_PLATFORMS, Target
from kit.home import COURSE, IN_CHECKOUT

PACKAGE = "crash-workshop"
# It installs the others; the machine may have none.
PIP = "pip"
MAX_ROUNDS = 30
NO_NETWORK = re.compile("after connection broken by|ReadTimeoutError")
NO_TRUST = "confirming the ssl certificate"
# Files that an installation adds to those of a wheel, apart from compiled files and scripts.
ADDED = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}

Say = Callable[[str], None]


class BundleError(ActionableError):
    """The bundle cannot be made; the message says why and what to do."""


class _PipError(BundleError):
    """pip cannot download the requested packages; other versions may do."""


def make_workshop_wheel(folder: Path, detail: Say) -> Path:
    """Make the wheel of this workshop, course included; return it. Raises BundleError, OSError."""
    folder.mkdir(exist_ok=True)
    if IN_CHECKOUT:
        _pip(["wheel", "--no-deps", "--wheel-dir", str(folder), str(COURSE.parent)], detail)
        return next(folder.glob("crash_workshop-*.whl"))
    return _repack(distribution(PACKAGE), folder)


def _repack(installed: Distribution, folder: Path) -> Path:
    """Rebuild the wheel that a package was installed from; it must be pure Python."""
    wheel = folder / f"{installed.name.replace('-', '_')}-{installed.version}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in installed.files or ():
            if file.name in ADDED or {"..", "__pycache__"} & set(file.parts):
                continue
            content = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record.append(f"{file.as_posix()},sha256={digest.decode()},{len(content)}\n")
            archive.writestr(file.as_posix(), content)
        name = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info/RECORD"
        archive.writestr(name, "".join([*record, f"{name},,\n"]))
    return wheel


def collect_packages(workshop: Path, target: Target, wheels: Path, detail: Say) -> None:
    """Download everything that the workshop's wheel needs on ``target`` into a folder, and pip.

    Raises BundleError and OSError.
    """
    if target.alike:
        _pip(["wheel", "--wheel-dir", str(wheels), str(workshop), PIP], detail)
        return
    with tempfile.TemporaryDirectory(dir=wheels.parent, suffix=".tmp") as temporary:
        folder = Path(temporary)
        _download(_Closure(_metadata(workshop), target), target, folder, detail)
        for wheel in folder.iterdir():
            shutil.move(wheel, wheels / wheel.name)


class _Closure:
    """The packages that another machine needs, according to the metadata of those downloaded.

    pip evaluates requirement markers ("on Windows, also colorama") for the machine it runs on, even
    when it downloads for another: https://github.com/pypa/pip/issues/11664
    """

    def __init__(self, workshop: Distribution, target: Target) -> None:
        self._roots = [*_requirements(workshop), Requirement(PIP)]
        self._environment = target.environment()

    def needs(self, found: Mapping[str, Distribution]) -> dict[str, SpecifierSet]:
        """Return the acceptable versions of each package, by normalized name."""
        needs: dict[str, SpecifierSet] = {}
        done: set[tuple[str, str]] = set()
        pending = [("", each) for each in self._roots]
        while pending:
            extra, needed = pending.pop()
            if needed.marker and not needed.marker.evaluate({**self._environment, "extra": extra}):
                continue
            name = canonicalize_name(needed.name)
            needs[name] = needs.get(name, SpecifierSet()) & needed.specifier
            for chosen in {"", *needed.extras} if name in found else ():
                if (name, chosen) not in done:
                    done.add((name, chosen))
                    pending += [(chosen, each) for each in _requirements(found[name])]
        return needs


def _download(closure: _Closure, target: Target, folder: Path, detail: Say) -> None:
    """Download packages until no dependency is missing."""
    for _ in range(MAX_ROUNDS):
        wheels = {wheel: _metadata(wheel) for wheel in folder.glob("*.whl")}
        found = {str(canonicalize_name(each.name)): each for each in wheels.values()}
        needs = closure.needs(found)
        fit = {
            name
            for name, each in found.items()
            if name in needs and needs[name].contains(each.version, prereleases=True)
        }
        for wheel, each in wheels.items():
            if canonicalize_name(each.name) not in fit:
                wheel.unlink()
        if fit == needs.keys():
            return
        missing = {name: needs[name] for name in sorted(needs.keys() - fit)}
        _download_missing(missing, target, folder, detail)
    raise BundleError(
        f"Found no compatible set of packages for {target}. Pin their versions in a file, set "
        "PIP_CONSTRAINT to it, and try again."
    )


def _download_missing(
    missing: Mapping[str, SpecifierSet], target: Target, folder: Path, detail: Say
) -> None:
    """Download packages in the versions that are installed here, where available.

    Those are known to work together. One of them may be too new for the target's Python, or
    excluded by ``PIP_CONSTRAINT``.
    """
    wanted = {name: _as_installed(name, versions) for name, versions in missing.items()}
    while True:
        try:
            _download_for(target, wanted.values(), folder, detail)
            return
        except _PipError as error:
            unavailable = {
                name: f"{name}{missing[name]}"
                for name, requirement in wanted.items()
                if requirement in str(error) and requirement != f"{name}{missing[name]}"
            }
            if not unavailable:
                raise
            wanted.update(unavailable)


def _as_installed(name: str, versions: SpecifierSet) -> str:
    """Return a requirement for the version that is installed here, if it is acceptable."""
    try:
        installed = installed_version(name)
    except PackageNotFoundError:
        return f"{name}{versions}"
    fits = versions.contains(installed, prereleases=True)
    return f"{name}=={installed}" if fits else f"{name}{versions}"


def _metadata(wheel: Path) -> Distribution:
    return next(iter(distributions(path=[str(wheel)])))


def _requirements(package: Distribution) -> Iterator[Requirement]:
    return map(Requirement, package.requires or ())


def _download_for(target: Target, wanted: Iterable[str], folder: Path, detail: Say) -> None:
    tags = [f"--platform={tag}" for tag in BUNDLE_PLATFORMS[target.platform].tags]
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}"]
    _pip(["download", "--no-deps", *options, *tags, "--dest", str(folder), *wanted], detail)


def _pip(arguments: list[str], detail: Say) -> None:
    """Run pip and forward its output. Raises BundleError with the reason of a failure."""
    last: deque[str] = deque(maxlen=500)
    options = ["--progress-bar=off", "--disable-pip-version-check", "--no-input"]
    with subprocess.Popen(  # noqa: S603 - it is pip
        [sys.executable, "-m", "pip", *arguments, *options],
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
        raise _explain_pip_failure(last)


def _explain_pip_failure(printed: Iterable[str]) -> BundleError:
    """Return the error that says in one line why pip failed, and what to do."""
    lines = list(printed)
    if any(NO_TRUST in line for line in lines):
        return BundleError(
            "pip does not trust this network. Set PIP_CERT to the network's own certificate file, "
            "and try again."
        )
    if any(NO_NETWORK.search(line) for line in lines):
        return BundleError(
            "No network: a bundle needs the registries of pip and npm. Connect and try again."
        )
    if any("No module named pip" in line for line in lines):
        return BundleError(
            "This Python has no pip. Run python -m ensurepip, or uvx --with pip, and try again."
        )
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    unavailable = [" ".join(pair) for pair in pairwise(lines) if "no matching dist" in pair[0]]
    detail = (unavailable or errors or lines[-1:] or ["it printed nothing"])[0]
    # Without URLs: the URL of a registry may contain a password.
    return _PipError(
        f"pip cannot get all packages: {re.sub(r'[a-z+]+://[^ ]+', '…', detail)[:400]}"
    )
