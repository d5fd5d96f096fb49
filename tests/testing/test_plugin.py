"""The pytest plugin, as a project has it that installs the kit: found by its entry point."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import sentry_sdk

from kit.testing import SentryIngest

ROOT = Path(__file__).parents[2]
SHOP = """
import sentry_sdk
from fastapi import FastAPI, HTTPException

sentry_sdk.init(
    release="shop@1.2",
    traces_sample_rate=1.0,
    data_collection={"http_bodies": [], "stack_frame_variables": False},
)
app = FastAPI()


class PaymentRefused(Exception):
    pass


@app.post("/checkout")
def checkout(order: dict[str, str]) -> None:
    if "card" not in order:
        raise HTTPException(422, "The card is missing.")
    sentry_sdk.get_isolation_scope().fingerprint = ["checkout", "refused"]
    raise PaymentRefused("The bank said no.")
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose metadata have the entry points of this checkout, installed or not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    folder = tmp_path_factory.mktemp("site")
    metadata = folder / "declared_by_the_checkout-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: declared-by-the-checkout\nVersion: 1\n", "utf-8")
    points = project["entry-points"]["pytest11"]
    lines = ["[pytest11]", *(f"{name} = {module}" for name, module in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run pytest on a project's own tests, in a process of its own."""

    def run(tests: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "shop.py").write_text(SHOP, "utf-8")
        (tmp_path / "test_shop.py").write_text(tests, "utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
        path = os.pathsep.join([str(tmp_path), str(installed), str(ROOT)])
        kept = {name: value for name, value in os.environ.items() if name != "SENTRY_DSN"}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run


def readme_block() -> str:
    text = (ROOT / "README.md").read_text("utf-8")
    section = text.split("## Check your own service in CI")[1]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return block[1]


@pytest.mark.slow
def test_the_example_of_the_readme_is_green_and_red_when_it_is_wrong(run: Run) -> None:
    passed = run(readme_block())
    assert "2 passed" in passed.stdout, passed.stdout[-3000:]
    wrong = (
        readme_block().replace('"refused"]', '"declined"]').replace("json={}", 'json={"card": "1"}')
    )
    failed = run(wrong)
    assert "2 failed" in failed.stdout, failed.stdout[-3000:]
    assert (
        "fingerprint: expected ['checkout', 'declined'], found ['checkout', 'refused']"
        in failed.stdout
    )
    assert "should report nothing. Arrived: the error event “PaymentRefused" in failed.stdout
    # The kit's own frames say nothing to whoever reads this.
    assert "kit/capture" not in failed.stdout


ISOLATED = """
import logging
import subprocess
import sys

import sentry_sdk
import shop

BEFORE = sentry_sdk.get_client()


def report(sentry_ingest, word):
    sentry_sdk.set_tag("word", word)
    with sentry_ingest.capture() as captured:
        sentry_sdk.capture_message(word)
    event = captured.event
    assert [each.title for each in captured.events] == [word]
    assert event["tags"] == {"word": word}
    return event


def test_the_imported_app_reports_here(sentry_ingest):
    assert report(sentry_ingest, "one")["release"] == "shop@1.2"


def test_its_own_options_are_kept(sentry_ingest):
    assert sentry_sdk.get_client().options["traces_sample_rate"] == 1.0
    assert report(sentry_ingest, "two")["release"] == "shop@1.2"


def test_without_the_fixture_all_is_as_before():
    assert sentry_sdk.get_client() is BEFORE
    assert not sentry_sdk.get_isolation_scope()._tags


def test_a_client_of_the_test_is_closed_afterwards(sentry_ingest):
    global made
    sentry_sdk.init(release="own@1")
    made = sentry_sdk.get_client()
    sentry_sdk.get_global_scope().set_tag("leaks", "yes")
    with sentry_ingest.capture() as captured:
        sentry_sdk.capture_message("three")
    assert captured.expect(message="three", tags={"leaks": "yes"})["release"] == "own@1"


def test_without_it_a_transaction_is_named():
    sentry_sdk.get_current_scope().set_transaction_name("of another test")


def test_what_another_test_was_at_is_over(sentry_ingest):
    assert "transaction" not in report(sentry_ingest, "four")


def test_again_without_it_all_is_as_before():
    assert sentry_sdk.get_client() is BEFORE
    assert made.transport is None
    assert not sentry_sdk.get_global_scope()._tags


def test_two_services_have_a_project_each(sentry_ingest):
    with sentry_ingest.capture("shop") as shop, sentry_ingest.capture("bank") as bank:
        for name in ("shop", "bank"):
            program = f"import sentry_sdk; sentry_sdk.init(); sentry_sdk.capture_message('{name}')"
            environment = {"SENTRY_DSN": sentry_ingest.dsn(name)}
            subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert (shop.event.title, bank.event.title) == ("shop", "bank")


def test_the_trace_of_each_test_is_a_new_one(sentry_ingest):
    traces = {sentry_sdk.get_traceparent()}
    assert traces != seen
    seen.update(traces)


test_another_trace = test_the_trace_of_each_test_is_a_new_one
seen = set()
"""


@pytest.mark.slow
def test_a_project_is_isolated_and_left_as_it_was(run: Run) -> None:
    # Warnings are errors in many a project, and a proxy is set in many a CI.
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    ended = run(ISOLATED, "-W", "error", **proxy)
    told = ended.stdout[-3000:] + ended.stderr[-1000:]
    assert (ended.returncode, "10 passed" in ended.stdout) == (0, True), told


@pytest.mark.slow
def test_it_runs_in_several_processes(run: Run) -> None:
    ended = run(readme_block(), "-n", "2")
    assert "2 passed" in ended.stdout, ended.stdout[-3000:] + ended.stderr[-1000:]


UNUSED = """
import sys


def test_nothing_was_imported(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("crash_workshop")
    heavy = {"sentry_sdk", "starlette", "uvicorn", "kit.ingest", "kit.outcome", "IPython", "jinja2"}
    assert heavy & set(sys.modules) == set()


def test_it_needs_no_notebook(request):
    request.getfixturevalue("sentry_ingest").capture()
    notebook = {"IPython", "jupyterlab", "ipywidgets", "ipykernel", "kit.workshop", "pymongo"}
    assert notebook & set(sys.modules) == set()
"""


@pytest.mark.slow
def test_it_imports_nothing_before_it_is_used_and_nothing_of_notebooks(run: Run) -> None:
    # Other plugins may import what they like.
    ended = run(UNUSED, "-p", "no:nbmake", "-p", "no:xdist", "-p", "no:playwright")
    assert "2 passed" in ended.stdout, ended.stdout[-3000:]


def test_the_environment_of_a_test_is_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch, sentry_ingest: SentryIngest
) -> None:
    assert os.environ["SENTRY_DSN"] == sentry_ingest.dsn() == sentry_ingest.dsn("app")
    assert "127.0.0.1" in os.environ["no_proxy"]
    assert sentry_ingest.dsn("shop") != sentry_ingest.dsn()


def test_outside_of_a_test_there_is_no_client() -> None:
    assert not sentry_sdk.get_client().is_active()
    assert "SENTRY_DSN" not in os.environ
