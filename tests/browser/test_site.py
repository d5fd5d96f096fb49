"""The reading edition, opened as a file by somebody who installed nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from kit.commands.site.edition import make_site
from kit.home import COURSE

pytestmark = [pytest.mark.browser, pytest.mark.system]
FIRST = "00_start_here"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; the first notebook alone was run."""
    return make_site(COURSE, tmp_path_factory.mktemp("site"), [FIRST], print).parent


@pytest.fixture
def page(chrome: BrowserContext, site: Path) -> Iterator[Page]:
    """Its first page; nothing may come from elsewhere, and nothing may fail."""
    page, complaints = chrome.new_page(), []
    page.on(
        "request", lambda it: it.url.startswith(("file:", "data:")) or complaints.append(it.url)
    )
    page.on("console", lambda it: it.type == "error" and complaints.append(it.text))
    page.on("pageerror", lambda it: complaints.append(str(it)))
    page.goto((site / "index.html").as_uri())
    yield page
    page.close()
    assert complaints == []


def test_from_the_first_page_one_reads_a_crash_and_its_card(page: Page) -> None:
    page.get_by_role("link", name="Begin with a first crash, explained").click()
    card = page.locator(".cw-card").first
    expect(card).to_contain_text("RuntimeError")
    expect(card).to_contain_text("What was not captured")
    # The button was pressed when the course ran, and says what it needs.
    steps = page.locator(".cw-w-steps").first
    expect(steps).to_contain_text("Sentry captured RuntimeError")
    expect(page.get_by_text("It needs a running kernel.").first).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("Box(children")
    # A fold needs no script.
    card.locator(".cw-part[open]").get_by_text("why is this here?").first.click()
    expect(card.locator(".cw-part[open] .cw-reason").first).to_be_visible()


def test_every_notebook_is_one_press_away(page: Page, site: Path) -> None:
    listed = page.locator(".bd-sidebar-primary .toctree-l1 a")
    assert listed.count() == len(list(COURSE.glob("[0-9]*.ipynb")))
    for link in listed.all():
        assert (site / str(link.get_attribute("href"))).is_file()


def test_the_search_finds_a_word_without_a_server(page: Page) -> None:
    page.get_by_role("button", name="Search").first.click()
    field = page.locator("dialog input[type=search], .search-button__search-container input").first
    field.fill("breadcrumb")
    field.press("Enter")
    found = page.locator("ul.search li")
    expect(found.first).to_be_visible()
    expect(found.filter(has_text="Anatomy of an unhandled crash")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [600, 1280])
def test_it_is_readable(page: Page, site: Path, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((site / f"{FIRST}.html").as_uri())
    card = page.locator(".cw-card").first
    card.scroll_into_view_if_needed()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    paper = page.evaluate("getComputedStyle(document.querySelector('.cw-card')).backgroundColor")
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == body
    page.screenshot(path=f"tests/artifacts/site-{width}-{scheme}.png")
