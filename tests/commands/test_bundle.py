import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import pytest
import trustme
from click.testing import CliRunner

from kit.commands import bundle, installer
from kit.commands.bundle import Target, targets
from kit.commands.cli import main
from kit.commands.installer import this_platform, this_python
from kit.home import COURSE
from kit.hosting.child import free_port
from tests.hosting.registry import Registry

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]

# Brings up the loopback of a network namespace of its own, which has nothing else.
LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    request = struct.pack("16sh14x", b"lo", 0)
    flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, 0x8913, request))[1]
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))
os.execvp(sys.argv[1], sys.argv[1:])
"""
CRASH_EACH = """
import sys
from kit import Workshop
from kit.crashes.catalogue import variants
from kit.home import COURSE
with Workshop.start() as workshop:
    for crash in ("gateway/panic", "game-engine/crash", "analytics/crash", "payment/crash"):
        if workshop.unavailable(variants(crash)[0]):
            assert sys.version_info >= (3, 14), crash
        else:
            assert workshop.trigger(crash).missing == [], crash
print(COURSE)
"""


def without_network(command: Sequence[str | Path]) -> list[str | Path]:
    """Return what runs a command where no network but its own loopback is."""
    if not sys.platform.startswith("linux"):
        reason = "only Linux can cut one program off from the network"
    else:
        cut = ["unshare", "--net", "--map-root-user", sys.executable, "-c", LOOPBACK]
        tried = subprocess.run([*cut, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return [*cut, *command]
        reason = f"this machine lets nobody cut the network: {tried.stderr.strip()}"
        assert "CI" not in os.environ, reason
    pytest.skip(reason)


def run(command: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_bundle_installs_and_works_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick, laptop = tmp_path / "usb stick", tmp_path / "laptop"
    cut_off = without_network([])
    monkeypatch.setenv("PIP_CONSTRAINT", str(ROOT / ".ci" / "constraints.txt"))
    made = CliRunner().invoke(main, ["bundle", str(stick)])
    assert made.exit_code == 0, made.output
    # As on a machine that never had any of it.
    given = ("MONGODB_URI", "WORKSHOP_HOME", "PIP_CONSTRAINT")
    bare = {name: value for name, value in os.environ.items() if name not in given}
    bare |= {"WORKSHOP_CACHE": str(tmp_path / "cache"), "npm_config_cache": str(tmp_path / "npm")}
    said = run([*cut_off, sys.executable, stick / "install.py", laptop], tmp_path, bare)
    assert "✓ packages of payment: in " in said
    assert said.endswith(f"Now run\n\n    {laptop / '.venv' / 'bin' / 'workshop'} lab\n")
    learners = laptop / ".venv" / "bin" / "python"
    crashed = run([*cut_off, learners, "-c", CRASH_EACH], tmp_path, bare)
    assert crashed.endswith(f"{laptop / 'notebooks'}\n")


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip without what this machine tells it."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return monkeypatch


def test_without_a_network_there_is_one_clear_line_and_no_bundle(
    tmp_path: Path, no_settings: pytest.MonkeyPatch
) -> None:
    no_settings.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}/simple")
    no_settings.setenv("PIP_RETRIES", "1")
    made = CliRunner().invoke(main, ["bundle", str(tmp_path / "class")])
    assert made.exit_code == 1
    assert made.output.splitlines()[-1].startswith("Error: No network: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_network_that_pip_does_not_trust_is_said(
    tmp_path: Path, no_settings: pytest.MonkeyPatch
) -> None:
    with Registry() as registry:
        registry.encrypt(trustme.CA())
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        no_settings.setenv("PIP_INDEX_URL", registry.url)
        made = CliRunner().invoke(main, ["bundle", str(tmp_path / "class")])
        registry.shutdown()
    assert made.exit_code == 1
    assert made.output.splitlines()[-1].startswith("Error: pip does not trust this network. Set ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process alone")
def test_ctrl_c_leaves_no_half_bundle(tmp_path: Path, no_settings: pytest.MonkeyPatch) -> None:
    with Registry() as registry:
        registry.generous.clear()
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        no_settings.setenv("PIP_INDEX_URL", registry.url)
        command = [sys.executable, "-m", "kit.commands.cli", "bundle", str(tmp_path / "class")]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as making:
            assert registry.asked.wait(120)
            assert list(tmp_path.iterdir()) != []
            making.send_signal(signal.SIGINT)
            _, said = making.communicate(timeout=120)
        registry.generous.set()
        registry.shutdown()
    assert making.returncode == 1
    assert "Aborted" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "answers.txt").touch()
    made = CliRunner().invoke(main, ["bundle", str(tmp_path)])
    assert made.exit_code == 1
    assert "is there already" in made.output
    assert [path.name for path in tmp_path.iterdir()] == ["answers.txt"]


def wheel(folder: Path, name: str, tag: str, *needs: str) -> None:
    info = f"{name}-1.0.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    metadata += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("windows-x86_64", "3.12"), {"shop-1.0-py3", "onwin-1.0-cp312", "new-1.0-py3"}),
        (Target("macos-arm64", "3.11"), {"shop-1.0-py3", "onmac-1.0-cp39", "old-1.0-py3"}),
        (Target("linux-arm64", "3.12"), {"shop-1.0-py3", "new-1.0-py3"}),
    ],
    ids=["windows", "macos", "linux-arm"],
)
def test_each_machine_gets_what_it_needs_and_no_other(
    target: Target, expected: set[str], tmp_path: Path, no_settings: pytest.MonkeyPatch
) -> None:
    published, wheels = tmp_path / "published", tmp_path / "wheels"
    published.mkdir()
    needs = ("onwin; sys_platform == 'win32'", "onmac; platform_system == 'Darwin'")
    needs += ("old; python_version < '3.12'", "new; python_version >= '3.12'")
    wheel(published, "shop", "py3-none-any", *needs)
    wheel(published, "onwin", "cp312-cp312-win_amd64")
    wheel(published, "onmac", "cp39-abi3-macosx_11_0_arm64")
    wheel(published, "old", "py3-none-any")
    wheel(published, "new", "py3-none-any")
    no_settings.setenv("PIP_NO_INDEX", "1")
    no_settings.setenv("PIP_FIND_LINKS", str(published))
    no_settings.setattr(bundle, "BUILDING", ())
    needed = {"project": {"dependencies": ["shop"]}, "build-system": {"requires": []}}
    no_settings.setattr(bundle, "_project", lambda: needed)
    bundle._collect_wheels(wheels, target, lambda line: None)
    assert {path.name.rsplit("-", 2)[0] for path in wheels.iterdir()} == expected


def test_what_a_machine_cannot_have_is_named(
    tmp_path: Path, no_settings: pytest.MonkeyPatch
) -> None:
    no_settings.setenv("PIP_NO_INDEX", "1")
    target = Target("windows-x86_64", "3.12")
    with pytest.raises(bundle.BundleError, match=r"pip cannot get all packages: .*brotli"):
        bundle._collect_wheels(tmp_path, target, lambda line: None)


def test_it_is_made_for_this_machine_unless_others_are_named() -> None:
    assert targets([], []) == [Target(this_platform(), this_python(), alike=True)]
    platforms, pythons = ["windows-x86_64", "macos-arm64"], ["3.12", "3.13"]
    pairs = [(platform, python) for platform in platforms for python in pythons]
    assert targets(platforms, pythons) == [Target(*pair) for pair in pairs]
    # For machines of that kind, not for those that are as new as this one.
    assert not targets([this_platform()], [])[0].alike


@pytest.mark.parametrize("python", ["3.10", "3", "latest", "3.11.4"])
def test_a_python_that_will_not_do_is_refused(python: str, tmp_path: Path) -> None:
    made = CliRunner().invoke(main, ["bundle", str(tmp_path / "class"), "--python", python])
    assert made.exit_code == 1
    assert "the workshop needs Python >=3.11" in made.output.replace("<3.15,>=", ">=")


def test_outputs_of_the_instructor_stay_at_home(tmp_path: Path) -> None:
    path = tmp_path / "00_start_here.ipynb"
    notebook = nbformat.read(COURSE / path.name, as_version=4)
    clean = nbformat.writes(notebook)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in ran:
        cell.outputs = [nbformat.v4.new_output("stream", text="my token")]
        cell.execution_count = 7
    nbformat.write(notebook, path)
    bundle._strip_outputs(path)
    assert path.read_text("utf-8").strip() == clean.strip()


def test_the_installer_needs_nothing_that_is_not_there_yet() -> None:
    source = Path(installer.__file__).read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names <= sys.stdlib_module_names


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A bundle for another machine, with a course of one notebook."""
    course = tmp_path / "stick" / "course"
    (course / "notebooks").mkdir(parents=True)
    (course / "notebooks" / "00_start_here.ipynb").write_text("...")
    manifest = {"targets": [{"platform": "amiga-68000", "python": "3.12"}], "files": {}}
    (tmp_path / "stick" / "bundle.json").write_text(json.dumps(manifest))
    shutil.copyfile(installer.__file__, tmp_path / "stick" / "install.py")
    return tmp_path / "stick"


