"""How objectives, budgets, rules and months are shown: words, marks, and nothing that runs."""

import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Page

from kit.reliability.slo.burn import GOOGLE, BurnRule, RuleSet
from kit.reliability.slo.lint import lint_rules
from kit.reliability.slo.month import simulate_month
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import RecordedSeconds
from kit.reliability.slo.slo import Slo, make_slo
from kit.reliability.slo.watch import BudgetWatch
from tests.browser import chromium
from tests.views.picture import Picture
from tests.views.traces import HOSTILE

BEGAN = 1_790_000_000
DARK = ":root { --jp-layout-color1: #111; --jp-ui-font-color0: #fff; } body { background: #111; }"


def burning(seconds: int, *bad: range) -> RecordedSeconds:
    """Return traffic of four a second, of which one fails in each of some seconds."""
    failed = {second for each in bad for second in each}
    return RecordedSeconds((BEGAN + n, 4 - (n in failed), int(n in failed)) for n in range(seconds))


INCIDENT = burning(250, range(1, 100, 50), range(200, 230, 3))
ROLLING = burning(700, range(0, 300, 100), range(300, 330), range(480, 500, 2), range(540, 560, 2))


@cache
def pictures(name: str = "spins") -> dict[str, str]:
    """Return each view, with ``name`` wherever a name is shown."""
    objective = Objective(name)
    slo = Slo(objective, find_source=lambda: INCIDENT, clock=lambda: BEGAN + 249)
    planted = RuleSet(name, (BurnRule("page", 101, 60, 10), BurnRule("page", 2, 10, 5)), 600)
    month = simulate_month(Objective(name, 0.999), 3, [(0.1, "40 min"), (1, "3 min")])
    return {
        "slo": slo._repr_html_(),
        "no traffic": Slo(objective)._repr_html_(),
        "budget": slo.budget._repr_html_(),
        "rolling": slo.measure(ROLLING, BEGAN + 699)._repr_html_(),
        "empty": slo.measure(RecordedSeconds([]), BEGAN)._repr_html_(),
        "rules": planted._repr_html_(),
        "lint": lint_rules(objective, planted)._repr_html_(),
        "month": month._repr_html_(),
        "comparison": month.compare(GOOGLE, "5xx > 1 % for 5 min")._repr_html_(),
        "policy": slo.policy(frozen=[name])._repr_html_(),
    }


@pytest.mark.parametrize("name", ["spins", HOSTILE])
@pytest.mark.parametrize("view", pictures())
def test_nothing_in_a_view_runs(view: str, name: str) -> None:
    assert Picture(pictures(name)[view]).words


def test_a_budget_says_first_what_it_shows_and_marks_the_alerts() -> None:
    budget = make_slo("spins").measure(INCIDENT, BEGAN + 249)
    picture = Picture(budget._repr_html_())
    assert picture.words.startswith(f"Error budget: spins {budget.sentence} 50 % of the budget")
    assert picture.labels == [budget.sentence]
    assert budget.sentence.startswith("12 of 24 allowed failures are spent; at this rate the rest")
    (alert,) = [alert for alert in budget.alerts if alert.severity == "page"]
    assert f"page {(alert.began - BEGAN) // 60:.0f}:{(alert.began - BEGAN) % 60:02.0f}" in (
        picture.drawn
    )
    left = 100 * (alert.began - BEGAN) / 600
    assert f"--start: {left:.2f}%; --row: 0" in picture.styles["cw-alert"]


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (each.split(",") for each in text.split())]


def test_the_line_falls_with_each_failure_and_goes_on_at_its_rate() -> None:
    budget = make_slo("spins").measure(INCIDENT, BEGAN + 249)
    line = points(budget.chart.line)
    assert [y for _, y in line] == sorted(y for _, y in line)
    # From all of the budget at the first request to the half of it after 250 seconds.
    assert line[0] == (0, 0)
    assert line[-1] == pytest.approx((100 * 250 / 600, 50), abs=0.01)
    begin, end = points(budget.chart.ahead)
    assert begin == line[-1]
    assert budget.gone_in_s is not None
    assert end == pytest.approx((100 * (250 + budget.gone_in_s) / 600, 100), abs=0.01)


def test_once_the_window_is_over_the_line_ends_now() -> None:
    chart = make_slo("spins").measure(ROLLING, BEGAN + 699).chart
    line = points(chart.line)
    assert (line[0][0], line[-1][0]) == (0, 100)
    assert chart.ahead == ""
    labels = [tick.label for tick in chart.across]
    assert (labels[0], labels[-1]) == ("\N{MINUS SIGN}10 min", "now")
    # Alerts that are near to each other have their labels on lines of their own.
    assert len(chart.marks) >= 3
    for one, other in zip(chart.marks, chart.marks[1:], strict=False):
        near = float(other.left) - float(one.left) < 19
        assert one.row != other.row or not near or other.row is None


