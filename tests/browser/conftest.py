from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser import chromium
from tests.browser.lab import Lab, running_lab
from tests.browser.screen import RUN_MS, Screen

OpenScreen = Callable[..., Screen]

expect.set_options(timeout=RUN_MS)


# For this package alone: while Playwright runs, its event loop is the one of the main thread.
@pytest.fixture(scope="package")
def chrome() -> Iterator[BrowserContext]:
    with chromium.browser_or_skip() as browser:
        yield browser


@pytest.fixture(scope="package")
def lab(chrome: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def unchecked_screen(chrome: BrowserContext) -> Iterator[OpenScreen]:
    """Opens screens on which something is expected to go wrong."""
    opened: list[Screen] = []

    def open_screen(address: str, width: int = 1280, height: int = 900) -> Screen:
        screen = Screen(chrome.new_page())
        opened.append(screen)
        screen.page.set_viewport_size({"width": width, "height": height})
        screen.open(address)
        return screen

    yield open_screen
    for screen in opened:
        screen.close()


@pytest.fixture
def open_screen(unchecked_screen: OpenScreen) -> Iterator[OpenScreen]:
    """Opens screens; whatever a test looks at, each must be healthy when it ends."""
    opened: list[Screen] = []

    def open_screen(*where: object) -> Screen:
        opened.append(unchecked_screen(*where))
        return opened[-1]

    yield open_screen
    for screen in opened:
        screen.assert_healthy()
