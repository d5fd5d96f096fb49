import re

import pytest
from playwright.sync_api import Locator, expect

from kit.experiments.time_to_fix.puzzles import PUZZLES
from tests.browser.conftest import ShowCells
from tests.browser.screen import DARK, LIGHT, Screen

DRAW = "experiment = workshop.time_to_fix(seed=13)"
RIGHT = re.compile("|".join(re.escape(puzzle.cause) for puzzle in PUZZLES))


@pytest.fixture
def screen(show_cells: ShowCells) -> Screen:
    cells = (DRAW, "experiment.round(1)", "experiment.round(2)", "experiment.result")
    return show_cells(*cells, height=1000)


def test_a_round_is_played_by_the_keyboard_alone(screen: Screen) -> None:
    page = screen.page
    stopwatch = page.locator(".cw-stopwatch").first
    answers = stopwatch.locator(".cw-stopwatch-answers").get_by_role("button")
    assert "fail" not in stopwatch.inner_text()
    stopwatch.get_by_role("button", name="Start the clock").focus()
    page.keyboard.press("Enter")
    expect(stopwatch.get_by_label("Log lines")).to_be_visible()
    expect(stopwatch.get_by_role("timer")).to_have_text(re.compile(r"\d+:(?!00)\d\d"))
    expect(stopwatch.get_by_role("button", name="The clock is running")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(answers.first).to_be_focused()
    number = right_one(answers)
    for index in range(number + 1):
        page.keyboard.press("Space" if index % 2 else "Enter")
        if index < number:
            expect(answers.nth(index)).to_have_text(re.compile("^✗ "))
            page.keyboard.press("Tab")
    expect(stopwatch.get_by_role("status")).to_contain_text(re.compile(r"✓ Right, after \d+:\d\d"))
    expect(answers.nth(number)).to_be_focused()
    page.keyboard.press("Tab")
    expect(stopwatch.get_by_text("The same bug, with the event card")).to_be_focused()
    page.keyboard.press("Enter")
    expect(stopwatch.locator(".cw-card")).to_be_visible()


def test_a_round_that_was_left_begins_anew_with_its_cell(screen: Screen) -> None:
    page = screen.page
    page.get_by_role("button", name="Start the clock").last.click()
    expect(page.locator(".cw-card")).to_be_visible()
    page.get_by_role("button", name="Give up").last.click()
    expect(page.get_by_role("status").last).to_contain_text(re.compile(r"Given up after \d+:\d\d"))
    page.locator(".jp-CodeCell").nth(3).locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="Start the clock")).to_have_count(2)
    expect(page.locator(".cw-stopwatch")).to_have_count(2)


def test_nothing_is_wider_than_the_screen(screen: Screen) -> None:
    page = screen.page
    for left in (1, 0):
        screen.press(page.get_by_role("button", name="Start the clock").first)
        expect(page.get_by_role("button", name="Start the clock")).to_have_count(left)
    expect(page.locator(".cw-card")).to_be_visible()
    for theme, name in ((LIGHT, "light"), (DARK, "dark")):
        screen.theme(theme)
        for width in (600, 1280):
            page.set_viewport_size({"width": width, "height": 1000})
            for stopwatch in page.locator(".cw-stopwatch").all():
                assert stopwatch.evaluate("each => each.scrollWidth <= each.clientWidth")
            screen.show_at_top(page.locator(".cw-stopwatch").first)
            screen.keep(f"stopwatch-{name}-{width}")


def right_one(answers: Locator) -> int:
    """Return which of the answers is right."""
    texts = answers.all_inner_texts()
    return next(index for index, text in enumerate(texts) if RIGHT.search(text))
