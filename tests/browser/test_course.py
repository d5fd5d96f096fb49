import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenScreen, ShowCells
from tests.browser.lab import COURSE, Lab
from tests.browser.screen import DARK, LIGHT, Screen

ROOT = COURSE.parent
START = "00_start_here.ipynb"
# JupyterLab has then written what the kernel says of itself into the notebook.
KERNEL_IS_NOTED = """() => {
  const shown = window.jupyterapp.shell.currentWidget;
  return shown.sessionContext.session.kernel.info.then(
    info => shown.content.model.getMetadata("language_info").version === info.language_info.version
  );
}"""
IS_DIRTY = "() => jupyterapp.shell.currentWidget.context.model.dirty"
FONTS = (
    "code => new Set([...code.querySelectorAll('*')].map(e => getComputedStyle(e).fontFamily)).size"
)


def test_nothing_covers_the_first_page(lab: Lab, open_screen: OpenScreen) -> None:
    screen = open_screen(lab.first_page)
    expect(screen.page).to_have_title(re.compile("00_start_h"))
    expect(screen.page.locator(".jp-Notebook")).to_be_visible()
    screen.keep("first-page")
    expect(screen.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)


@pytest.mark.slow
def test_every_crash_of_the_course_shows_what_it_led_to(show_cells: ShowCells) -> None:
    crashes = crashes_of_the_course()
    # JupyterLab takes cells out of the page that are not in sight.
    screen = show_cells(*(f"workshop.crash({each!r})" for each in crashes), height=25_000)
    shown = screen.page.get_by_role("button", name="Crash it")
    expect(shown).to_have_count(len(crashes))
    for button in shown.all():
        screen.press(button)
        steps = cell_of(button).locator(".cw-w-steps")
        expect(steps.locator(".cw-w-done").nth(2)).to_be_visible()
        expect(steps.locator(".cw-w-lack")).to_have_count(0)
        if "no error, as declared" not in steps.inner_text():
            expect(cell_of(button).locator(".cw-card").first).to_be_visible()


def crashes_of_the_course() -> list[str]:
    """Return the crash types that the notebooks have a button for, each once."""
    text = "".join(path.read_text(encoding="utf-8") for path in COURSE.glob("[0-9]*.ipynb"))
    return sorted(set(re.findall(r'workshop\.crash\(\\"([^"\\]+)', text)))


def test_the_first_crash_is_explained(lab: Lab, open_screen: OpenScreen) -> None:
    screen = open_screen(lab.address(START))
    screen.run_all()
    button = screen.page.get_by_role("button", name="Crash it")
    screen.press(button)
    card = cell_of(button).locator(".cw-card")
    expect(card.get_by_role("heading", name="RuntimeError")).to_be_visible()
    assert card.locator(".cw-lines").first.evaluate(FONTS) == 1
    unfolded = card.locator(".cw-part[open]")
    fold = unfolded.locator("details.cw-why", has_text="demo_services").first
    expect(fold.locator(".cw-place").first).to_be_hidden()
    screen.press(fold.locator("summary"))
    assert_names_our_line(fold)
    screen.press(fold.locator("summary"))
    keep_pictures(screen, button)


def assert_names_our_line(fold: Locator) -> None:
    """A place in an open fold is a line of this checkout, and the code beside it is that line."""
    reason = fold.locator("li", has=fold.page.locator(".cw-place", has_text="demo_services")).first
    expect(reason.locator(".cw-place")).to_be_visible()
    file, _, line = reason.locator(".cw-place").inner_text().rpartition(":")
    source = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert source.strip() == reason.locator(".cw-source").inner_text().strip()


def keep_pictures(screen: Screen, button: Locator) -> None:
    """Keep the crash and its card in both themes and at two widths, and the README's picture."""
    screen.command("application:toggle-left-area")
    for theme, name in ((DARK, "dark"), (LIGHT, "light")):
        screen.theme(theme)
        for width in (700, 1280):
            screen.page.set_viewport_size({"width": width, "height": 1000})
            screen.show_at_top(cell_of(button))
            screen.keep(f"start-{name}-{width}")
    screen.page.set_viewport_size({"width": 1280, "height": 1000})
    screen.show_at_top(cell_of(button))
    screen.keep("readme")


def cell_of(inside: Locator) -> Locator:
    """Return the cell that something is in."""
    return inside.locator("xpath=ancestor::*[contains(@class, 'jp-Cell ')][1]")


@pytest.mark.slow
@pytest.mark.parametrize("name", [START, "90_instructor_guide.ipynb"])
def test_a_notebook_is_not_changed_by_being_opened(
    name: str, lab: Lab, open_screen: OpenScreen
) -> None:
    screen = open_screen(lab.address(name))
    screen.page.wait_for_function(KERNEL_IS_NOTED)
    assert not screen.page.evaluate(IS_DIRTY)
    assert (lab.course / name).read_bytes() == (COURSE / name).read_bytes()
