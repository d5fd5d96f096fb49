"""What a browser makes of the drawings: at any width, in both themes, on paper."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from markupsafe import Markup
from playwright.sync_api import Page

from kit.views.flame import flame_graph
from kit.views.gauges import ProcessSample, Recording
from kit.views.waterfall import waterfall
from tests.browser import chromium

from .test_flame import CHOICES, FRAMES, RESPIN, SELECT, profile
from .traces import FRONTEND, GATEWAY, HOSTILE, error, span, transaction

DARK = ":root { --jp-layout-color1: #111; --jp-ui-font-color0: #fff; } body { background: #111; }"
LONG = "a name that is far longer than any column for it " * 5
TEXTS = ".cw-drawing .cw-name, .cw-drawing .cw-took, .cw-drawing .cw-errors, .cw-box span, .cw-peak"


def recorded() -> Markup:
    recording = Recording()
    recording._samples = tuple(
        ProcessSample(0.1 * n, 90 + 60 * (n == 7), 0.02 * n) for n in range(15)
    )
    return recording._repr_html_()


def pictures() -> dict[str, Markup]:
    inside = span(LONG, 30, 60, "query")
    paid = transaction("payment", 40, 70, inside, parent="query")
    return {
        "waterfall": waterfall([FRONTEND, GATEWAY, paid, error("TimeoutError", "query", 42)]),
        "flame": flame_graph(profile(RESPIN, RESPIN, CHOICES, SELECT)),
        "gauges": recorded(),
    }


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.browser_or_skip() as browser:
        yield browser.new_page()


def show(page: Page, html: str, width: int, style: str = "") -> None:
    page.set_viewport_size({"width": width, "height": 800})
    head = f"<meta charset=utf-8><style>body {{ margin: 8px }} {style}</style>"
    page.set_content(f"<!doctype html>{head}{html}")


def boxes(page: Page, selector: str) -> list[dict[str, Any]]:
    found = [each.bounding_box() for each in page.locator(selector).all()]
    assert found
    assert all(found)
    return [dict(box) for box in found if box]


@pytest.mark.parametrize("width", [320, 600, 813, 1280, 1920])
@pytest.mark.parametrize("name", ["waterfall", "flame", "gauges"])
def test_a_drawing_fits_and_its_text_is_as_large_as_any(page: Page, name: str, width: int) -> None:
    show(page, pictures()[name], width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in boxes(page, ".cw-drawing"):
        assert box["x"] > 0
        assert box["x"] + box["width"] <= width
    sizes = page.locator(TEXTS).evaluate_all(
        "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= 14


@pytest.mark.parametrize(("width", "is_wide"), [(600, False), (813, True), (1920, True)])
def test_a_name_stands_beside_its_bar_or_above_it(page: Page, width: int, is_wide: bool) -> None:
    show(page, pictures()["waterfall"], width)
    bars, names = boxes(page, ".cw-bar"), boxes(page, ".cw-name")
    assert len(bars) == len(names) == 6
    for bar, name in zip(bars, names, strict=True):
        if is_wide:
            assert name["x"] + name["width"] < bar["x"]
            assert name["y"] < bar["y"] < name["y"] + name["height"]
        else:
            assert name["y"] + name["height"] <= bar["y"] + 2


def test_a_bar_is_as_long_as_its_span(page: Page) -> None:
    show(page, pictures()["waterfall"], 1280)
    (lane, *_), (whole, call, *_) = boxes(page, ".cw-lane"), boxes(page, ".cw-bar")
    assert whole["width"] == pytest.approx(lane["width"], abs=1)
    assert call["width"] == pytest.approx(0.8 * lane["width"], abs=1)
    assert call["x"] - lane["x"] == pytest.approx(0.1 * lane["width"], abs=1)
    failed = boxes(page, ".cw-mark")[0]["x"]
    assert failed - lane["x"] == pytest.approx(0.42 * lane["width"], abs=1)


def test_a_box_stands_below_its_caller(page: Page) -> None:
    show(page, pictures()["flame"], 1280)
    (drawing,), found = boxes(page, ".cw-drawing"), boxes(page, ".cw-box")
    handle, select, respin, choices = found
    assert handle["width"] == pytest.approx(0.75 * drawing["width"], abs=1)
    assert select["x"] == pytest.approx(handle["x"] + handle["width"], abs=1)
    assert handle["y"] < respin["y"] < choices["y"] < drawing["y"] + drawing["height"]
    assert page.locator(".cw-hot").inner_text() == "▶ respin"


def test_a_label_without_room_is_out_of_sight(page: Page) -> None:
    stacks = [RESPIN] * 99 + [SELECT]
    show(page, flame_graph(profile(*stacks)), 600)
    box, label = page.locator(".cw-box").nth(1), page.locator(".cw-box span").nth(1)
    narrow, text = box.bounding_box(), label.bounding_box()
    assert narrow
    assert text
    assert narrow["width"] < 10
    assert text["y"] >= narrow["y"] + narrow["height"] - 3


def test_the_peak_is_where_the_curve_is_highest(page: Page) -> None:
    show(page, pictures()["gauges"], 813)
    drawing, peak = boxes(page, ".cw-drawing")[0], boxes(page, ".cw-peak")[0]
    assert page.locator(".cw-peak").first.inner_text() == "150 MB"
    assert peak["x"] - drawing["x"] == pytest.approx(drawing["width"] / 2, abs=1)
    ceiling = 150.0
    assert peak["y"] - drawing["y"] == pytest.approx((1 - 150 / ceiling) * 170, abs=1)


@pytest.mark.parametrize("name", ["waterfall", "flame", "gauges"])
def test_text_can_be_told_from_what_is_behind_it_in_both_themes(page: Page, name: str) -> None:
    colours = []
    for style in ("", DARK):
        show(page, pictures()[name], 813, style)
        colours.append(
            page.locator(TEXTS).evaluate_all(
                """all => all.map(each => {
                  const canvas = document.createElement("canvas").getContext("2d");
                  canvas.fillStyle = getComputedStyle(each).color;
                  canvas.fillRect(0, 0, 1, 1);
                  const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
                  return (r + g + b) / 3;
                })"""
            )
        )
    light, dark = colours
    assert max(light) < 110
    assert min(dark) > 145


def test_on_paper_nothing_is_cut_and_colours_stay(page: Page) -> None:
    show(page, pictures()["waterfall"], 813)
    name = page.locator(".cw-name", has_text=LONG.strip())
    is_cut = "each => each.scrollWidth > each.clientWidth"
    assert name.evaluate(is_cut)
    page.emulate_media(media="print")
    try:
        assert not name.evaluate(is_cut)
        adjusted = page.locator(".cw-bar").first.evaluate(
            "each => getComputedStyle(each).printColorAdjust"
        )
        assert adjusted == "exact"
    finally:
        page.emulate_media(media="screen")


def test_a_drawing_is_one_picture_with_its_sentence_for_a_screen_reader(page: Page) -> None:
    for name, count in (("waterfall", 1), ("flame", 1), ("gauges", 2)):
        show(page, pictures()[name], 813)
        drawings = page.get_by_role("img")
        assert drawings.count() == count
        for number in range(count):
            sentence = drawings.nth(number).get_attribute("aria-label")
            assert sentence
            assert sentence in page.locator("section").inner_text()


def test_the_table_is_opened_with_the_keyboard(page: Page) -> None:
    for name in ("waterfall", "flame"):
        show(page, pictures()[name], 813)
        assert not page.locator("table").is_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator("table").is_visible()


# JupyterLab's own, of outputs.
LAB = """.jp-RenderedHTMLCommon table { font-size: 12px; table-layout: fixed; margin: 0 auto 1em; }
.jp-RenderedHTMLCommon :is(td, th, tr) { padding: .5em; line-height: normal; max-width: none; }"""


@pytest.mark.parametrize("width", [813, 1280])
def test_the_table_has_room_for_whole_names_in_jupyterlab(page: Page, width: int) -> None:
    address = "POST http://127.0.0.1:3580/api/v1/analytics/spins"
    call = {**span("call it", 30, 60, "query", "http.client"), "description": address}
    items = [FRONTEND, GATEWAY, transaction("payment", 40, 70, call, parent="query")]
    html = waterfall([*items, error("TimeoutError", "query", 42)])
    show(page, f"<div class='jp-RenderedHTMLCommon'>{html}</div>", width, LAB)
    page.locator("summary").first.click()
    scroll = page.locator(".cw-scroll")
    assert scroll.evaluate("each => each.scrollWidth <= each.clientWidth")
    heads = page.locator("thead th")
    assert not any(
        heads.evaluate_all("all => all.map(each => each.scrollWidth > each.clientWidth)")
    )
    cell = page.get_by_role("cell", name=address)
    assert cell.inner_text() == f"http.client {address}"
    box = cell.bounding_box()
    assert box
    assert box["width"] >= 160
    assert box["height"] <= 90
    assert page.get_by_role("cell", name="✖ TimeoutError").evaluate("e => e.clientHeight") <= 60


def test_no_label_of_the_axis_is_written_over_another(page: Page) -> None:
    for width in (813, 1280):
        show(page, pictures()["waterfall"], width)
        labels = page.locator(".cw-ticks span").evaluate_all(
            """all => all.filter(e => getComputedStyle(e).color !== "rgba(0, 0, 0, 0)").map(e => {
              const range = document.createRange();
              range.selectNodeContents(e);
              const box = range.getBoundingClientRect();
              return [box.left, box.right];
            })"""
        )
        assert len(labels) >= 5
        assert all(a[1] <= b[0] for a, b in pairwise(labels))


def test_text_is_selected_as_it_is_read(page: Page) -> None:
    show(page, pictures()["waterfall"], 1280)
    row = page.locator(".cw-row").nth(3)
    row.evaluate("each => getSelection().selectAllChildren(each)")
    selected = page.evaluate("getSelection().toString()").split()
    assert selected == ["work", "query", "40", "ms", "✖", "TimeoutError"]


def test_what_a_service_names_is_text_whatever_it_holds(page: Page) -> None:
    frame = dict.fromkeys(("function", "filename", "module"), HOSTILE)
    hostile = {**span("x", 0, 5, HOSTILE), "op": HOSTILE, "description": HOSTILE}
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss())[0])
    for html in (
        waterfall([transaction(HOSTILE, 0, 10, hostile), error(HOSTILE, "x", 3)]),
        flame_graph(profile(RESPIN, CHOICES, frames=[frame, {**frame, "in_app": True}, *FRAMES])),
    ):
        html.encode()
        show(page, html, 813)
        assert page.locator("script, img").count() == 0
        assert "<script>alert(1)</script>" in page.locator(".cw-drawing").inner_text()
    assert not asked
