"""Checks an installation against its package-lock.json: only a complete one counts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK_FILE = "package-lock.json"
# npm writes this last: the packages it installed, without optional ones for other machines.
INSTALLED = Path("node_modules", ".package-lock.json")


def absent_entries(package: Path, home: Path) -> list[str]:
    """Return the packages in the lock file of ``package`` that ``home`` lacks in that version.

    ``home`` is the folder of a ``node_modules``. Each package is named by its path there.
    """
    installed = _packages(home / INSTALLED)
    if not installed:
        return [INSTALLED.as_posix()]
    promised = _packages(package / LOCK_FILE)
    needed = (path for path in promised if path in installed or _is_needed(promised[path]))
    return [path for path in needed if not _is_there(home / path, promised[path].get("version"))]


def _packages(lock: Path) -> dict[str, Mapping[str, Any]]:
    """Return the packages of a lock file by path; none when it cannot be read."""
    content = _read_object(lock).get("packages")
    packages = content.items() if isinstance(content, dict) else ()
    # The empty path is the package that the lock file belongs to.
    return {path: facts for path, facts in packages if path and isinstance(facts, dict)}


def _is_needed(facts: Mapping[str, Any]) -> bool:
    return not any(facts.get(name) for name in ("dev", "optional", "devOptional"))


def _is_there(folder: Path, version: object) -> bool:
    found = _read_object(folder / "package.json")
    return bool(found) and found.get("version") == version


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
