import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType
from kit.widgets.panel_row import label
from tests.browser.conftest import ShowCells
from tests.browser.lab import HOLD
from tests.browser.screen import DARK, LIGHT, Screen

# With a store of its own: the feed begins with what was captured before.
START = """import tempfile
from pathlib import Path
workshop.stop()
workshop = Workshop.start(home=Path(tempfile.mkdtemp()), report=lambda line: None)"""
SHOW = "panel = workshop.panel()\npanel"

OpenPanel = Callable[..., Screen]

# Of events that are captured the later has the smaller order.
NEWEST = (
    "() => Math.min(0, ...[...document.querySelectorAll('.cw-p-entry')].map(e => e.style.order))"
)
CAPTURED = """([before, titles]) => {
  const fresh = [...document.querySelectorAll(".cw-p-entry")]
    .filter(entry => Number(entry.style.order) < before)
    .map(entry => entry.querySelector("button").textContent);
  return titles.every(title => fresh.some(text => text.startsWith(title)));
}"""
BEYOND = """() => [...document.querySelectorAll(".cw-p-root, .cw-p-root *")]
  .filter(each => each.getBoundingClientRect().right > document.querySelector(".cw-p-root")
    .getBoundingClientRect().right + 1 && !each.closest(".cw-card pre, .cw-scroll"))
  .map(each => each.outerHTML.slice(0, 200))"""

PLACE_OF_FIRE = """() => {
  const [panel, fire] = [".cw-p-root", ".cw-p-fire"]
    .map(each => document.querySelector(each).getBoundingClientRect());
  return [fire.left - panel.left, fire.top - panel.top, fire.width, fire.height];
}"""


@pytest.fixture
def open_panel(show_cells: ShowCells) -> OpenPanel:
    """Shows the panel of a new workshop, with further cells below it."""

    def open_panel(*cells: str, width: int = 1280) -> Screen:
        screen = show_cells(*cells, start=START, width=width)
        expect(states_of(screen)).to_have_count(7)
        return screen

    return open_panel


def states_of(screen: Screen) -> Locator:
    """Return the parts of the system that are up, as the first panel says."""
    return screen.page.locator(".cw-p-root").first.locator(".cw-p-states .cw-p-up")


def button_of(screen: Screen, crash: CrashType) -> Locator:
    """Return the button of a crash type: of those with its label that below its service."""
    heading = screen.page.get_by_role("heading", name=re.compile(rf"^{crash.service.name}\b"))
    section = screen.page.locator(".cw-p-section").filter(has=heading)
    return section.get_by_role("button", name=f"{crash.severity}, {label(crash)}", exact=True)


def result_of(button: Locator) -> Locator:
    return button.locator("xpath=..").locator(".cw-p-result")


def set_parameter(button: Locator, value: int) -> None:
    button.locator("xpath=..").get_by_role("spinbutton").fill(str(value))


def run_cell(screen: Screen, number: int, code: str = "") -> Locator:
    """Run one cell, with other code if that is given, and return its output."""
    cell = screen.page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    if code:
        screen.page.keyboard.press("Control+A")
        screen.page.keyboard.insert_text(code)
    screen.page.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea-output")


def test_every_button_is_fired(open_panel: OpenPanel) -> None:
    screen = open_panel(SHOW, "'the kernel is ' + 'alive'")
    expect(screen.page.locator(".cw-p-press")).to_have_count(len(CRASHES))
    for crash in CRASHES:
        before = screen.page.evaluate(NEWEST)
        button = button_of(screen, crash)
        if crash.profiled and not crash.errors:
            # A profiler on a busy machine takes few samples: give it more to see.
            set_parameter(button, crash.parameters[0].bounds.maximum)
        screen.press(button)
        expect(result_of(button)).to_have_class(re.compile("cw-p-good"))
        titles = [error.type for error in crash.errors]
        count = f"{len(titles)} event" if titles else "its trace"
        expect(result_of(button)).to_contain_text(f"{crash.status} · {count}")
        screen.page.wait_for_function(CAPTURED, arg=[before, titles])
    expect(states_of(screen)).to_have_count(7)
    expect(screen.page.locator(".cw-p-states")).to_contain_text(re.compile(r"payment up\s+↻ 2"))
    expect(run_cell(screen, 2)).to_have_text("'the kernel is alive'")
    screen.show_at_top(screen.page.locator(".cw-p-root"))
    screen.keep("panel")


def test_the_kernel_is_free_while_crashes_run(open_panel: OpenPanel) -> None:
    screen = open_panel(HOLD, SHOW, "6 * 7")
    slow = next(crash for crash in CRASHES if crash.id == "game-engine/infinite-loop")
    screen.press(button_of(screen, slow))
    screen.press(button_of(screen, CRASHES[0]))
    expect(result_of(button_of(screen, CRASHES[0]))).to_contain_text("500 · 1 event")
    expect(result_of(button_of(screen, slow))).to_have_text("running …")
    expect(run_cell(screen, 3, "7 * 8")).to_have_text("56")
    expect(result_of(button_of(screen, slow))).to_have_text("running …")
    screen.press(screen.page.get_by_role("button", name="Go on"))
    expect(result_of(button_of(screen, slow))).to_contain_text("500 · 1 event")


