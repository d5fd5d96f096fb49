import re
from collections.abc import Callable

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, expect

from kit.crashes.expectation import WATCHDOG
from tests.browser.conftest import ShowCells
from tests.browser.lab import HOLD, Lab
from tests.browser.screen import Screen

BUSY = re.compile("cw-busy")

OpenWidget = Callable[..., Screen]


@pytest.fixture
def open_widget(show_cells: ShowCells) -> OpenWidget:
    """Shows what an expression of the workshop gives, after other cells."""

    def open_widget(expression: str, *before: str) -> Screen:
        return show_cells(*before, expression, height=1000)

    return open_widget


def button_of(screen: Screen) -> Locator:
    return screen.page.get_by_role("button", name="Crash it")


def steps_of(screen: Screen) -> Locator:
    return screen.page.locator(".cw-w-steps li")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_it_is_used_by_the_keyboard_alone(key: str, open_widget: OpenWidget) -> None:
    screen = open_widget("workshop.crash('gateway/panic')")
    screen.page.get_by_text("What will really happen").click()
    # JupyterLab's own tool bar of the cell comes a moment later; Tab leads to its first button.
    tools = screen.page.locator(".jp-cell-toolbar [data-command]")
    expect(tools.and_(screen.page.locator("[data-command$=delete]"))).to_be_visible()
    expect(tools.first).to_have_js_property("tabIndex", 0)
    expect(tools.last).to_have_js_property("tabIndex", -1)
    screen.page.keyboard.press("Tab")
    screen.page.keyboard.press("Tab")
    expect(button_of(screen)).to_be_focused()
    expect(button_of(screen)).to_have_css("outline-style", "solid")
    screen.keep("focus")
    for _ in range(2):
        screen.page.keyboard.press(key)
        expect(screen.page.get_by_role("heading", name="ZeroDivisionError")).to_be_visible()
        expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(3)
        expect(button_of(screen)).to_be_focused()


def test_it_shows_what_it_waits_for(open_widget: OpenWidget) -> None:
    screen = open_widget("workshop.crash('game-engine/infinite-loop')", HOLD)
    # A busy machine gives it little of a CPU at a time.
    screen.page.get_by_label("seconds").fill("5")
    screen.press(button_of(screen))
    expect(button_of(screen)).to_have_class(BUSY)
    expect(button_of(screen)).to_be_focused()
    expect(steps_of(screen)).to_have_text(
        ["Waiting for the HTTP response", "○1 error event", "○the trace"]
    )
    screen.keep("running")
    screen.press(screen.page.get_by_role("button", name="Go on"))
    expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(3)
    expect(button_of(screen)).not_to_have_class(BUSY)
    # How busy it was depends on who else wants the CPU.
    said = re.compile(r"The CPU was (busy with|never busier than)")
    expect(screen.page.locator(".cw-gauges .cw-says").last).to_contain_text(said)
    screen.keep("after-a-wait")


def test_a_parameter_says_its_bounds(open_widget: OpenWidget) -> None:
    screen = open_widget("workshop.crash('game-engine/memory-leak')")
    expect(screen.page.get_by_label(re.compile(r"mb \(\d+ to \d+ MB\)"))).to_be_visible()
    screen.press(button_of(screen))
    expect(screen.page.get_by_role("heading", name="MemoryError")).to_be_visible()
    expect(screen.page.locator(".cw-gauges .cw-says").first).to_contain_text("Memory ")
    expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(3)
    screen.keep("parameter")


def test_a_variant_is_chosen(open_widget: OpenWidget) -> None:
    screen = open_widget("workshop.crash('game-engine/error')")
    screen.page.get_by_label("type", exact=True).select_option("assertion")
    expect(screen.page.get_by_role("heading", name="money appeared from nowhere")).to_be_visible()
    expect(screen.page.locator(".cw-w-badge")).to_have_text("◆ fatal")
    screen.press(button_of(screen))
    expect(screen.page.get_by_role("heading", name="AssertionError", exact=True)).to_be_visible()
    expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(3)
    screen.keep("variant")


