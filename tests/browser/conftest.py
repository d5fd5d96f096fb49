from collections.abc import Callable, Generator, Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser import chromium
from tests.browser.lab import START, TIDY_UP, Lab, running_lab
from tests.browser.screen import LIGHT, RUN_MS, Screen

OpenScreen = Callable[..., Screen]
ShowCells = Callable[..., Screen]

FAILED = pytest.StashKey[bool]()

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that a test failed: nobody knows what it left in the notebook that all share."""
    report = yield
    item.stash[FAILED] = report.failed or item.stash.get(FAILED, False)
    return report


class Desk:
    """One notebook, kernel and running workshop, for one test after the other."""

    def __init__(self, chrome: BrowserContext, lab: Lab) -> None:
        self._chrome, self._lab = chrome, lab
        self._screen: Screen | None = None

    def screen(self) -> Screen:
        """Return the screen that shows the notebook; open it if it is not there."""
        if self._screen is None:
            self._screen = Screen(self._chrome.new_page())
            self._screen.open(self._lab.address(self._lab.write("desk.ipynb", START)))
            self._screen.command("application:toggle-left-area")
            self._screen.run_all()
        return self._screen

    def tidy_up(self) -> None:
        """Leave nothing of a test on the screen and in the kernel."""
        screen = self.screen()
        screen.theme(LIGHT)
        screen.show(TIDY_UP)
        screen.complaints.clear()

    def clear(self) -> None:
        """Close the notebook with its kernel; the next test gets another."""
        if self._screen is not None:
            self._screen.close()
        self._screen = None


@pytest.fixture(scope="package")
def desk(chrome: BrowserContext, lab: Lab) -> Iterator[Desk]:
    desk = Desk(chrome, lab)
    yield desk
    desk.clear()


@pytest.fixture
def unchecked_cells(desk: Desk, request: pytest.FixtureRequest) -> Iterator[ShowCells]:
    """Shows cells in the notebook that tests share, below one that starts the workshop.

    It is for what neither ends the kernel nor leaves something running in it.
    """

    def show(*cells: str, start: str = START, width: int = 1280, height: int = 900) -> Screen:
        screen = desk.screen()
        screen.page.set_viewport_size({"width": width, "height": height})
        screen.show(start, *cells)
        return screen

    yield show
    desk.clear() if request.node.stash.get(FAILED, False) else desk.tidy_up()


@pytest.fixture
def show_cells(unchecked_cells: ShowCells, desk: Desk) -> Iterator[ShowCells]:
    """Shows cells in the notebook that tests share; it must be healthy when a test ends."""
    yield unchecked_cells
    desk.screen().assert_healthy()
