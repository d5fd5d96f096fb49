"""The values for JupyterHub's chart become the pod that a learner needs."""

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from kit.commands.lab import JUPYTER_CONFIG
from kit.ingest.retention import Retention
from tests.benchmarks.learners import LEARNER_MB
from tests.deployment.kubespawner import describe
from tests.deployment.test_images import instructions

ROOT = Path(__file__).parent.parent.parent
VALUES: dict[str, Any] = yaml.safe_load((ROOT / ".jupyterhub/values.yaml").read_text("utf-8"))
SINGLEUSER = VALUES["singleuser"]
NOTEBOOKS = VALUES["hub"]["config"]["KubeSpawner"]["notebook_dir"]
# What the chart's hub makes of singleuser's keys: jupyterhub/files/hub/jupyterhub_config.py there.
TRAITS = {
    "uid": "uid",
    "fsGid": "fs_gid",
    "cmd": "cmd",
    "defaultUrl": "default_url",
    "startTimeout": "start_timeout",
    "extraEnv": "environment",
    "extraPodConfig": "extra_pod_config",
    "memory.guarantee": "mem_guarantee",
    "memory.limit": "mem_limit",
    "cpu.guarantee": "cpu_guarantee",
    "cpu.limit": "cpu_limit",
    "storage.capacity": "storage_capacity",
}
# What the chart makes objects of itself, or puts together.
CHARTS_OWN = {"image.name", "image.tag", "storage.homeMountPath", "networkPolicy"}
UNITS = {"M": 2**20, "G": 2**30, "Mi": 2**20, "Gi": 2**30}


def leaves(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values by dotted key, as deep as they are keys of the chart."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        is_free = key in {"extraEnv", "extraPodConfig", "networkPolicy"}
        if isinstance(value, dict) and not is_free:
            found |= {f"{key}.{below}": each for below, each in value.items()}
        else:
            found[key] = value
    return found


def size(quantity: str) -> int:
    """Return the bytes of a quantity of KubeSpawner or Kubernetes."""
    number, unit = re.fullmatch(r"(\d+)([A-Z]i?)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What JupyterHub and KubeSpawner themselves make of the values."""
    given = leaves(SINGLEUSER)
    assert given.keys() - TRAITS.keys() == CHARTS_OWN
    image = SINGLEUSER["image"]
    traits = {
        "JupyterHub": {"concurrent_spawn_limit": VALUES["hub"]["concurrentSpawnLimit"]},
        "KubeSpawner": {
            **{trait: given[key] for key, trait in TRAITS.items()},
            **VALUES["hub"]["config"]["KubeSpawner"],
            "image": f"{image['name']}:{image['tag']}",
        },
    }
    return describe(traits, tmp_path_factory.mktemp("cluster"))


def test_every_value_is_an_option_that_the_hub_has(described: dict[str, Any]) -> None:
    assert described["unknown"] == []
    assert described["spawn_limit"] == VALUES["hub"]["concurrentSpawnLimit"]


def test_a_learners_pod_runs_as_the_images_user_within_its_bounds(
    described: dict[str, Any],
) -> None:
    spec = described["pod"]["spec"]
    (container,) = spec["containers"]
    assert container["securityContext"]["runAsUser"] == SINGLEUSER["uid"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert spec["securityContext"]["fsGroup"] == SINGLEUSER["fsGid"]
    assert spec["shareProcessNamespace"] is True
    resources = container["resources"]
    assert int(resources["requests"]["memory"]) == size(SINGLEUSER["memory"]["guarantee"])
    assert int(resources["limits"]["memory"]) == size(SINGLEUSER["memory"]["limit"])
    assert float(resources["requests"]["cpu"]) < float(resources["limits"]["cpu"])
    assert container["args"][:4] == SINGLEUSER["cmd"]


def test_the_class_has_one_sentry_whose_address_is_a_secret(described: dict[str, Any]) -> None:
    (container,) = described["pod"]["spec"]["containers"]
    variables = {each["name"]: each for each in container["env"]}
    secret = variables["SENTRY_DSN"]["valueFrom"]["secretKeyRef"]
    # Without the secret the pod starts, too.
    assert secret == {"name": "sentry", "key": "dsn", "optional": True}
    assert variables["JUPYTERHUB_USER"]["value"]
    assert variables["JUPYTERHUB_ROOT_DIR"]["value"] == NOTEBOOKS
    # Empty, else links would lead past the hub, to where the image's own variable says.
    assert not variables["WORKSHOP_PROXY"].get("value")


def test_what_a_learner_costs_is_guaranteed() -> None:
    guarantee, limit = (size(SINGLEUSER["memory"][key]) for key in ("guarantee", "limit"))
    assert LEARNER_MB * 2**20 <= guarantee <= limit
    assert size(SINGLEUSER["storage"]["capacity"]) > 2 * Retention().max_bytes


def test_the_volume_keeps_what_learners_make_and_hides_nothing_of_the_image() -> None:
    volume = PurePosixPath(SINGLEUSER["storage"]["homeMountPath"])
    variables = SINGLEUSER["extraEnv"]
    for kept in (NOTEBOOKS, variables["WORKSHOP_HOME"]):
        assert volume in PurePosixPath(kept).parents
    (environment,) = re.findall(r"-m venv (\S+)", " ".join(instructions("RUN")))
    assert not PurePosixPath(environment).is_relative_to(volume)


def test_pods_reach_name_servers_the_hub_and_sentry_alone() -> None:
    policy = SINGLEUSER["networkPolicy"]
    assert not any(policy["egressAllowRules"].values())
    (rule,) = policy["egress"]
    assert [port["port"] for port in rule["ports"]] == [443]


@pytest.mark.skipif(os.name == "nt", reason="a pod runs Linux")
def test_a_learner_starts_in_a_copy_of_the_course(tmp_path: Path) -> None:
    """The very command of the pod, with the single-user server replaced by one that shows it."""
    volume = tmp_path / "class"
    programs = {
        "jupyterhub-singleuser": 'echo "$JUPYTER_CONFIG_PATH $*"',
        "workshop": f'exec {sys.executable} -m kit.commands.cli "$@"',
        "python3": f'exec {sys.executable} "$@"',
    }
    for name, code in programs.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{code}\n")
        program.chmod(0o755)
    place = SINGLEUSER["storage"]["homeMountPath"]
    command = [word.replace(place, str(volume)) for word in SINGLEUSER["cmd"]]
    own = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    printed = subprocess.check_output([*command, "--port=1"], env=own, text=True)
    assert printed.splitlines()[-1] == f"{JUPYTER_CONFIG} --port=1"
    assert (volume / Path(NOTEBOOKS).name / "00_start_here.ipynb").is_file()
