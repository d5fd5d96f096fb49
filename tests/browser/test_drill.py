"""A drill on call, played by its buttons in a browser."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.conftest import ShowCells
from tests.browser.screen import Screen

# A release of the game engine fails a quarter of the spins, some 15 seconds after the start.
DRILL = "workshop.drill(seed=5, minutes=3, rate=3)"


def button_of(screen: Screen, name: str) -> Locator:
    return screen.page.get_by_role("button", name=name, exact=True)


def test_a_drill_is_played_by_its_buttons(show_cells: ShowCells) -> None:
    screen = show_cells(DRILL, height=1400)
    page = screen.page
    screen.press(button_of(screen, "Start the drill"))
    expect(page.get_by_role("timer")).to_be_visible()
    expect(button_of(screen, "game-engine")).to_be_disabled()
    screen.press(button_of(screen, "Something is wrong"))
    expect(page.locator(".cw-drill-wrong")).to_have_text("✗ 1 wrong")
    expect(page.locator(".cw-drill-spent")).not_to_have_text("error budget spent: 0 %")
    screen.press(button_of(screen, "Something is wrong"))
    done = page.locator(".cw-drill-done")
    expect(done).to_have_count(1)
    screen.press(button_of(screen, "game-engine"))
    expect(done).to_have_count(2)
    screen.press(button_of(screen, "roll back game-engine"))
    said = page.locator(".cw-drill-doing").filter(has_text=re.compile("spins good afterwards"))
    expect(said).to_contain_text("game-engine rolled back")
    screen.keep("drill-mitigated")
    screen.press(button_of(screen, "Give up"))
    expect(page.locator(".cw-drill-page")).to_be_visible()
    expect(button_of(screen, "game-engine")).to_be_hidden()
    screen.keep("drill-verdict")
