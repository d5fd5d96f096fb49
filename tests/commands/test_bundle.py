import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import distributions, version
from pathlib import Path

import nbformat
import pytest
import trustme
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from kit.commands import installer, wheels
from kit.commands.bundle import targets
from kit.commands.cli import main
from kit.commands.course_copy import copy_course
from kit.commands.installer import this_platform, this_python
from kit.commands.npm_packages import NPM_PACKAGES
from kit.commands.outputs import strip_outputs
from kit.commands.platforms import Target
from kit.commands.wheels import BundleError, collect_packages
from kit.home import COPY_MANIFEST, COURSE
from kit.hosting.child import free_port
from kit.hosting.server import HOST
from tests.commands.test_cli import get_when_up
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
with Workshop.start() as workshop:
    for crash in ("gateway/panic", "game-engine/crash", "analytics/crash", "payment/crash"):
        if workshop.unavailable(variants(crash)[0]):
            assert sys.version_info >= (3, 14), crash
        else:
            assert workshop.trigger(crash).missing == [], crash
"""
# Runs the first notebook, as a learner does, and saves it.
RUN_FIRST = """
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read("00_start_here.ipynb", as_version=4)
NotebookClient(notebook, timeout=120).execute()
nbformat.write(notebook, "00_start_here.ipynb")
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
    """The wheel in an empty environment, too: the course is copied, run and upgraded there."""
    stick, laptop = tmp_path / "usb stick", tmp_path / "laptop"
    cut_off = without_network([])
    monkeypatch.setenv("PIP_CONSTRAINT", str(ROOT / ".ci" / "constraints.txt"))
    made = CliRunner().invoke(main, ["bundle", str(stick)])
    assert made.exit_code == 0, made.output
    # As on a machine that never had any of it.
    given = ("MONGODB_URI", "WORKSHOP_HOME", "PIP_CONSTRAINT", "PYTHONPATH")
    bare = {name: value for name, value in os.environ.items() if name not in given}
    bare |= {"WORKSHOP_CACHE": str(tmp_path / "cache"), "npm_config_cache": str(tmp_path / "npm")}
    said = run([*cut_off, sys.executable, stick / "install.py", laptop], tmp_path, bare)
    for name in NPM_PACKAGES:
        assert f"✓ packages of {name}: in " in said
    assert f"✓ the course in {laptop / 'notebooks'}\n" in said
    programs = laptop / ".venv" / "bin"
    assert said.endswith(f"Now run\n\n    {programs / 'workshop'} lab\n")
    assert_same_course(laptop / "notebooks")

    run([*cut_off, programs / "python", "-c", CRASH_EACH], laptop, bare)
    run([*cut_off, programs / "python", "-c", RUN_FIRST], laptop / "notebooks", bare)
    assert (laptop / ".workshop" / "captured.sqlite3").is_file()
    assert_lab_shows_the_course(programs, tmp_path, bare)

    ran = (laptop / "notebooks" / "00_start_here.ipynb").read_text("utf-8")
    newer = newer_wheel(next((stick / "wheels").glob("crash_workshop-*.whl")), tmp_path)
    offline = ["--no-index", "--no-deps", "--no-compile"]
    run([*cut_off, programs / "python", "-m", "pip", "install", *offline, newer], tmp_path, bare)
    said = run([*cut_off, programs / "crash-workshop", "notebooks"], tmp_path, bare)
    assert "the newer version is 00-new_start_here.ipynb." in said
    unchanged = len(list(COURSE.glob("[0-9]*.ipynb"))) - 1
    assert f"{unchanged} files replaced by a newer version." in said
    assert (laptop / "notebooks" / "00_start_here.ipynb").read_text("utf-8") == ran
    for name in ("00-new_start_here.ipynb", "01_unhandled_crash.ipynb"):
        assert '"newer": true' in (laptop / "notebooks" / name).read_text("utf-8")