def test_more_alerts_than_there_is_room_for_are_counted() -> None:
    flapping = burning(600, *(range(n, n + 5) for n in range(20, 600, 40)))
    rules = RuleSet("One", (BurnRule("page", 1, 20, 5),), 600)
    slo = Slo(Objective("spins"), alerts=rules)
    chart = slo.measure(flapping, BEGAN + 599).chart
    assert len(chart.marks) == 8
    assert chart.hidden == 7


def test_a_month_and_its_comparison_say_that_they_are_simulated() -> None:
    views = pictures()
    for view in ("month", "comparison"):
        # Beside the heading, where it is not read over.
        assert 'class="cw-simulated">simulated</span></h3>' in views[view]
    cells = Picture(views["comparison"]).cells
    assert cells[0][:3] == ["Incident", "Whole cost", "Page after"]
    assert [row[0] for row in cells[1:3]] == ["10 % fail for 40 min", "100 % fail for 3 min"]


# Live


class FakeTraffic:
    """Traffic that goes on until it is told to end."""

    def __init__(self) -> None:
        self.outcomes = RecordedSeconds([(BEGAN, 4, 0)])
        self.is_running = True


class Watched:
    """A budget that is measured, and how often."""

    def __init__(self, slo: Slo) -> None:
        self.count, self._slo = 0, slo
        self.often = threading.Event()

    def __call__(self) -> Any:
        self.count += 1
        if self.count > 3:
            self.often.set()
        return self._slo.budget


def test_a_watch_follows_the_traffic_and_ends_with_it() -> None:
    traffic = FakeTraffic()
    slo = make_slo("spins").reads(traffic)
    slo = Slo(slo.objective, find_source=lambda: traffic, clock=lambda: BEGAN + 1)
    measure = Watched(slo)
    watch = BudgetWatch(measure, lambda: not traffic.is_running, 60, every_s=0.01)
    watch._ipython_display_()
    assert measure.often.wait(30)
    assert watch.is_running
    traffic.outcomes = RecordedSeconds([(BEGAN, 0, 4)])
    traffic.is_running = False
    assert watch._thread is not None
    watch._thread.join(30)
    assert not watch.is_running
    # The last picture is of the end, and stays.
    assert "4 of 24 allowed failures are spent" in watch._picture._html


def test_a_watch_ends_with_its_block() -> None:
    slo = Slo(Objective("spins"), find_source=lambda: INCIDENT, clock=lambda: BEGAN + 249)
    with slo.watch() as watch:
        assert watch.is_running
    assert not watch.is_running
    assert repr(watch).startswith("<BudgetWatch, still: 12 of 24")


def test_a_watch_ends_with_its_time_and_with_the_workshop() -> None:
    over = threading.Event()
    slo = Slo(Objective("spins"), find_source=lambda: INCIDENT, is_over=over.is_set)
    timed = slo.watch(seconds=0)
    timed._ipython_display_()
    assert timed._thread is not None
    timed._thread.join(30)
    assert not timed.is_running
    over.set()
    with slo.watch() as watch:
        assert watch._thread is not None
        watch._thread.join(30)
        assert not watch.is_running


# In a browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.browser_or_skip() as browser:
        yield browser.new_page()


@pytest.mark.browser
@pytest.mark.parametrize("style", ["", DARK])
@pytest.mark.parametrize("width", [600, 1280])
def test_a_view_fits_and_is_seen_from_the_back(page: Page, width: int, style: str) -> None:
    for html in pictures().values():
        page.set_viewport_size({"width": width, "height": 800})
        head = f"<meta charset=utf-8><style>body {{ margin: 8px }} {style}</style>"
        page.set_content(f"<!doctype html>{head}{html}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_content(f"<!doctype html>{head}{pictures()['rolling']}")
    size = "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
    assert min(page.locator(".cw-big").evaluate_all(size)) >= 60
    assert min(page.locator(".cw-drawing span, .cw-drawing i").evaluate_all(size)) >= 13
    boxes = [each.bounding_box() for each in page.locator(".cw-alert span").all()]
    found = [box for box in boxes if box]
    assert len(found) >= 3
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            apart = one["y"] != other["y"] or one["x"] + one["width"] <= other["x"]
            assert apart, (one, other)
