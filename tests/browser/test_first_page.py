"""The first page of `workshop lab`, as a learner gets it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from kit.hosting.child import free_port
from kit.hosting.server import HOST
from tests.browser.screen import DRAWN
from tests.commands.test_cli import get_when_up

pytestmark = [pytest.mark.browser, pytest.mark.system]
WIDTH = 1280


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the command listens; layouts are kept in a folder of this test's."""
    port = free_port()
    command = [sys.executable, "-m", "kit.commands.cli", "lab", "--no-browser", f"--port={port}"]
    options = ["--IdentityProvider.token=open", "--allow-root"]
    env = {**os.environ, "WORKSHOP_HOME": str(tmp_path)}
    with subprocess.Popen([*command, *options], env=env, stderr=subprocess.DEVNULL) as lab:
        try:
            url = f"http://{HOST}:{port}/lab/tree/00_start_here.ipynb?token=open"
            get_when_up(url)
            yield url
        finally:
            lab.terminate()
            lab.wait(60)


def test_the_side_bar_is_closed_until_somebody_opens_it(
    chrome: BrowserContext, address: str, tmp_path: Path
) -> None:
    page = chrome.new_page()
    page.set_viewport_size({"width": WIDTH, "height": 800})
    page.goto(address)
    notebook = page.locator(".jp-Notebook")
    expect(notebook).to_be_visible()
    page.evaluate(DRAWN)
    expect(page.locator(".jp-DirListing")).not_to_be_visible()
    box = notebook.bounding_box()
    assert box is not None
    assert box["width"] > 0.9 * WIDTH
    # What the learner changes is kept, in the workshop's own folder.
    with page.expect_response(
        lambda it: "/api/workspaces/" in it.url and it.request.method == "PUT"
    ):
        page.get_by_role("tab", name="File Browser").click()
    page.reload()
    expect(page.locator(".jp-DirListing")).to_be_visible()
    page.close()
    assert list((tmp_path / "jupyterlab").iterdir())
