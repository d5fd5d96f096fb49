"""What a browser makes of the picture of the traffic: at any width, in both themes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from kit.reliability.traffic.outcomes import Counts
from kit.reliability.traffic.picture import TrafficState, draw_traffic
from kit.reliability.traffic.plan import TrafficPlan
from kit.reliability.traffic.readings import Reading, Readings
from tests.browser import chromium

pytestmark = pytest.mark.browser

DARK = ":root { --jp-layout-color1: #111; --jp-ui-font-color0: #fff; } body { background: #111; }"
# The contrast of WCAG 2 between what a selector is filled or written with, and the page.
CONTRAST = """([selector, property]) => {
  const canvas = document.createElement("canvas").getContext("2d");
  const luminance = colour => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(each => each / 255)
      .map(each => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = luminance(getComputedStyle(document.querySelector("section")).backgroundColor);
  return Math.min(...[...document.querySelectorAll(selector)].map(each => {
    const colour = luminance(getComputedStyle(each)[property]);
    return (Math.max(colour, behind) + .05) / (Math.min(colour, behind) + .05);
  }));
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.browser_or_skip() as browser:
        yield browser.new_page()


def traffic(is_running: bool = True) -> str:
    one = Counts(good=4, bad=1, not_valid=1, buckets={50: 4, 80: 1})
    return draw_traffic(
        TrafficState(
            TrafficPlan(),
            1000.0,
            1090.0,
            is_running,
            sum([one] * 90, Counts()),
            one,
            2,
            0,
            [(1000 + number, one) for number in range(90)],
        )
    )


def show(page: Page, html: str, width: int, style: str = "") -> None:
    page.set_viewport_size({"width": width, "height": 800})
    head = f"<meta charset=utf-8><style>body {{ margin: 8px }} {style}</style>"
    page.set_content(f"<!doctype html>{head}{html}")


@pytest.mark.parametrize("width", [320, 600, 1280])
def test_it_fits(page: Page, width: int) -> None:
    for is_running in (True, False):
        show(page, traffic(is_running), width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in (".cw-drawing", ".cw-legend", ".cw-across span >> nth=-1"):
            box = page.locator(selector).bounding_box()
            assert box
            assert box["x"] > 0
            assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("style", ["", DARK], ids=["light", "dark"])
def test_it_is_seen_in_both_themes(page: Page, style: str) -> None:
    show(page, traffic(), 813, style)
    for selector in ("polygon.cw-good", "polygon.cw-bad"):
        assert page.evaluate(CONTRAST, [selector, "fill"]) >= 3
    for selector in (".cw-says", ".cw-legend", ".cw-up i", ".cw-across span", ".cw-figures *"):
        assert page.evaluate(CONTRAST, [selector, "color"]) >= 4.5, selector


def test_the_bad_hang_below_the_line_on_which_the_good_stand(page: Page) -> None:
    show(page, traffic(), 813)
    good, bad = (page.locator(f"polygon.cw-{kind}").bounding_box() for kind in ("good", "bad"))
    zero = page.locator(".cw-up i", has_text="0").first.bounding_box()
    assert good
    assert bad
    assert zero
    assert good["y"] + good["height"] == pytest.approx(bad["y"], abs=1)
    assert zero["y"] + zero["height"] / 2 == pytest.approx(bad["y"], abs=2)
    assert good["height"] == pytest.approx(4 * bad["height"], rel=0.05)


def test_the_table_of_readings_is_scrolled_where_it_has_no_room(page: Page) -> None:
    row = Reading("Sessions", "requests that gateway answered", 9, 1, "what is late " * 4)
    for width in (320, 1280):
        show(page, Readings(row, row, row)._repr_html_(), width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
