"""Runs all checks in parallel, each in its own process and workshop."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kit.hosting import child

# They mostly wait, so they can share the cores. The crash check needs the most CPU.
CHECKS: Mapping[str, tuple[str, ...]] = {
    "crashes": (),
    "faults": ("--faults",),
    "experiments": ("--experiments",),
}
DEADLINE_S = 600.0

OnCheck = Callable[[str, bool], object]


def run_checks(on_check: OnCheck, checks: Mapping[str, tuple[str, ...]] = CHECKS) -> dict[str, Any]:
    """Run the checks and return their results as one object; call ``on_check`` as each one ends.

    All of them end when this process ends or is interrupted.
    """
    found: dict[str, Any] = {}
    with ExitStack() as closing:
        home = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="workshop-check-")))
        running = {
            name: _start(options, home / str(number))
            for number, (name, options) in enumerate(checks.items())
        }
        for process in running.values():
            closing.callback(child.end, process)
        readers = [
            threading.Thread(target=_read, args=(name, process, found, on_check), daemon=True)
            for name, process in running.items()
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(DEADLINE_S)
    missing = [name for name in checks if name not in found]
    found |= {name: {"ok": False, "failure": "it did not finish"} for name in missing}
    return {
        "ok": all(bool(each.get("ok")) for each in found.values()),
        "checks": {name: found[name] for name in checks},
    }


def disagreements(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each row that is not ok, and for each check that failed."""
    for name, check in found["checks"].items():
        if failure := check.get("failure"):
            yield f"✗ {name}: {failure}"
        rows = [row for rows in check.values() if isinstance(rows, list) for row in rows]
        for row in rows:
            if not row.get("ok"):
                yield f"✗ {name}: {row.get('id') or row.get('name')}: {json.dumps(row)[:300]}"


def count_rows(check: Mapping[str, Any]) -> int:
    """Return how many rows a check has."""
    return sum(len(rows) for rows in check.values() if isinstance(rows, list))


def _start(options: tuple[str, ...], home: Path) -> child.ChildProcess:
    arguments = [sys.executable, "-m", "kit.commands.cli", "check", "--json", *options]
    env = {**os.environ, "WORKSHOP_HOME": str(home)}
    return child.start(
        child.Command(arguments, env=env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _read(name: str, process: child.ChildProcess, found: dict[str, Any], on_check: OnCheck) -> None:
    assert process.stdout is not None
    written = process.stdout.read()
    code = child.wait(process)
    try:
        found[name] = json.loads(written)
    except ValueError:
        found[name] = {"ok": False, "failure": f"it exited with {code}. Run it alone."}
    on_check(name, bool(found[name].get("ok")))
