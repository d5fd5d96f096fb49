"""What the tests as a whole promise to whoever runs them."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kit.workshop import Workshop
from tests.schedule import ANY_SDK, LONG_S, LongestFirst, expected_seconds, scope_of

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


def test_what_takes_long_is_there() -> None:
    folders = (ROOT, ROOT / "notebooks")
    assert [name for name in LONG_S if not any((each / name).exists() for each in folders)] == []


@pytest.mark.parametrize("name", sorted(ANY_SDK))
def test_what_ci_runs_with_one_sdk_alone_calls_none(name: str) -> None:
    source = (ROOT / "tests" / name).read_text(encoding="utf-8")
    assert not re.search(
        r"^\s*(import|from) (sentry_sdk|demo_services\.sdk)\b", source, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/browser/test_live.py::test_a[b]", "tests/browser"),
        ("tests/views/test_html.py::test_a[04_memory_and_cpu.ipynb]", "tests/views/test_html.py"),
        (
            "tests/notebooks/test_outputs.py::test_a[04_memory_and_cpu.ipynb]",
            "tests/notebooks/test_outputs.py/04_memory_and_cpu.ipynb",
        ),
        ("tests/notebooks/test_outputs.py::test_a", "tests/notebooks/test_outputs.py"),
        ("notebooks/04_memory_and_cpu.ipynb::", "notebooks/04_memory_and_cpu.ipynb"),
    ],
)
def test_a_process_gets_what_shares_something_at_once(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid) == scope


class Worker:
    """A process as the scheduler sees it, with the tests that it was given."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        pass


def test_what_takes_longest_begins_first(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = "tests/notebooks/test_outputs.py::test_a"
    tests = [
        *(f"tests/views/test_html.py::test_{n}" for n in range(3)),
        *(f"{outputs}[{name}]" for name in ("00_start_here.ipynb", "18_from_sdk_2_to_3.ipynb")),
        *(f"tests/browser/test_{name}.py::test_a" for name in "abc"),
    ]
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    scheduler, workers = LongestFirst(pytestconfig), [Worker("a"), Worker("b")]
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    first, second = workers
    assert first.given == [5, 6, 7]
    assert second.given[:1] == [4]
    assert expected_seconds("notebooks/18_from_sdk_2_to_3.ipynb") > expected_seconds("tests/views")
