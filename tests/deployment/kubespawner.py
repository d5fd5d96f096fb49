"""KubeSpawner, what JupyterHub's chart for Kubernetes starts pods with, in an environment apart.

Its dependencies are large, and the hub's own. It is installed once, into the cache that the payment
service's packages are kept in.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import filelock
import platformdirs

# Those of the hub's image in version 4.4.0 of the chart.
PACKAGES = ("jupyterhub==5.5.0", "jupyterhub-kubespawner==7.0.0")
# A cluster that is never called: without one KubeSpawner does not start.
CLUSTER = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "none",
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "none", "user": {}}],
}
DESCRIBE = """
import asyncio, json, sys
from traitlets.config import Config
from jupyterhub.app import JupyterHub
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner

asked = json.load(sys.stdin)
known = {"KubeSpawner": KubeSpawner, "JupyterHub": JupyterHub}
unknown = [
    f"{name}.{trait}"
    for name, traits in asked.items()
    for trait in traits
    if trait not in known[name].class_traits(config=True)
]

async def describe():
    spawner = KubeSpawner(_mock=True, config=Config(asked))
    pod = await spawner.get_pod_manifest()
    # An argument that a trait does not take raises here.
    hub = JupyterHub(config=Config(asked))
    return {
        "unknown": unknown,
        "pod": ApiClient().sanitize_for_serialization(pod),
        "args": spawner.get_args(),
        "spawn_limit": hub.concurrent_spawn_limit,
    }

print(json.dumps(asyncio.run(describe())))
"""


def installed() -> Path:
    """Return the Python that has KubeSpawner; install it unless that was done before."""
    cache = Path(os.environ.get("WORKSHOP_CACHE") or platformdirs.user_cache_path("crash-workshop"))
    version = PACKAGES[-1].rpartition("=")[2]
    home = cache.absolute() / f"kubespawner-{version}-{sys.implementation.cache_tag}"
    home.mkdir(parents=True, exist_ok=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with filelock.FileLock(f"{home}.lock"):
        if not (home / "complete").exists():
            venv.create(home, clear=True, with_pip=True)
            command = [python, "-m", "pip", "install", "-q", *PACKAGES]
            subprocess.run(command, check=True, env=environment())
            (home / "complete").touch()
    return python


def environment() -> dict[str, str]:
    """Return ours without what is about our own packages."""
    ours = ("PIP_CONSTRAINT", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in ours}


def describe(traits: dict[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Return the pod of a learner by these traits of KubeSpawner, and which do not exist."""
    cluster = folder / "cluster.json"
    cluster.write_text(json.dumps(CLUSTER))
    run = subprocess.run(
        [installed(), "-c", DESCRIBE],
        input=json.dumps(traits),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**environment(), "KUBECONFIG": str(cluster)},
    )
    described: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return described