def assert_same_course(folder: Path) -> None:
    for path in (*COURSE.glob("[0-9]*.ipynb"), COURSE / "images" / "crash.png"):
        copied = (folder / path.relative_to(COURSE)).read_bytes()
        if path.suffix == ".ipynb":  # this checkout's may have outputs
            assert copied.decode() == strip_outputs(path.read_text("utf-8"))
        else:
            assert copied == path.read_bytes()


def assert_lab_shows_the_course(programs: Path, folder: Path, environment: dict[str, str]) -> None:
    port = free_port()
    options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=open", "--allow-root"]
    with subprocess.Popen(
        [programs / "workshop", "lab", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as lab:
        try:
            listing = get_when_up(f"http://{HOST}:{port}/api/contents?token=open").json()
            assert "00_start_here.ipynb" in [entry["name"] for entry in listing["content"]]
        finally:
            lab.terminate()
            said, _ = lab.communicate(timeout=60)
    # That around its environment: there is no second one in the working directory.
    assert said.startswith(f"The course is in {programs.parents[1] / 'notebooks'};")
    assert not (folder / "crash-workshop").exists()


def newer_wheel(wheel: Path, folder: Path) -> Path:
    """Return the next version of a wheel of the workshop, where each notebook is another."""
    newer = folder / wheel.name.replace(version("crash-workshop"), "99.0")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".ipynb"):
                notebook = json.loads(content)
                notebook["metadata"]["newer"] = True
                content = json.dumps(notebook, indent=1).encode()
            elif name.endswith(".dist-info/METADATA"):
                content = content.replace(b"\nVersion: ", b"\nVersion: 99.0\nOld-Version: ", 1)
            elif name.endswith(".dist-info/RECORD"):
                content = b""
            new.writestr(
                re.sub(r"^(crash_workshop)-[^/]+(\.dist-info/)", r"\1-99.0\2", name), content
            )
    return newer


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip without what this machine tells it."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return monkeypatch


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert "already exists" in made.output
    assert [path.name for path in tmp_path.iterdir()] == ["answers.txt"]


def wheel(folder: Path, name: str, tag: str, *needs: str, version: str = "1.0") -> Path:
    info = f"{name}-{version}.dist-info"
    extras = sorted(set(re.findall(r"extra == '(\w+)'", " ".join(needs))))
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    metadata += [f"Requires-Dist: {need}" for need in needs]
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def published(tmp_path: Path, no_settings: pytest.MonkeyPatch) -> Path:
    """A registry of wheels with nothing in it but pip."""
    folder = tmp_path / "published"
    folder.mkdir()
    wheel(folder, "pip", "py3-none-any", version=version("pip"))
    no_settings.setenv("PIP_NO_INDEX", "1")
    no_settings.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def collect(folder: Path, target: Target, *needs: str) -> set[str]:
    """Collect what a program needs on another machine; return it without pip itself."""
    (folder / "wheels").mkdir()
    program = wheel(folder, "program", "py3-none-any", *needs)
    collect_packages(program, target, folder / "wheels", lambda line: None)
    found = {path.name.rsplit("-", 2)[0] for path in (folder / "wheels").iterdir()}
    assert not list(folder.glob("*.tmp"))
    assert f"pip-{version('pip')}-py3" in found
    return {each for each in found if not each.startswith("pip-")}


@pytest.fixture
def quick_pip(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is published, and in place of pip what takes the newest version of a package from it."""

    def download(target: Target, wanted: Iterable[str], folder: Path, detail: object) -> None:
        chosen = []
        for requirement in map(Requirement, wanted):
            candidates = {
                version: path
                for path in published.glob(f"{requirement.name}-*.whl")
                for _, version, _, tags in [parse_wheel_filename(path.name)]
                if version in requirement.specifier and {str(tag) for tag in tags} == {ANY}
            }
            if not candidates:
                raise wheels._PipError(f"No matching distribution found for {requirement}")
            chosen.append(candidates[max(candidates)])
        for path in chosen:
            shutil.copyfile(path, folder / path.name)

    monkeypatch.setattr(wheels, "_download_for", download)
    return published


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("windows-x86_64", "3.12"), {"shop-1.0-py3", "onwin-1.0-cp312", "new-1.0-py3"}),
        pytest.param(
            Target("macos-arm64", "3.11"), {"shop-1.0-py3", "onmac-1.0-cp39", "old-1.0-py3"}
        ),
        pytest.param(Target("linux-arm64", "3.12"), {"shop-1.0-py3", "new-1.0-py3"}),
    ],
    ids=["windows", "macos", "linux-arm"],
)
def test_each_machine_gets_what_it_needs_and_no_other(
    target: Target, expected: set[str], tmp_path: Path, published: Path
) -> None:
    needs = ("onwin; sys_platform == 'win32'", "onmac; platform_system == 'Darwin'")
    needs += ("old; python_version < '3.12'", "new; python_version >= '3.12'")
    wheel(published, "shop", "py3-none-any", *needs)
    wheel(published, "onwin", "cp312-cp312-win_amd64")
    wheel(published, "onmac", "cp39-abi3-macosx_11_0_arm64")
    wheel(published, "old", "py3-none-any")
    wheel(published, "new", "py3-none-any")
    assert collect(tmp_path, target, "shop") == expected


ANY = "py3-none-any"
WINDOWS = Target("windows-x86_64", "3.12")


def test_extras_are_followed_and_none_that_nothing_asks_for(
    tmp_path: Path, quick_pip: Path
) -> None:
    wheel(quick_pip, "shop", "py3-none-any", "formats[date]")
    extras = ("days; extra == 'date'", "mails; extra == 'mail'", "shop")
    wheel(quick_pip, "formats", "py3-none-any", *extras)
    wheel(quick_pip, "days", "py3-none-any")
    expected = {"shop-1.0-py3", "formats-1.0-py3", "days-1.0-py3"}
    assert collect(tmp_path, WINDOWS, "shop", "fuzzer; extra == 'fuzz'") == expected


def test_a_version_that_another_package_does_not_take_is_replaced(
    tmp_path: Path, quick_pip: Path
) -> None:
    wheel(quick_pip, "shop", "py3-none-any", "till<2")
    for each in ("1.5", "2.0"):
        wheel(quick_pip, "till", "py3-none-any", version=each)
    assert collect(tmp_path, WINDOWS, "shop", "till") == {"shop-1.0-py3", "till-1.5-py3"}


def test_a_machine_gets_the_version_that_is_installed_here(tmp_path: Path, quick_pip: Path) -> None:
    here = version("click")
    for each in (here, "999.0"):
        wheel(quick_pip, "click", "py3-none-any", version=each)
    assert collect(tmp_path, WINDOWS, "click") == {f"click-{here}-py3"}


def test_a_machine_gets_another_version_where_there_is_none_of_that_for_it(
    tmp_path: Path, quick_pip: Path
) -> None:
    wheel(quick_pip, "click", "cp312-cp312-macosx_11_0_arm64", version=version("click"))
    wheel(quick_pip, "click", "py3-none-any", version="999.0")
    assert collect(tmp_path, WINDOWS, "click") == {"click-999.0-py3"}


def test_packages_that_never_fit_are_said(tmp_path: Path, quick_pip: Path) -> None:
    wheel(quick_pip, "shop", "py3-none-any", "till<2")
    wheel(quick_pip, "till", "py3-none-any", version="2.0")
    with pytest.raises(BundleError, match="No matching distribution found for till"):
        collect(tmp_path, WINDOWS, "shop", "till>=2")


@pytest.mark.slow
def test_what_a_machine_cannot_have_is_named(tmp_path: Path, published: Path) -> None:
    wheel(published, "brotli", "cp312-cp312-macosx_11_0_arm64")
    with pytest.raises(BundleError, match=r"pip cannot get all packages: .*brotli"):
        collect(tmp_path, WINDOWS, "brotli")


@pytest.mark.slow
def test_an_installed_workshop_makes_its_own_wheel_again(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkout the bundle carries what is installed, not what a registry has."""
    program = wheel(tmp_path, "program", "py3-none-any")
    there, info = tmp_path / "there", "program-1.0.dist-info"
    with zipfile.ZipFile(program, "a") as archive:
        archive.writestr("program/__init__.py", "print('hello')")
        archive.extractall(there)
        wheel_files = sorted(archive.namelist())
    added = ["program/__pycache__/__init__.cpython-312.pyc", "../bin/program"]
    added += [f"{info}/INSTALLER", f"{info}/direct_url.json"]
    record = "".join(f"{name},,\n" for name in wheel_files + added)
    (there / info / "RECORD").write_text(record)
    (installed,) = distributions(path=[str(there)])
    (tmp_path / "again").mkdir()
    again = wheels._repack(installed, tmp_path / "again")
    assert again.name == program.name
    with zipfile.ZipFile(again) as archive:
        assert sorted(archive.namelist()) == wheel_files
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet"]
    subprocess.run([*pip, "--target", str(tmp_path / "new"), str(again)], check=True)
    assert (tmp_path / "new" / "program" / "__init__.py").read_text() == "print('hello')"


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


def test_outputs_of_the_instructor_stay_at_home() -> None:
    notebook = nbformat.read(COURSE / "00_start_here.ipynb", as_version=4)
    clean = nbformat.writes(notebook)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in ran:
        cell.outputs = [nbformat.v4.new_output("stream", text="my token")]
        cell.execution_count = 7
    assert strip_outputs(nbformat.writes(notebook)).strip() == clean.strip()


def test_the_installer_marks_a_folder_as_the_copy_does() -> None:
    assert installer.COPY_MANIFEST == COPY_MANIFEST


def test_the_installer_needs_nothing_that_is_not_there_yet() -> None:
    source = Path(installer.__file__).read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names <= sys.stdlib_module_names


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A bundle for another machine, with one package."""
    (tmp_path / "stick" / "wheels").mkdir(parents=True)
    (tmp_path / "stick" / "wheels" / "shop.whl").write_bytes(b"PK and more")
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
        (lambda stick: shutil.rmtree(stick / "wheels"), r"shop\.whl is missing"),
        (lambda stick: (stick / "bundle.json").unlink(), r"bundle\.json is missing or damaged"),
        (lambda stick: (stick / "bundle.json").write_text('{"targ'), "is missing or damaged"),
    ],
    ids=["torn wheel", "no wheel", "no wheels", "no manifest", "torn manifest"],
)
def test_a_bundle_that_was_not_copied_to_its_end_installs_nothing(
    stick: Path, tmp_path: Path, harm: Callable[[Path], object], words: str
) -> None:
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
            installer._install_packages(python, tmp_path / "wheels")
    assert is_cleared == [True, True, False]


def test_an_installation_that_was_interrupted_may_go_on(tmp_path: Path) -> None:
    installer._begin(tmp_path / "laptop")
    (tmp_path / "laptop" / ".venv").mkdir()
    installer._check_folder(tmp_path / "laptop")
    copy_course(COURSE, tmp_path / "laptop")
    before = (tmp_path / "laptop" / COPY_MANIFEST).read_bytes()
    installer._begin(tmp_path / "laptop")
    assert (tmp_path / "laptop" / COPY_MANIFEST).read_bytes() == before


def test_an_archive_that_is_none_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "payment-torn.zip").write_bytes(b"PK")
    result = CliRunner().invoke(main, ["unpack", str(tmp_path / "payment-torn.zip")])
    assert result.exit_code == 1
    assert "payment-torn.zip" in result.output
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    other = CliRunner().invoke(main, ["unpack", str(tmp_path / "holidays.zip")])
    assert (other.exit_code, "is not an archive from a bundle" in other.output) == (1, True)
