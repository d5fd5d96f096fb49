"""Widgets on a page that was reloaded, and widgets whose kernel has ended."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.conftest import ShowCells
from tests.browser.lab import START, Lab
from tests.browser.screen import DARK, LIGHT, READY, Screen
from tests.browser.test_widget import button_of

pytestmark = pytest.mark.slow

CELLS = (
    "workshop.crash('game-engine/error')",
    "laboratory = workshop.laboratory()\nlaboratory",
    "workshop.slot_machine()",
    "workshop.time_to_fix(seed=13).round(1)",
)
NAME = "live.ipynb"
ENDED = "has ended. Run the cell that has Workshop.start()"
# What is said in a style sheet alone is no text of the page.
SAID = """() => [...document.querySelectorAll(".cw-live, .jp-OutputArea-output.jupyter-widgets")]
  .map(each => getComputedStyle(each, "::before").content)"""
RESTART = "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


@pytest.fixture(scope="module")
def page_of_all(chrome: BrowserContext, lab: Lab) -> Iterator[Screen]:
    """One notebook with all widgets; what the tests do to it, they do one after the other."""
    screen = Screen(chrome.new_page())
    screen.page.on("dialog", lambda dialog: dialog.accept())
    screen.page.set_viewport_size({"width": 1280, "height": 1400})
    screen.open(lab.address(lab.write(NAME, START, *CELLS)))
    screen.command("application:toggle-left-area")
    screen.run_all()
    yield screen
    screen.keep("live-last")
    screen.close()


def reload(screen: Screen, lab: Lab) -> None:
    """Save the notebook, and load its page anew; the kernel goes on."""
    screen.command("docmanager:save")
    screen.page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    screen.page.goto(lab.address(NAME).replace("reset&", ""))
    screen.page.wait_for_function(READY)


def heading(screen: Screen, name: str) -> Locator:
    return screen.page.get_by_role("heading", name=name, exact=True)


def choose(screen: Screen, variant: str) -> None:
    screen.page.get_by_label("type", exact=True).select_option(variant)


def steps(screen: Screen) -> Locator:
    return screen.page.locator(".cw-w-steps:visible .cw-w-done")


def test_another_variant_clears_the_result(page_of_all: Screen) -> None:
    screen = page_of_all
    screen.press(button_of(screen))
    expect(steps(screen)).to_have_count(3)
    expect(heading(screen, "ValueError")).to_be_visible()
    choose(screen, "assertion")
    expect(steps(screen)).to_have_count(0)
    expect(screen.page.locator(".cw-card:visible")).to_have_count(0)
    choose(screen, "key")
    screen.press(button_of(screen))
    expect(steps(screen)).to_have_count(3)


def test_a_reloaded_page_follows_the_kernel(page_of_all: Screen, lab: Lab) -> None:
    screen = page_of_all
    reload(screen, lab)
    expect(steps(screen)).to_have_count(3)
    expect(heading(screen, "KeyError")).to_be_visible()
    choose(screen, "assertion")
    expect(heading(screen, "AssertionError: money appeared from nowhere")).to_be_visible()
    expect(heading(screen, "KeyError")).to_have_count(0)
    expect(steps(screen)).to_have_count(0)
    button_of(screen).press("Enter")
    expect(heading(screen, "AssertionError")).to_be_visible()
    expect(steps(screen)).to_have_count(3)
    expect(button_of(screen)).to_be_focused()
    screen.keep("live-reloaded")


def test_what_the_laboratory_fires_is_seen_after_a_reload(page_of_all: Screen) -> None:
    screen = page_of_all
    for name in ("stack_frame_variables", "tags"):
        side = screen.page.get_by_label(f"A · {name}", exact=True)
        other = screen.page.get_by_label(f"B · {name}", exact=True)
        other.select_option(side.input_value())
    fire = screen.page.get_by_role("button", name="Fire both")
    fire.press("Enter")
    expect(screen.page.locator(".cw-difference:visible")).to_have_count(1)
    expect(fire).to_be_focused()


def test_widgets_of_an_ended_kernel_say_so(page_of_all: Screen, lab: Lab) -> None:
    screen = page_of_all
    screen.page.evaluate(RESTART)
    expect(screen.page.locator(".cw-live:not(.jupyter-widgets-disconnected)")).to_have_count(0)
    expect_all_say_it(screen)
    # What was captured can still be read.
    expect(heading(screen, "AssertionError")).to_be_visible()
    screen.page.wait_for_function(READY)
    reload(screen, lab)
    expect(screen.page.get_by_text("model not found")).to_have_count(len(CELLS))
    expect_all_say_it(screen)
    for theme, name in ((DARK, "dark"), (LIGHT, "light")):
        screen.theme(theme)
        for width in (700, 1280):
            screen.page.set_viewport_size({"width": width, "height": 1000})
            screen.keep(f"live-ended-{name}-{width}")


def expect_all_say_it(screen: Screen) -> None:
    """Each widget says that its kernel has ended, has no button, and keeps no green ticks."""
    said = screen.page.evaluate(SAID)
    assert len(said) == len(CELLS)
    assert all(ENDED in each for each in said), said
    notebook = screen.page.locator(".jp-Notebook")
    expect(notebook.locator(".jupyter-button:visible")).to_have_count(0)
    expect(notebook.locator(".cw-w-steps:visible")).to_have_count(0)


def test_a_copy_is_no_second_result(show_cells: ShowCells) -> None:
    screen = show_cells("workshop.crash('gateway/panic')")
    screen.press(button_of(screen))
    expect(steps(screen)).to_have_count(3)
    expect(screen.page.locator(".cw-card")).to_have_count(1)
