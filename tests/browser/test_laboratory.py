import re

import pytest
from playwright.sync_api import Locator, expect

from kit.experiments.context.switches import SWITCHES, as_code
from tests.browser.conftest import ShowCells
from tests.browser.screen import DARK, LIGHT, Screen

SHOW = "lab = workshop.laboratory()\nlab"


@pytest.fixture
def screen(show_cells: ShowCells) -> Screen:
    return show_cells(SHOW, height=1000)


def switch(screen: Screen, side: str, name: str) -> Locator:
    return screen.page.get_by_label(f"{side} · {name}", exact=True)


def row(screen: Screen, field: str) -> Locator:
    return screen.page.locator(".cw-difference tbody tr").filter(has_text=field)


def test_both_are_fired_by_the_keyboard_alone(screen: Screen) -> None:
    page = screen.page
    for name in SWITCHES:
        expect(switch(screen, "A", name)).to_have_count(1)
        expect(switch(screen, "B", name)).to_have_count(1)
        expect(switch(screen, "A", name)).to_have_value(as_code(SWITCHES[name].default))
    differs = page.get_by_role("status").filter(has_text="differ in")
    expect(differs).to_contain_text("stack_frame_variables, user, tags")
    page.get_by_text(f"What the {len(SWITCHES)} switches do").focus()
    page.keyboard.press("Tab")
    expect(switch(screen, "A", next(iter(SWITCHES)))).to_be_focused()
    switch(screen, "B", "fingerprint").focus()
    page.keyboard.press("T")
    expect(differs).to_contain_text("stack_frame_variables, user, tags, fingerprint")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Fire both")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("crashes fired: A and B twice, and each switch alone")).to_be_visible()
    expect(row(screen, "fingerprint").last).to_contain_text("+ added")
    expect(row(screen, ".vars").get_by_role("rowheader")).to_contain_text(
        "− removed because of stack_frame_variables"
    )
    expect(page.get_by_role("button", name="Fire both")).to_be_enabled()


def test_an_event_that_was_dropped_is_owed_to_its_switch(screen: Screen) -> None:
    switch(screen, "B", "before_send").select_option("drop_event")
    screen.press(screen.page.get_by_role("button", name="Fire both"))
    said = screen.page.locator(".cw-lab-result")
    expect(said).to_contain_text("B sent no event, because of before_send.")
    expect(said.get_by_role("row").filter(has_text="before_send")).to_contain_text(
        "no event is sent"
    )
    screen.keep("laboratory-dropped")


def test_it_fits_every_screen(screen: Screen) -> None:
    page = screen.page
    switch(screen, "B", "max_breadcrumbs").select_option("2")
    switch(screen, "B", "before_send").select_option("redact_card")
    page.get_by_text(re.compile("What the .* switches do")).click()
    page.get_by_text("The code of tags").click()
    screen.press(page.get_by_role("button", name="Fire both"))
    expect(page.locator(".cw-difference")).to_be_visible()
    page.get_by_text(re.compile("fields differ each time")).click()
    row(screen, "breadcrumbs.values[*]").get_by_text("in 3 places").click()
    for theme, name in ((LIGHT, "light"), (DARK, "dark")):
        screen.theme(theme)
        for width in (600, 700, 1280):
            page.set_viewport_size({"width": width, "height": 1000})
            for part in (".cw-lab", ".cw-lab-columns", ".cw-lab-result", ".cw-difference"):
                wide = page.locator(part).first
                assert wide.evaluate("each => each.scrollWidth <= each.clientWidth"), part
                screen.show_at_top(wide)
                screen.keep(f"laboratory-{part.removeprefix('.cw-')}-{name}-{width}")