def test_of_several_events_the_first_is_open(open_widget: OpenWidget) -> None:
    screen = open_widget("workshop.crash('game-engine/async-error')")
    screen.press(button_of(screen))
    expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(3)
    # On a busy machine Node's watchdog may report something too.
    folds = screen.page.locator(".cw-w-event").filter(has_not_text=WATCHDOG)
    expect(folds).to_have_count(5)
    for number, fold in enumerate(folds.all()):
        expect(fold.locator(".cw-card")).to_be_visible(visible=number == 0)
    screen.keep("several-events")
    screen.press(folds.first.locator("summary").first)
    screen.press(folds.nth(2).locator("summary").first)
    expect(folds.nth(2).locator(".cw-card")).to_be_visible()
    screen.keep("several-events-folded")


def test_two_buttons_work_at_once(open_widget: OpenWidget) -> None:
    screen = open_widget(
        "display(workshop.crash('game-engine/infinite-loop'), workshop.crash('gateway/panic'))"
    )
    expect(button_of(screen)).to_have_count(2)
    for button in button_of(screen).all():
        screen.press(button)
    expect(screen.page.get_by_role("heading", name="ZeroDivisionError")).to_be_visible()
    expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(6)


def test_what_was_pressed_outlives_the_kernel(lab: Lab, open_widget: OpenWidget) -> None:
    screen = open_widget("workshop.crash('game-engine/crash')")
    screen.press(button_of(screen))
    expect(screen.page.locator(".cw-w-steps .cw-w-done")).to_have_count(3)
    expect(screen.page.get_by_text("How to fix it").first).to_be_attached()
    screen.command("docmanager:save")
    saved = nbformat.read(lab.course / "desk.ipynb", as_version=4)
    html, _ = HTMLExporter().from_notebook_node(saved)
    kept = ("What will really happen", "HTTP 500", "RuntimeError", "How to fix it")
    for text in (*kept, "It needs a running kernel."):
        assert text in html


def test_dollars_in_an_event_are_no_formula(open_widget: OpenWidget) -> None:
    error = {"type": "Error", "value": "a $x^2$ b $y$"}
    event = {"exception": {"values": [error]}}
    formula = "from IPython.display import HTML\nHTML('<p>$z$</p>')"
    screen = open_widget(f"from kit.outcome import Event\ndisplay(Event({event}))\n{formula}")
    # JupyterLab sets formulas after it shows the text, and the one outside the card last.
    expect(screen.page.locator("mjx-container")).not_to_have_count(0)
    expect(screen.page.locator("p:not(.cw-card p) > mjx-container")).to_have_count(1)
    expect(screen.page.locator(".cw-message")).to_have_text("a $x^2$ b $y$")


PATCH = "from unittest.mock import patch\n"
BROKEN = {
    "the crash fails": "def trigger(*given, **options): raise OSError('the gateway is gone')",
    "the card fails": (
        f"{PATCH}def event_cards(events): raise OSError('no card')\n"
        "patch('kit.widgets.crash_widget.event_cards', event_cards).start()\n"
        "trigger = workshop.trigger"
    ),
    "the callback fails": (
        f"{PATCH}def start(self): raise OSError('no thread')\n"
        "patch('kit.widgets.press.Press.start', start).start()\ntrigger = workshop.trigger"
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_callback_that_raises_is_found(broken: str, unchecked_cells: ShowCells) -> None:
    show = "from kit.crashes.catalogue import variants\n"
    show += "from kit.widgets.crash_widget import CrashWidget\n"
    show += "CrashWidget(variants('game-engine/crash'), trigger)"
    screen = unchecked_cells(BROKEN[broken], show)
    screen.assert_healthy()
    screen.press(button_of(screen))
    with pytest.raises(AssertionError, match="OSError"):
        screen.assert_stays_healthy()
    screen.keep(broken.replace(" ", "-"))
