from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

import pytest
from jmespath.exceptions import ParseError

from kit.outcome import Event, Outcome
from kit.reading.profiles import active_samples
from kit.views.flame import find_hot_spot


@pytest.fixture
def outcome(recorded_crashes: Mapping[str, Outcome]) -> Outcome:
    return recorded_crashes["game-engine/infinite-loop"]


def test_an_outcome_has_all_that_a_trigger_led_to(outcome: Outcome) -> None:
    assert outcome.response.status_code == 500
    assert outcome.event is outcome.events[0]
    services = ["frontend", "gateway", "game-engine"]
    assert [span.service for span in outcome.trace.segments] == services
    assert {span.op for span in outcome.trace.of("game-engine")} >= {"http.server", "game.respin"}
    assert outcome.profile is not None
    assert outcome.profile.span in outcome.trace.of("game-engine")
    assert outcome.missing == []
    assert outcome.response_to_stored_ms is not None


GUILTY = {
    "game-engine/infinite-loop": ("respin_until_jackpot", "game_engine/jackpot.py"),
    "analytics/performance-issue": ("query_per_player", "analytics/report.py"),
    "payment/event-loop-block": ("countUnmatched", "payment/src/debug/reconciliation.js"),
}
# Beside the line that keeps it, memory that grows costs time where it is measured and collected.
LEAKING = {
    "game-engine/memory-leak": ("ReplayCache.record", "game_engine/memory.py"),
    "payment/memory-leak": ("keep", "payment/src/debug/receipts.js"),
}


@pytest.mark.parametrize("crash_id", GUILTY | LEAKING)
def test_the_guilty_line_is_in_the_profile(
    recorded_crashes: Mapping[str, Outcome], crash_id: str
) -> None:
    outcome = recorded_crashes[crash_id]
    assert outcome.profile is not None
    assert outcome.profile.span.service == outcome.crash.service.name
    samples = active_samples(outcome.profile, outcome.profile.span)
    function, file = (GUILTY | LEAKING)[crash_id]
    guilty = (function, f"demo_services/{file}")
    assert guilty in {frame.key for sample in samples for frame in sample.stack}
    hot_spot = find_hot_spot(samples)
    assert hot_spot is not None
    assert crash_id in LEAKING or hot_spot.line.frame.key == guilty


@pytest.mark.parametrize("crash_id", ["game-engine/infinite-loop", "payment/event-loop-block"])
def test_a_chunk_of_what_came_before_is_not_its_profile(
    recorded_crashes: Mapping[str, Outcome], crash_id: str
) -> None:
    outcome = recorded_crashes[crash_id]
    assert outcome.profile is not None
    chunks = (item for item in outcome.items if item.type == "profile_chunk")
    chunk = next(item for item in chunks if item.payload == outcome.profile)
    earlier = deepcopy(chunk)
    for sample in earlier.payload["profile"]["samples"]:
        sample["timestamp"] -= 60
    late = replace(outcome, items=(earlier, *outcome.items))
    assert late.profile == outcome.profile


def test_it_is_one_line_in_a_terminal(outcome: Outcome) -> None:
    assert repr(outcome) == (
        "<Outcome game-engine/infinite-loop: HTTP 500, captured WatchdogTimeout>"
    )
    assert repr(outcome.event) == f"<Event WatchdogTimeout {outcome.event['event_id']}>"
    assert repr(outcome.trace) == "<Trace of frontend, gateway, game-engine>"


def test_events_come_in_the_order_of_their_declaration(
    recorded_crashes: Mapping[str, Outcome],
) -> None:
    outcome = recorded_crashes["game-engine/async-error"]
    assert [event.title for event in outcome.events] == [
        error.type for error in outcome.crash.errors
    ]


def test_an_event_is_searched_by_path(outcome: Outcome) -> None:
    assert outcome.event.find("contexts.spin.bet") == 10
    assert outcome.event.find('tags."http.route"') == "/debug/infinite-loop"
    assert outcome.event.find("contexts.spin.luck") is None
    with pytest.raises(ParseError):
        outcome.event.find("contexts..spin")


def test_event_and_trace_show_themselves(outcome: Outcome) -> None:
    assert outcome.event["event_id"] in outcome.event._repr_html_()
    assert f'data-answered-at="{outcome.answered_at}"' in outcome.event._repr_html_()
    assert "game-engine" in outcome.trace._repr_html_()


def test_an_event_without_an_exception_has_its_message_as_title() -> None:
    assert Event({"message": "the jackpot fell"}).title == "the jackpot fell"
