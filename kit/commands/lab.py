"""How JupyterLab opens on the course: on its first page, without dialogs, and with room to read."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit.home import FIRST_NOTEBOOK

JUPYTER_CONFIG = Path(__file__).resolve().parent / "jupyter"
# The left side bar closed: at 1280 pixels it leaves 813 to an output, and every table is narrow.
_LAYOUT: Mapping[str, Any] = {
    "data": {"layout-restorer:data": {"left": {"collapsed": True, "visible": True}}},
    "metadata": {"id": "default"},
}


def lab_options(course: Path, home: Path) -> list[str]:
    """Return JupyterLab's options for the course.

    Its layouts are kept in ``home``: a learner's own elsewhere stay as they are. The first has the
    side bar closed. Where ``home`` cannot be written to, JupyterLab opens as it always does.
    """
    options = [
        f"--ServerApp.root_dir={course}",
        f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
    ]
    folder = home / "jupyterlab"
    with suppress(OSError):
        _make_layout(folder)
        options.append(f"--LabApp.workspaces_dir={folder}")
    return options


def read_our_config() -> None:
    """Let JupyterLab read the kit's settings: no dialog, and no news from the network."""
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(JUPYTER_CONFIG), others]))


def _make_layout(folder: Path) -> None:
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    if not folder.is_dir():
        WorkspacesManager(str(folder)).save("default", json.dumps(_LAYOUT))
