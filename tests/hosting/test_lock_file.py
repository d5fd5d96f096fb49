import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.hosting.lock_file import absent_entries

LOCKED = {
    "": {"version": "1.0.0"},
    "node_modules/greeting": {"version": "1.0.0"},
    "node_modules/@scope/part": {"version": "2.0.0"},
    "node_modules/@scope/part/node_modules/greeting": {"version": "0.9.0"},
    "node_modules/for-windows": {"version": "3.0.0", "optional": True},
    "node_modules/for-tests": {"version": "4.0.0", "dev": True},
}
LEFT_OUT = {"", "node_modules/for-windows", "node_modules/for-tests"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder that has its lock file, and what that promises on this machine."""
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": LOCKED}))
    here = {path: facts for path, facts in LOCKED.items() if path not in LEFT_OUT}
    for path, facts in here.items():
        add(tmp_path / path, facts["version"])
    (tmp_path / "node_modules" / ".package-lock.json").write_text(json.dumps({"packages": here}))
    return tmp_path


def add(folder: Path, version: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"version": version}))


def test_what_is_for_other_machines_or_for_tests_is_not_missing(shop: Path) -> None:
    assert absent_entries(shop, shop) == []


NOTE = "node_modules/.package-lock.json"
GREETING = "node_modules/greeting"
PART, BELOW = "node_modules/@scope/part", "node_modules/@scope/part/node_modules/greeting"


@pytest.mark.parametrize(
    ("harm", "missing"),
    [
        (lambda shop: shutil.rmtree(shop / "node_modules"), [NOTE]),
        (lambda shop: (shop / NOTE).write_text('{"packages": {"node_mod'), [NOTE]),
        (lambda shop: (shop / NOTE).write_text('{"packages": {}}'), [NOTE]),
        (lambda shop: shutil.rmtree(shop / PART), [PART, BELOW]),
        (lambda shop: (shop / BELOW / "package.json").unlink(), [BELOW]),
        (lambda shop: (shop / GREETING / "package.json").write_text(""), [GREETING]),
        (lambda shop: (shop / GREETING / "package.json").write_text("[]"), [GREETING]),
        (lambda shop: add(shop / GREETING, "0.9.0"), [GREETING]),
    ],
    ids=["all", "torn note", "empty note", "a folder", "a file", "a torn file", "no object", "old"],
)
def test_what_is_half_there_is_named(
    shop: Path, harm: Callable[[Path], object], missing: list[str]
) -> None:
    harm(shop)
    assert absent_entries(shop, shop) == missing


def test_what_npm_chose_for_this_machine_must_be_there(shop: Path) -> None:
    chosen = {"node_modules/for-windows": {"version": "3.0.0"}}
    (shop / NOTE).write_text(json.dumps({"packages": chosen}))
    assert absent_entries(shop, shop) == ["node_modules/for-windows"]
