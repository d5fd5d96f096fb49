"""Puts the course into the wheel, without what running it in this checkout left."""

import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CourseHook(BuildHookInterface[Any]):
    """Adds ``notebooks/`` as ``kit/course/material``: kit.home looks for it there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the course, unless the installation is editable: it has the checkout's own."""
        self.stripped = Path(tempfile.mkdtemp())
        if version == "editable":
            return
        root = Path(self.root)
        strip_outputs = runpy.run_path(str(root / "kit/commands/outputs.py"))["strip_outputs"]
        course = root / "notebooks"
        for source in (*course.glob("[0-9][0-9]_*.ipynb"), *course.glob("images/*.png")):
            name = source.relative_to(course)
            path = source
            if source.suffix == ".ipynb":
                path = self.stripped / name
                text = strip_outputs(source.read_text("utf-8"))
                path.write_text(text, "utf-8", newline="\n")
            build_data["force_include"][str(path)] = f"kit/course/material/{name.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the copies."""
        shutil.rmtree(self.stripped)
