"""Installs the SDKs, each kind with its own tool, once into a folder outside of the checkout."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from filelock import FileLock

from kit.hosting.environment import npm_environment
from kit.hosting.node import find_node
from tests.foreign.sdks import GO, PYTHON, RUBY, ForeignSdk

PACKAGES = Path(__file__).with_name("package.json")
# Programs of Debian packages: what each is for, and how to get it.
TOOLS = {"ruby": [each.package for each in RUBY], "go": ["golang-go", GO.package]}
NPM_INSTALL = (
    *("install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"),
    *("--no-update-notifier", "--loglevel=error", "--logs-max=0", "--no-engine-strict"),
)
GO_PATH = "/usr/share/gocode"


class MissingToolError(Exception):
    """A program that no test can install; the message says how to."""


class Installation:
    """The folder of the SDKs; what is missing in it is installed when it is asked for."""

    def __init__(self) -> None:
        declared = PACKAGES.read_bytes() + repr([each.package for each in PYTHON]).encode()
        name = hashlib.sha256(declared).hexdigest()[:12]
        self.folder = platformdirs.user_cache_path("crash-workshop") / "foreign-sdks" / name
        self.folder.mkdir(parents=True, exist_ok=True)

    def python(self, sdk: ForeignSdk) -> Path:
        """Return a folder for PYTHONPATH; what an SDK needs is installed for the kit as well."""
        folder = self.folder / sdk.package.replace("==", "-")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
        # Constraints are those of the kit's own environment.
        environment = {k: v for k, v in os.environ.items() if k != "PIP_CONSTRAINT"}
        self._once(folder, [*pip, "--target", ".", sdk.package], environment)
        return folder

    def npm(self) -> Path:
        """Return the node_modules folder of all npm packages."""
        folder, node = self.folder / "npm", find_node()
        npm = [str(node.path), str(node.npm), *NPM_INSTALL]
        self._once(folder, npm, npm_environment(os.environ), PACKAGES)
        return folder / "node_modules"

    def go(self, sdk: ForeignSdk) -> Path:
        """Return the compiled program."""
        require("go")
        folder = (
            self.folder / f"{sdk.name}-{hashlib.sha256(sdk.source.read_bytes()).hexdigest()[:8]}"
        )
        # Debian's packages are no modules.
        options = {"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": GO_PATH}
        caches = {"GOCACHE": str(self.folder / "go-cache")}
        build = ["go", "build", "-o", "shop", str(sdk.source)]
        self._once(folder, build, {**os.environ, **options, **caches})
        return folder / "shop"

    def _once(
        self, folder: Path, command: list[str], environment: Mapping[str, str], *files: Path
    ) -> None:
        """Run a command in a new folder that is kept only when the command succeeds."""
        with FileLock(f"{folder}.lock"):
            if folder.exists():
                return
            fresh = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            for file in files:
                shutil.copy(file, fresh)
            subprocess.run(command, cwd=fresh, env=dict(environment), check=True)
            fresh.rename(folder)


def require(tool: str) -> str:
    """Return the path of a program. Raises MissingToolError."""
    found = shutil.which(tool)
    if found is None:
        packages = " ".join(TOOLS[tool])
        raise MissingToolError(
            f"{tool} is missing: apt-get install -y --no-install-recommends {packages}"
        )
    return found
