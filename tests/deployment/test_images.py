"""What is written for other machines says the same as what is declared here."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from kit.commands.cli import main

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PORT = 8888


def text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def stages() -> list[str]:
    """Return the stages of the image: the first makes the wheel, the second is what is shipped."""
    return re.split(r"^(?=FROM )", text(".docker/Dockerfile"), flags=re.MULTILINE)[1:]


def instructions(name: str, stage: int = -1) -> list[str]:
    """Return the arguments of the instructions of that name, each in one line."""
    joined = stages()[stage].replace("\\\n", " ")
    found = re.findall(rf"^{name}\s+(.*)$", joined, re.MULTILINE)
    return [re.sub(r"\s+", " ", each) for each in found]


def devcontainer() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(text(".devcontainer/devcontainer.json"))
    return described


def test_all_of_them_take_the_same_python_which_can_do_everything() -> None:
    versions = {
        *(re.findall(r"python:([\d.]+)-slim", stage)[0] for stage in stages()),
        devcontainer()["image"].rpartition(":")[2],
        text(".binder/runtime.txt").strip().removeprefix("python-"),
    }
    (version,) = versions
    assert version in SpecifierSet(PROJECT["requires-python"])
    # The database comes with it, without a MongoDB of one's own.
    (database,) = (each for each in PROJECT["dependencies"] if each.startswith("SecantusDB"))
    marker = Requirement(database).marker
    assert marker
    assert marker.evaluate({"python_version": version, "implementation_name": "cpython"})


def test_all_of_them_install_the_same_with_the_pinned_versions() -> None:
    assert instructions("RUN", 0) == [
        "pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .",
    ]
    copied = "/wheels /build/.ci/constraints.txt /opt/crash-workshop/wheels/"
    assert instructions("COPY") == [f"--from=build {copied}"]
    install = instructions("RUN")[-1]
    assert "--constraint /opt/crash-workshop/wheels/constraints.txt " in install
    assert '"$(echo /opt/crash-workshop/wheels/*.whl)[deploy]" && workshop prepare' in install
    created = devcontainer()["postCreateCommand"]
    assert created.endswith('--constraint .ci/constraints.txt ".[deploy]" && workshop prepare')
    requirements = text(".binder/requirements.txt").split()
    assert requirements == ["--constraint", "../.ci/constraints.txt", ".[deploy]"]
    assert "workshop prepare" in text(".binder/postBuild").splitlines()
    assert (ROOT / ".ci" / "constraints.txt").is_file()
    assert any(each.startswith("jupyter-server-proxy") for each in deploy())


def deploy() -> list[str]:
    extra: list[str] = PROJECT["optional-dependencies"]["deploy"]
    return extra


def test_the_container_shows_jupyterlab_to_its_own_machine_alone() -> None:
    documents = text(".docker/Dockerfile") + text("README.md")
    commands = re.findall(r"docker run .* crash-workshop\b.*", documents)
    assert commands
    for command in commands:
        assert f"-p 127.0.0.1:{PORT}:{PORT}" in command
    (arguments,) = map(json.loads, instructions("CMD"))
    assert f"--port={PORT}" in arguments
    assert instructions("EXPOSE") == [str(PORT)]
    assert f"http://127.0.0.1:{PORT}/api" in instructions("HEALTHCHECK")[0]
    assert devcontainer()["forwardPorts"] == [PORT]


def test_nobody_is_root_in_the_container() -> None:
    shipped = stages()[-1]
    assert instructions("USER") == ["learner"]
    assert shipped.index("USER learner") < shipped.index("COPY") < shipped.index("pip install")


def test_a_volume_of_an_older_image_hides_nothing_that_is_installed() -> None:
    (volume,) = re.findall(r"-v crash-workshop:(\S+)", text(".docker/Dockerfile"))
    assert instructions("WORKDIR") == [volume]
    assert volume not in " ".join([*instructions("ENV"), *instructions("RUN")])


@pytest.mark.skipif(os.name == "nt", reason="its shell is that of Linux")
def test_the_wheel_in_the_image_is_installed_with_its_extra(tmp_path: Path) -> None:
    """What the shell of the image makes of the path, with brackets that are no pattern."""
    (tmp_path / "crash_workshop-1.0-py3-none-any.whl").touch()
    (given,) = re.findall(r'"\$\(echo [^"]*"', instructions("RUN")[-1])
    given = given.replace("/opt/crash-workshop/wheels", str(tmp_path))
    expanded = subprocess.run(
        ["sh", "-c", f"printf %s {given}"], capture_output=True, text=True, check=True
    ).stdout
    assert expanded == f"{tmp_path}/crash_workshop-1.0-py3-none-any.whl[deploy]"


@pytest.mark.parametrize("what", ["image", "devcontainer"])
def test_links_lead_through_jupyterlab_there(what: str) -> None:
    variables = " ".join(instructions("ENV")).split()
    given = {"image": "WORKSHOP_PROXY=/" in variables}
    given["devcontainer"] = devcontainer()["containerEnv"] == {"WORKSHOP_PROXY": "/"}
    assert given[what]


def test_every_command_in_them_is_one_of_ours() -> None:
    files = (".docker/Dockerfile", ".devcontainer/devcontainer.json", ".binder/postBuild")
    names = set(re.findall(r'workshop"?,? "?([a-z]+)\b', " ".join(map(text, files))))
    assert names == {"lab", "prepare"}
    for name in names:
        assert CliRunner().invoke(main, [name, "--help"] if name != "lab" else ["--help"]).output
        assert name in main.commands


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The configuration of JupyterHub, as it is read there."""
    c = SimpleNamespace(**{name: SimpleNamespace() for name in ("JupyterHub", "Authenticator")})
    c.Spawner = SimpleNamespace()
    monkeypatch.setenv("SENTRY_DSN", "http://key@127.0.0.1/1")
    path = ROOT / ".jupyterhub" / "jupyterhub_config.py"
    runpy.run_path(str(path), {"get_config": lambda: c})
    return c


def test_the_hub_listens_on_the_loopback_and_hands_on_what_the_class_shares(
    hub: SimpleNamespace,
) -> None:
    assert hub.JupyterHub.bind_url.startswith("http://127.0.0.1:")
    given = hub.Spawner.environment
    assert given["SENTRY_DSN"] == "http://key@127.0.0.1/1"
    assert Path(given["JUPYTER_CONFIG_PATH"], "labconfig").is_dir()
    assert given["WORKSHOP_CACHE"]


@pytest.mark.skipif(os.name == "nt", reason="its shell is that of Linux")
def test_a_learner_of_the_hub_starts_in_a_copy_of_the_course(
    hub: SimpleNamespace, tmp_path: Path
) -> None:
    """The very command of the hub, with the single-user server replaced by one that shows it."""
    (tmp_path / "bin").mkdir()
    server = tmp_path / "bin" / "jupyterhub-singleuser"
    server.write_text("#!/bin/sh\necho started with $*\n")
    command = tmp_path / "bin" / "workshop"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kit.commands.cli "$@"\n')
    for program in (server, command):
        program.chmod(0o755)
    own = {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    given = {**os.environ, **hub.Spawner.environment, **own, "PYTHONPATH": str(ROOT)}
    started = subprocess.run(
        [*hub.Spawner.cmd, "--port=1"],
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert started.stdout.endswith("started with --port=1\n")
    folder = Path(hub.Spawner.notebook_dir.replace("~", str(tmp_path)))
    assert (folder / hub.Spawner.default_url.rpartition("/")[2]).is_file()
