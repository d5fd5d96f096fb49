"""What rules, firings, judgements and receivers look like: in HTML, and as text."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page

from kit.ingest.store import Store
from kit.reliability.alerts.evaluate import replay
from kit.reliability.alerts.firings import MAX_FIRINGS_SHOWN, Firings
from kit.reliability.alerts.judge import AlertJudgement, judge
from kit.reliability.alerts.live import AlertRules
from kit.reliability.alerts.occurrences import Occurrence
from kit.reliability.alerts.rule import make_rule
from kit.reliability.alerts.timeline import MAX_MARKS, draw_timeline
from kit.reliability.alerts.webhooks.receiver import AlertReceiver
from kit.reliability.alerts.webhooks.webhook import (
    EVENT_ALERT,
    REQUEST_ID,
    RESOURCE,
    SIGNATURE,
    alert_body,
    sign_body,
)
from kit.reliability.faults.incident import Incident
from tests.browser import chromium
from tests.views.test_drawings import show
from tests.views.traces import HOSTILE

BIDI = "\u202e"
INCIDENTS = (
    Incident("payment-fails", 100, 160),
    Incident(None, 200, 260),
    Incident("mongo-slow", 300, 360),
)
RULES = (
    make_rule("every event", "events > 1 in 5m", throttle="5m", name="A burst"),
    make_rule("new issue", then="ticket"),
    make_rule("new issue", "users > 3 in 5m", name=f"Never {HOSTILE}"),
)


def fired(times: tuple[float, ...] = (90, 130, 140, 210, 520)) -> Firings:
    event = {"message": f"broken {HOSTILE} {BIDI}"}
    events = [
        Occurrence(at, ("payment", str(at // 100)), event, f"{at}", "payment") for at in times
    ]
    return replay(RULES, events)


def judged() -> AlertJudgement:
    return fired().judge(INCIDENTS, span=(0, 600))


def receiving() -> AlertReceiver:
    receiver = AlertReceiver(secret="s")
    for number, each in enumerate(fired()):
        body = alert_body(each, {"message": "m"})
        signed = {SIGNATURE: sign_body(body, "s"), RESOURCE: EVENT_ALERT}
        receiver.accept(body, {**signed, REQUEST_ID: f"{number}{HOSTILE}"})
    receiver.accept(b"", {})
    return receiver


def views(store: Store) -> dict[str, str]:
    return {
        "rule": str(RULES[2]._repr_html_()),
        "rules": str(AlertRules(RULES, store)._repr_html_()),
        "firings": str(fired()._repr_html_()),
        "judgement": str(judged()._repr_html_()),
        "receiver": str(receiving()._repr_html_()),
    }


def text(html: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S).split())


def test_every_view_says_that_it_is_simulated_and_escapes_what_it_shows(store: Store) -> None:
    for name, html in views(store).items():
        assert 'class="cw-simulated">simulated<' in html, name
        assert HOSTILE not in html, name
        assert BIDI not in html, name
    assert [
        str(each).count("(simulated)") for each in (*RULES, fired(), judged(), receiving())
    ] == [
        *(1 for _ in RULES),
        1,
        1,
        1,
    ]


def test_each_page_that_is_modelled_is_named_with_its_month(store: Store) -> None:
    shown = views(store)
    for name in ("rules", "firings"):
        assert "docs.sentry.io/product/monitors-and-alerts/alerts/create-alerts/" in shown[name]
        assert "read 2026-11" in shown[name]
    assert "integration-platform/webhooks/" in shown["receiver"]
    assert "does not mention retries" in text(shown["receiver"])


def test_a_rule_is_shown_with_what_is_wrong_with_it(store: Store) -> None:
    told = text(views(store)["rules"])
    assert "WHEN every event IF events &gt; 1 in 5m THEN page At most once in 5m" in told
    assert told.count("Never fires:") == 1
    assert "a new issue has one event, from at most one user" in told


def test_firings_are_a_time_line_and_a_table() -> None:
    firings = fired()
    html = str(firings._repr_html_())
    assert html.count('class="cw-alerts-page"') == len(firings.pages) == 1
    assert html.count('class="cw-alerts-other"') == len(firings) - 1 == 4
    assert "Fired 5× for 5 events" in text(html)
    assert str(firings).splitlines()[1].startswith("00:01:30 ticket: broken")


def test_a_long_list_says_how_much_is_not_shown() -> None:
    rule = make_rule("every event")
    many = [Occurrence(float(n), ("p", "i"), {}, str(n), "p") for n in range(MAX_MARKS + 50)]
    told = text(str(replay([rule], many)._repr_html_()))
    assert f"{MAX_MARKS + 50 - MAX_FIRINGS_SHOWN} more, from index [{MAX_FIRINGS_SHOWN}] on" in told
    assert "50 more marks are not drawn" in told


def test_nothing_is_said_of_nothing() -> None:
    nothing = replay([make_rule("new issue")], [])
    assert text(str(nothing._repr_html_())).startswith(
        "Would have fired simulated Never fired for 0 events."
    )
    assert "–" in text(str(judge([], [])._repr_html_()))
    assert draw_timeline([], [], (5, 5)) is None


def test_a_judgement_is_read_in_numbers() -> None:
    html = str(judged()._repr_html_())
    told = text(html)
    assert "1 of 2 incidents paged, after a median of 40 s; 0 pages without an incident." in told
    assert "100 % precision" in told
    assert "50 % recall" in told
    assert "1 payment-fails ✓ paged after 40.0 s A burst" in told
    assert "2 no-op ✓ not paged" in told
    assert "3 mongo-slow ✗ not paged" in told
    assert html.count('class="cw-alerts-incident"') == 2
    assert html.count('class="cw-alerts-no-op"') == 1


def test_a_band_stays_within_the_drawing() -> None:
    drawn = draw_timeline((), [Incident("a", 500, 900), Incident("b", -50, 50)], (0, 600))
    assert drawn is not None
    for band in drawn.bands:
        assert float(band.start) + float(band.width) <= 100


def test_a_month_has_days_along_its_axis() -> None:
    drawn = draw_timeline((), (), (0, 30 * 86_400))
    assert drawn is not None
    assert [each.label for each in drawn.ticks] == [
        *("0 days", "10 days", "20 days", "30 days"),
    ]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.browser_or_skip() as browser:
        yield browser.new_page()


@pytest.mark.browser
@pytest.mark.parametrize("width", [600, 1280])
def test_nothing_is_out_of_sight(page: Page, store: Store, width: int) -> None:
    long = replace(RULES[0], name="a name without any space in it " + "x" * 300)
    shown = {**views(store), "long": str(AlertRules([long], store)._repr_html_())}
    show(page, "".join(shown.values()), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    strip = page.locator(".cw-alerts-strip").first.bounding_box()
    assert strip is not None
    assert strip["height"] >= 20