def test_it_is_used_by_the_keyboard_alone(open_panel: OpenPanel) -> None:
    screen = open_panel(SHOW)
    page = screen.page
    page.get_by_role("textbox", name="Filter").focus()
    page.keyboard.type("panic")
    expect(page.locator(".cw-p-matches")).to_have_text(f"1 of {len(CRASHES)} match")
    expect(page.locator(".cw-p-press:visible")).to_have_count(1)
    expect(page.locator(".cw-p-section:visible")).to_have_count(1)
    expect(page.locator(".cw-p-fire")).to_have_text("Fire these 1")
    page.keyboard.press("Tab")
    expect(page.locator(".cw-p-fire")).to_be_focused()
    page.keyboard.press("Tab")
    expect(button_of(screen, CRASHES[0])).to_be_focused()
    expect(button_of(screen, CRASHES[0])).to_have_css("outline-style", "solid")
    page.keyboard.press("Enter")
    expect(result_of(button_of(screen, CRASHES[0]))).to_contain_text("500 · 1 event")
    expect(button_of(screen, CRASHES[0])).to_be_focused()
    entries = page.locator(".cw-p-entry button")
    newest = entries.filter(has_text=re.compile("^ZeroDivisionError"))
    expect(newest).to_be_visible()
    # On a busy machine Node's watchdog may have reported something before.
    for text in entries.all_inner_texts():
        page.keyboard.press("Tab")
        if text.startswith("ZeroDivisionError"):
            break
    expect(newest).to_be_focused()
    screen.keep("panel-keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close the card")).to_be_focused()
    expect(
        page.locator(".cw-p-detail").get_by_role("heading", name="ZeroDivision")
    ).to_be_in_viewport()
    screen.keep("panel-card")
    page.keyboard.press("Enter")
    expect(page.locator(".cw-p-detail")).to_be_hidden()
    expect(newest).to_be_focused()


def test_it_fits_a_narrow_screen(open_panel: OpenPanel) -> None:
    screen = open_panel(SHOW, width=600)
    places = place_of_fire(screen)
    screen.press(screen.page.locator(".cw-p-fire"))
    expect(screen.page.locator(".cw-p-progress")).to_contain_text(f" of {len(CRASHES)}")
    expect(screen.page.locator(".cw-p-fire")).to_have_text("Stop")
    # A second press hits what the first one did, whatever the progress says.
    assert place_of_fire(screen) == places
    expect(screen.page.locator(".cw-p-entry")).not_to_have_count(0)
    screen.press(screen.page.locator(".cw-p-fire"))
    expect(screen.page.locator(".cw-p-progress")).to_contain_text("as declared")
    screen.press(screen.page.locator(".cw-p-entry button").first)
    expect(screen.page.locator(".cw-p-detail .cw-card")).to_be_visible()
    assert screen.page.evaluate(BEYOND) == []
    for theme in (LIGHT, DARK):
        screen.theme(theme)
        screen.show_at_top(screen.page.locator(".cw-p-root"))
        screen.keep(f"panel-600-{theme.split()[-1]}")


def place_of_fire(screen: Screen) -> list[object]:
    """Return where the button that fires all is in the panel, at several widths."""
    places = []
    for width in (1280, 900, 600):
        screen.page.set_viewport_size({"width": width, "height": 900})
        screen.draw()
        places.append(screen.page.evaluate(PLACE_OF_FIRE))
    return places


COUNT = """import threading
'{}: %d' % sum(each.name == 'workshop-panel' for each in threading.enumerate())"""
# A thread tells its end a moment before.
JOIN = """for each in threading.enumerate():
    if each.name == 'workshop-panel':
        each.join(60)
"""


def test_panels_come_and_go(open_panel: OpenPanel) -> None:
    screen = open_panel(SHOW, COUNT.format("one"), "workshop.panel()", "7")
    roots = screen.page.locator(".cw-p-root")
    expect(roots).to_have_count(2)
    expect(run_cell(screen, 2, COUNT.format("both"))).to_have_text("'both: 2'")
    first, second = (
        screen.page.locator(".cw-p-last").first,
        roots.nth(1).locator(".cw-p-last").first,
    )
    screen.press(roots.first.locator(".cw-p-press").first)
    expect(first).to_contain_text("1 event")
    expect(second).to_be_empty()
    entries = roots.nth(1).locator(".cw-p-entry")
    expect(entries.filter(has_text="ZeroDivisionError")).to_have_count(1)
    # Run again it replaces the panel that it showed, and no other.
    run_cell(screen, 1)
    expect(first).to_be_empty()
    expect(roots).to_have_count(2)
    expect(run_cell(screen, 2, COUNT.format("again"))).to_have_text("'again: 2'")
    run_cell(screen, 4, "workshop.stop()")
    expect(screen.page.get_by_text("The workshop was stopped.")).to_have_count(2)
    expect(roots.first.locator(".cw-p-press:enabled")).to_have_count(0)
    expect(run_cell(screen, 2, JOIN + COUNT.format("none"))).to_have_text("'none: 0'")
    # And a new one, of a new start, works.
    run_cell(screen, 0)
    run_cell(screen, 1)
    expect(roots.first.locator(".cw-p-press:enabled")).not_to_have_count(0)
    screen.press(roots.first.locator(".cw-p-press").first)
    expect(first).to_contain_text("1 event")
