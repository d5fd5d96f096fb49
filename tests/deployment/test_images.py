"""What is written for other machines says the same as what is declared here."""

import json
import re
import runpy
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


def instructions(name: str) -> list[str]:
    """Return the arguments of the instructions of that name, each in one line."""
    joined = text(".docker/Dockerfile").replace("\\\n", " ")
    found = re.findall(rf"^{name}\s+(.*)$", joined, re.MULTILINE)
    return [re.sub(r"\s+", " ", each) for each in found]


def devcontainer() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(text(".devcontainer/devcontainer.json"))
    return described


def test_all_of_them_take_the_same_python_which_can_do_everything() -> None:
    versions = {
        instructions("FROM")[0].removeprefix("python:").removesuffix("-slim"),
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
    commands = (*instructions("RUN"), devcontainer()["postCreateCommand"])
    installs = [each for each in commands if "pip install" in each]
    assert len(installs) == 2
    for install in installs:
        assert '--constraint .ci/constraints.txt -e ".[deploy]" && workshop prepare' in install
    requirements = text(".binder/requirements.txt").split()
    assert requirements == ["--constraint", "../.ci/constraints.txt", "--editable", ".[deploy]"]
    assert "workshop prepare" in text(".binder/postBuild").splitlines()
    assert (ROOT / ".ci" / "constraints.txt").is_file()
    assert any(each.startswith("jupyter-server-proxy") for each in deploy())


def deploy() -> list[str]:
    extra: list[str] = PROJECT["optional-dependencies"]["deploy"]
    return extra


def test_the_container_shows_jupyterlab_to_its_own_machine_alone() -> None:
    commands = re.findall(r"docker run .*", text(".docker/Dockerfile") + text("README.md"))
    assert commands
    for command in commands:
        assert f"-p 127.0.0.1:{PORT}:{PORT}" in command
    (arguments,) = map(json.loads, instructions("CMD"))
    assert f"--port={PORT}" in arguments
    assert instructions("EXPOSE") == [str(PORT)]
    assert f"http://127.0.0.1:{PORT}/api" in instructions("HEALTHCHECK")[0]
    assert devcontainer()["forwardPorts"] == [PORT]


def test_nobody_is_root_in_the_container() -> None:
    joined = text(".docker/Dockerfile")
    assert instructions("USER") == ["learner"]
    assert joined.index("USER learner") < joined.index("COPY") < joined.index("pip install")


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
    assert Path(given["COURSE"], "notebooks").is_dir()
    assert Path(given["JUPYTER_CONFIG_PATH"], "labconfig").is_dir()
    assert given["WORKSHOP_CACHE"]
    folder = hub.Spawner.notebook_dir.replace("~", "$HOME").removesuffix("/notebooks")
    assert f'cp -Rn "$COURSE/notebooks" "{folder}/"' in " ".join(hub.Spawner.cmd)
