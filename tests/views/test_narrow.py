"""What a browser makes of events of other SDKs on a narrow page of JupyterLab."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from kit.ingest.store import Store
from kit.issues import read_issues
from kit.outcome import Event
from kit.views.project import ProjectPage, read_project
from tests.browser import chromium
from tests.foreign.sdks import RECORDED
from tests.ingest.sending import body, item, store_away

from .test_drawings import show
from .test_project import metric
from .traces import FRONTEND

pytestmark = pytest.mark.browser

NAMES = ("browser-11", "go", "ruby")
# The rule of JupyterLab for rows, which counts once they are blocks.
ROWS = "body tr { padding: .5em }"
BOXES = "all => all.map(each => each.getBoundingClientRect().toJSON())"
LABEL = "getComputedStyle(document.querySelector('.cw-of-events'), '::before').content"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.browser_or_skip() as browser:
        yield browser.new_page()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    found = Store(tmp_path_factory.mktemp("narrow") / "items.sqlite3")
    for name in NAMES:
        for payload in sent(name):
            envelope = body(item("event", payload), event_id=payload["event_id"])
            store_away(found, envelope, project="shop")
    yield found
    found.close()


def sent(name: str) -> list[Event]:
    text = (RECORDED / f"{name}.json").read_text(encoding="utf-8")
    return [Event(each) for each in json.loads(text)]


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    found = page.locator(selector).evaluate_all(BOXES)
    assert found
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("width", [320, 640])
def test_no_cell_of_a_project_is_out_of_sight(page: Page, store: Store, width: int) -> None:
    items = read_project(store, "shop").items
    times = metric("distribution", 1, 2, 4, unit="millisecond")
    shop = ProjectPage("shop", {**items, "transaction": [FRONTEND], "trace_metric": [times]})
    show(page, shop._repr_html_(), width, ROWS)
    assert page.locator(".cw-stacked").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in boxes(page, ".cw-stacked tbody td:not(.cw-of-nothing)"):
        assert box["x"] + box["width"] <= width - 20
    assert page.evaluate(LABEL) == '"events: "'


def test_on_a_wide_page_they_are_tables(page: Page, store: Store) -> None:
    show(page, read_project(store, "shop")._repr_html_(), 1280, ROWS)
    assert len({box["y"] for box in boxes(page, ".cw-stacked tr:first-child th[scope=col]")}) == 1
    assert page.evaluate(LABEL) == "none"


def test_titles_of_issues_are_in_line_with_the_heading(page: Page, store: Store) -> None:
    show(page, read_issues(store)._repr_html_(), 420, ROWS)
    (heading,) = boxes(page, ".cw-issues > h3")
    titles = boxes(page, ".cw-issues > table > tbody > tr > th")
    assert {box["x"] for box in titles} == {heading["x"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_time_of_a_breadcrumb_is_on_one_line(page: Page, name: str) -> None:
    show(page, sent(name)[-1]._repr_html_(), 420, ROWS)
    page.get_by_role("heading", name="Breadcrumbs").click()
    assert {round(box["height"]) for box in boxes(page, ".cw-offset bdi")} <= {16, 17, 18}


def test_the_last_part_of_a_pair_fills_its_row(page: Page) -> None:
    show(page, sent("browser-11")[-1]._repr_html_(), 1280)
    (card,) = boxes(page, ".cw-card")
    (release,) = boxes(page, ".cw-parts > :last-child:nth-child(3)")
    assert release["width"] == pytest.approx(card["width"], abs=3)
