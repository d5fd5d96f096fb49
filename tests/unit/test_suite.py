"""What the tests as a whole promise to whoever runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

from kit.workshop import Workshop

ROOT = Path(__file__).parents[2]
HANGS = """
import threading

def test_it_hangs():
    wait_for_what_never_comes()

def wait_for_what_never_comes():
    threading.Event().wait()

def test_another():
    pass
"""


@pytest.mark.slow
@pytest.mark.system
def test_a_test_that_hangs_ends_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "test_hangs.py").write_text(HANGS, encoding="utf-8")
    config = ("-c", str(ROOT / "pyproject.toml"), "-n", "1", "-o", "timeout=2")
    command = [sys.executable, "-m", "pytest", *config, str(tmp_path)]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 1
    assert "Timeout" in run.stdout
    assert "wait_for_what_never_comes" in run.stdout
    assert "test_it_hangs" in run.stdout
    if sys.platform != "win32":  # no signal can end it there without its process
        assert "1 failed, 1 passed" in run.stdout


def test_the_limit_is_set(pytestconfig: pytest.Config) -> None:
    assert 0 < float(pytestconfig.getini("timeout")) <= 300


def test_a_test_that_starts_the_system_has_to_be_marked(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="mark it with"):
        Workshop.start(home=tmp_path)