def test_a_bundle_for_another_machine_says_so(stick: Path) -> None:
    command = [sys.executable, stick / "install.py", stick / "here"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tried.returncode == 1
    assert "The bundle is for Python 3.12 on amiga-68000" in tried.stderr
    assert f"--platform {this_platform()} --python {this_python()}" in tried.stderr
    assert not (stick / "here").exists()


def test_a_folder_of_something_else_stays_as_it_is(stick: Path, tmp_path: Path) -> None:
    manifest = {"targets": [{"platform": this_platform(), "python": this_python()}], "files": {}}
    (stick / "bundle.json").write_text(json.dumps(manifest))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.txt").touch()
    with pytest.raises(installer.InstallError, match="is not empty"):
        installer.install(stick, tmp_path / "thesis")
    assert len(list((tmp_path / "thesis").iterdir())) == 1


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda stick: (stick / "wheels" / "shop.whl").write_bytes(b"PK"), r"shop\.whl is damaged"),
        (lambda stick: (stick / "wheels" / "shop.whl").unlink(), r"shop\.whl is missing"),
        (lambda stick: shutil.rmtree(stick / "course" / "notebooks"), r"\.ipynb is missing"),
        (lambda stick: (stick / "bundle.json").unlink(), r"bundle\.json is missing or damaged"),
        (lambda stick: (stick / "bundle.json").write_text('{"targ'), "is missing or damaged"),
    ],
    ids=["torn wheel", "no wheel", "no course", "no manifest", "torn manifest"],
)
def test_a_bundle_that_was_not_copied_to_its_end_installs_nothing(
    stick: Path, tmp_path: Path, harm: Callable[[Path], object], words: str
) -> None:
    (stick / "wheels").mkdir()
    (stick / "wheels" / "shop.whl").write_bytes(b"PK and more")
    targets = [{"platform": this_platform(), "python": this_python()}]
    manifest = {"targets": targets, "files": installer.digests(stick)}
    (stick / "bundle.json").write_text(json.dumps(manifest))
    installer._check_bundle(stick)
    harm(stick)
    with pytest.raises(installer.InstallError, match=f"{words}.*Copy the whole bundle again"):
        installer.install(stick, tmp_path / "laptop")
    assert not (tmp_path / "laptop").exists()


