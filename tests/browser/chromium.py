"""The browser of the browser tests: where it is, how it is started, what to do without one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

MISSING = (
    "no browser: pip install playwright && playwright install chromium, "
    "or apt-get install chromium, or set WORKSHOP_BROWSER to one"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


class NoBrowserError(RuntimeError):
    """This machine has no browser; the message says how to get one."""


def find(own: str) -> str:
    """Return the path of a browser: ``WORKSHOP_BROWSER``, else one on PATH, else ``own``.

    Raises NoBrowserError.
    """
    if named := os.environ.get("WORKSHOP_BROWSER"):
        return named
    for path in (*map(which, NAMES), own if Path(own).is_file() else None):
        if path:
            return path
    raise NoBrowserError(MISSING)


@contextmanager
def browser() -> Iterator[BrowserContext]:
    """Start a headless browser. Raises NoBrowserError."""
    with sync_playwright() as playwright, TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        path = find(playwright.chromium.executable_path)
        # Chromium refuses to run its sandbox as root.
        is_root = getattr(os, "geteuid", lambda: 1)() == 0
        arguments = [*QUIET, "--no-sandbox"] if is_root else [*QUIET]
        # With a profile it keeps JupyterLab's scripts compiled, from one page to the next.
        with playwright.chromium.launch_persistent_context(
            profile, executable_path=path, args=arguments
        ) as started:
            yield started


@contextmanager
def browser_or_skip() -> Iterator[BrowserContext]:
    """Start a headless browser for tests: without one they are skipped, in CI they fail."""
    try:
        with browser() as started:
            yield started
    except NoBrowserError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
