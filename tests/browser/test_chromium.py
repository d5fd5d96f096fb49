import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import chromium

TEST = "tests/browser/test_course.py::test_nothing_covers_the_first_page"
ROOT = Path(__file__).parent.parent.parent


def test_a_named_browser_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_BROWSER", "mine")
    assert chromium.find("own") == "mine"


def test_then_one_on_the_path_then_playwrights_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WORKSHOP_BROWSER", raising=False)
    monkeypatch.setattr(chromium, "which", {"google-chrome": "/there/chrome"}.get)
    own = tmp_path / "own"
    own.touch()
    assert chromium.find(str(own)) == "/there/chrome"
    monkeypatch.setattr(chromium, "which", {}.get)
    assert chromium.find(str(own)) == str(own)
    with pytest.raises(chromium.NoBrowserError, match="playwright install chromium"):
        chromium.find(str(tmp_path / "none"))


def test_without_a_browser_the_tests_skip_and_say_how_to_get_one(tmp_path: Path) -> None:
    run = pytest_without_a_browser(tmp_path)
    assert run.returncode == 0
    assert run.stdout.count(chromium.MISSING) == 1
    assert "1 skipped" in run.stdout


def test_in_ci_a_missing_browser_is_an_error(tmp_path: Path) -> None:
    run = pytest_without_a_browser(tmp_path, CI="true")
    assert run.returncode == 1
    assert chromium.MISSING in run.stdout
    assert "1 error" in run.stdout


def pytest_without_a_browser(empty: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "WORKSHOP_BROWSER")}
    hidden = {"PATH": str(empty), "PLAYWRIGHT_BROWSERS_PATH": str(empty), "COLUMNS": "300"}
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-m", "browser"]
    command = [sys.executable, "-m", "pytest", *options, TEST]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, **hidden, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