def test_an_environment_that_was_not_finished_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(installer, "_run", lambda command, folder: ran.append(command))
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "pip-1-py3-none-any.whl").touch()
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    is_cleared = []
    for _ in range(3):
        python = installer._make_environment(environment)
        is_cleared.append("--clear" in ran[-1])
        if len(is_cleared) > 1:  # the first is interrupted here
            installer._install_packages(python, tmp_path / "wheels", tmp_path)
    assert is_cleared == [True, True, False]


def test_a_copy_that_was_interrupted_is_completed(stick: Path, tmp_path: Path) -> None:
    course, laptop = stick / "course", tmp_path / "laptop"
    (course / "kit").mkdir()
    for name in ("whole.py", "torn.py", "absent.py"):
        (course / "kit" / name).write_text(f"print('{name}')")
    installer._copy_course(course, laptop)
    (laptop / "kit" / "torn.py").write_text("print(")
    (laptop / "kit" / "absent.py").unlink()
    (laptop / "kit" / "absent.py.part").write_text("print(")
    installer._copy_course(course, laptop)
    found = {path.name: path.read_text() for path in (laptop / "kit").iterdir()}
    assert found == {path.name: path.read_text() for path in (course / "kit").iterdir()}


def test_a_second_installation_keeps_the_answers(stick: Path, tmp_path: Path) -> None:
    laptop = tmp_path / "laptop"
    (stick / "course" / "README.md").write_text("How to start the workshop")
    installer._copy_course(stick / "course", laptop)
    notebook = laptop / "notebooks" / "00_start_here.ipynb"
    notebook.write_text("my answer")
    (laptop / "README.md").write_text("my remarks")
    (stick / "course" / "notebooks" / "01_new.ipynb").touch()
    installer._copy_course(stick / "course", laptop)
    assert notebook.read_text() == "my answer"
    assert (laptop / "README.md").read_text() == "my remarks"
    assert (laptop / "notebooks" / "01_new.ipynb").is_file()
    installer._check_folder(laptop)


def test_an_archive_that_is_none_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "torn.zip").write_bytes(b"PK")
    result = CliRunner().invoke(main, ["unpack", str(tmp_path / "torn.zip")])
    assert result.exit_code == 1
    assert "torn.zip" in result.output
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
