"""A game day in a browser: started, approved and watched to its end."""

from playwright.sync_api import Locator, expect

from tests.browser.conftest import ShowCells
from tests.browser.screen import DARK, Screen

# A fault that leaves error events, from the first seconds on.
GAME_DAY = 'day = workshop.game_day(7, 0.6, "ask", faults=1, no_ops=0, hold=(25, 25)); display(day)'
AGAIN = "display(day)"


def button_of(screen: Screen, name: str) -> Locator:
    return screen.page.get_by_role("button", name=name, exact=True)


def test_a_game_day_is_played_by_its_buttons(show_cells: ShowCells) -> None:
    screen = show_cells(GAME_DAY, height=1400)
    page = screen.page
    game = page.locator(".cw-game").first
    expect(button_of(screen, "Turn the flag off")).to_be_hidden()
    screen.press(button_of(screen, "Start the game day"))
    expect(button_of(screen, "Kill switch: no more repairs")).to_be_visible()
    expect(button_of(screen, "Approve")).to_be_visible()
    screen.keep("game-day-asked")
    screen.press(button_of(screen, "Approve"))
    expect(button_of(screen, "Approve")).to_be_hidden()
    expect(game.get_by_text("What really happened").first).to_be_visible()
    expect(button_of(screen, "Stop")).to_be_hidden()
    expect(game.get_by_role("table")).to_contain_text("bad-release")
    screen.keep("game-day-over")
    screen.theme(DARK)
    screen.keep("game-day-over-dark")
    screen.show("print(day.result.done)")
    expect(page.get_by_text("1 action, none of them wrong.")).to_be_visible()


def test_a_cell_that_runs_again_ends_the_day_before(show_cells: ShowCells) -> None:
    screen = show_cells("first = workshop.game_day(7, 1).start()\n" + GAME_DAY, AGAIN)
    expect(screen.page.locator(".cw-game")).to_have_count(2)
    expect(button_of(screen, "Start the game day")).to_have_count(2)
    screen.show("print(first.phase, day.phase)")
    expect(screen.page.get_by_text("stopped not started")).to_be_visible()
