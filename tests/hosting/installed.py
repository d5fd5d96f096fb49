"""A folder that looks as npm leaves it, without what would run."""

import json
from pathlib import Path


def write_installed(package: Path, modules: Path) -> None:
    """Write the declaration of each package that every machine needs, and npm's note of them."""
    lock = json.loads((package / "package-lock.json").read_text("utf-8"))["packages"]
    needed = {path: facts for path, facts in lock.items() if path and not facts.get("optional")}
    for path, facts in needed.items():
        folder = modules.parent / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"version": facts["version"]}))
    (modules / ".package-lock.json").write_text(json.dumps({"packages": needed}))
