import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import ShowCells
from tests.browser.screen import DARK, LIGHT, Screen

SHOW = "slots = workshop.slot_machine(bet=1)\nslots"
SPINS = (
    "() => Number(document.querySelector('.cw-slots-meters').innerText.match(/Spins (\\d+)/)[1])"
)
MORE_SPINS = f"than => ({SPINS})() > than"


@pytest.fixture
def screen(show_cells: ShowCells) -> Screen:
    return show_cells(SHOW)


def button(screen: Screen, name: str) -> Locator:
    return screen.page.get_by_role("button", name=name)


def expect_spins(screen: Screen, spins: int) -> None:
    meters = screen.page.locator(".cw-slots-meters")
    expect(meters).to_contain_text(re.compile(rf"Spins {spins}\b"))


def expect_more_spins(screen: Screen, than: int) -> None:
    """Wait for more spins: an autoplay stands still at no number to be looked at."""
    screen.page.wait_for_function(MORE_SPINS, arg=than)


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_it_is_played_by_the_keyboard(key: str, screen: Screen) -> None:
    button(screen, "Spin").focus()
    for spins in (1, 2, 3):
        screen.page.keyboard.press(key)
        expect_spins(screen, spins)
        expect(button(screen, "Spin")).to_be_focused()
    reels = screen.page.get_by_role("img", name=re.compile(r"\w+, \w+, \w+"))
    expect(reels).to_be_visible()
    expect(screen.page.locator(".cw-slots-words")).to_have_text(re.compile("bet|won"))


def test_the_reels_stand_still_for_who_wants_no_motion(screen: Screen) -> None:
    screen.page.emulate_media(reduced_motion="reduce")
    screen.press(button(screen, "Spin"))
    expect_spins(screen, 1)
    strip = screen.page.locator(".cw-slots-strip").last
    expect(strip).to_have_css("animation-name", "none")
    screen.page.emulate_media(reduced_motion="no-preference")
    screen.press(button(screen, "Spin"))
    expect_spins(screen, 2)
    # The name stays when the animation has ended.
    expect(strip).to_have_css("animation-name", "cw-slots-roll")


def test_a_bet_stays_on_the_table(screen: Screen) -> None:
    bet = screen.page.get_by_label("Bet (1 to 500)")
    bet.fill("900")
    bet.press("Enter")
    expect(bet).to_have_value("500")


def test_it_plays_on_its_own_while_services_crash(show_cells: ShowCells) -> None:
    screen = show_cells(SHOW, "workshop.crash('game-engine/crash')", height=1000)
    screen.press(button(screen, "Autoplay"))
    expect_more_spins(screen, 1)
    screen.press(button(screen, "Crash it"))
    expect(screen.page.get_by_role("heading", name="RuntimeError")).to_be_visible()
    expect_more_spins(screen, 2 + screen.page.evaluate(SPINS))
    screen.press(button(screen, "Autoplay"))
    expect(screen.page.locator(".cw-slots-meters")).to_contain_text("Failed 0")


FAIL = """
slots.spin()
workshop._system.servers["game-engine"].stop()
try:
    slots.spin()
except Exception as failed:
    print(type(failed).__name__)"""


def test_it_looks_well_in_every_theme_and_width(show_cells: ShowCells) -> None:
    screen = show_cells(SHOW, FAIL)
    expect(screen.page.locator(".cw-slots-last")).to_contain_text("HTTP 502 Bad Gateway")
    for theme, name in ((DARK, "dark"), (LIGHT, "light")):
        screen.theme(theme)
        for width in (600, 1280):
            screen.page.set_viewport_size({"width": width, "height": 900})
            screen.show_at_top(screen.page.locator(".cw-slots"))
            screen.keep(f"slots-{name}-{width}")
            machine = screen.page.locator(".cw-slots")
            assert machine.evaluate("box => box.scrollWidth <= box.clientWidth")
    # Of a workshop without its game engine nobody else has a use.
    screen.show("workshop.stop()")


def test_what_a_learners_button_raises_is_captured(unchecked_cells: ShowCells) -> None:
    cells = (
        "import ipywidgets\nbutton = ipywidgets.Button(description='Mine')\n"
        "button.on_click(lambda _: 1 / 0)\nbutton",
        "from IPython.display import display\nbox = ipywidgets.HTML('waiting')\ndisplay(box)\n"
        "subscription = workshop.store.subscribe()\narrivals = subscription.__enter__()\n"
        "def listen():\n"
        # On a busy machine Node's watchdog may report something too.
        "    while (item := arrivals.get(90)).type != 'event' or item.project == 'payment':\n"
        "        pass\n"
        '    box.value = f\'{item.project} captured {item.payload["tags"]["raised_in"]}\'\n'
        "import threading\nthreading.Thread(target=listen, daemon=True).start()",
    )
    screen = unchecked_cells(*cells)
    screen.press(button(screen, "Mine"))
    expect(screen.page.get_by_text("frontend captured callback")).to_be_visible()
