import re

import pytest

from kit.html import render
from kit.ingest.store import Store
from kit.views.system_map import CALLS, NODES, MapState, system_map
from kit.widgets.live_map import LiveMap
from kit.workshop import Workshop
from tests.waiting import wait_until

from .test_issues import failed, send
from .traces import HOSTILE

ROUTE = ["frontend", "gateway", "game-engine", "payment", "analytics"]


def drawn(html: str, kind: str) -> list[str]:
    """Return the names of the nodes that have a CSS class."""
    groups = re.findall(r'<g class="([^"]*)".*?class="cw-map-name"[^>]*>([^<]*)<', html, re.S)
    return [name for classes, name in groups if kind in classes.split()]


def test_the_route_of_a_spin_is_lit_to_the_database() -> None:
    html = str(system_map(MapState(route=ROUTE)))
    assert drawn(html, "cw-map-lit") == [*ROUTE, "database"]
    assert html.count('<line class="cw-map-call cw-map-lit"') == len(CALLS)
    assert "The last request went through frontend, gateway, game-engine" in html


def test_a_service_that_broke_is_red_and_sends_an_envelope() -> None:
    state = MapState(ROUTE[:3], {"game-engine": 3}, ("game-engine",), "KeyError: wild")
    html = str(system_map(state))
    assert drawn(html, "cw-map-broken") == ["game-engine"]
    assert html.count('<path class="cw-map-sent"') == 1
    assert "3 errors" in html
    assert 'aria-label="Captured from game-engine: KeyError: wild"' in html


def test_boxes_do_not_overlap_and_lie_within_the_drawing() -> None:
    for node in NODES:
        assert 58 <= node.x <= 720 - 58
        assert 22 <= node.y <= 196 - 22
        others = [each for each in NODES if each is not node]
        assert all(abs(each.x - node.x) >= 116 or abs(each.y - node.y) >= 44 for each in others)


def test_nothing_that_an_event_carries_runs() -> None:
    html = str(system_map(MapState((HOSTILE,), {HOSTILE: 1}, (HOSTILE,), HOSTILE)))
    assert "<script" not in html
    assert "<img" not in html
    assert render("system_map.css")


def test_it_follows_what_is_captured_until_the_store_ends(store: Store) -> None:
    live = LiveMap(store)
    live._ipython_display_()
    send(store, failed("KeyError"), project="payment")
    wait_until(lambda: live.state.errors == {"payment": 1}, 5)
    assert drawn(str(live._repr_html_()), "cw-map-broken") == ["payment"]
    assert live.state.last == "KeyError: broken"
    # Shown once more, it has no second thread.
    live._ipython_display_()
    send(store, failed("KeyError"), failed("KeyError"), project="gateway")
    wait_until(lambda: live.state.errors == {"payment": 1, "gateway": 2}, 5)
    store.close()
    live._thread.join(5)
    assert not live._thread.is_alive()


@pytest.mark.system
def test_a_crash_runs_through_it(workshop: Workshop) -> None:
    live = workshop.map()
    live._ipython_display_()
    outcome = workshop.trigger("game-engine/crash")
    wait_until(lambda: live.state.errors.get("game-engine", 0) >= 1, 10)
    wait_until(lambda: "gateway" in live.state.route, 10)
    html = str(outcome._repr_html_())
    assert "cw-card" in html
    assert f'id="trace-{outcome.trace_id}"' in html
    assert "game-engine/crash: HTTP 500" in html


@pytest.mark.system
def test_a_cell_that_runs_again_ends_its_earlier_map(workshop: Workshop) -> None:
    first, second = workshop.map(), workshop.map()
    first._ipython_display_()
    second._ipython_display_()
    wait_until(lambda: not first._thread.is_alive(), 10)
    assert second._thread.is_alive()
    third = workshop.map()
    wait_until(lambda: not second._thread.is_alive(), 10)
    third.stop()
