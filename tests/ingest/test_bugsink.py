"""The workshop relays to a Sentry that is not ours, and loses nothing while that one is away."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tenacity import retry, stop_after_delay, wait_fixed

import kit.ingest.relay
from kit.hosting.database import Database
from kit.ingest.relay import Relay
from kit.workshop import Workshop
from tests.ingest.bugsink import Bugsink, installed
from tests.notebooks.kernels import read, run

pytestmark = pytest.mark.slow

PATIENCE_S = 120.0
WITHOUT = Database().unavailable
needs_database = pytest.mark.skipif(WITHOUT is not None, reason=str(WITHOUT))


@pytest.fixture(scope="module")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    server = Bugsink(installed(), tmp_path_factory.mktemp("bugsink"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def workshop(bugsink: Bugsink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A workshop that relays, and is soon tired of a Sentry that does not answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENTRY_DSN", bugsink.dsn)
        patch.setenv("DEADLINE_S", "100")
        patch.setattr(kit.ingest.relay, "_TIMEOUT_S", 5.0)
        home = tmp_path_factory.mktemp("home")
        with Workshop.start(home=home, report=lambda line: None) as running:
            yield running


@pytest.fixture
def relay(workshop: Workshop) -> Relay:
    assert workshop.relay is not None
    return workshop.relay


def press(workshop: Workshop, crash_id: str, times: int) -> dict[str, dict[str, Any]]:
    """Trigger a crash several times and return the error events by their ids."""
    events = {}
    for _ in range(times):
        outcome = workshop.trigger(crash_id)
        assert not outcome.missing, outcome.missing
        events.update({event["event_id"]: dict(event) for event in outcome.events})
    return events


@pytest.mark.parametrize(
    ("crash_id", "times", "issues"),
    [
        ("game-engine/crash", 3, {"RuntimeError": 3}),
        ("game-engine/error?type=custom", 2, {"SettlementError": 2}),
        pytest.param("analytics/crash", 2, {"ZeroDivisionError": 2}, marks=needs_database),
        ("payment/error?type=declined", 2, {"CardDeclined": 2}),
        ("payment/stack-overflow", 1, {"RangeError": 1}),
        # JavaScript can say nothing of this one: the supervisor does, and the gateway.
        ("payment/heap-exhaustion", 1, {"HeapExhausted": 1, "RemoteProtocolError": 1}),
    ],
)
def test_errors_arrive_as_they_were_captured_and_become_issues(
    workshop: Workshop,
    relay: Relay,
    bugsink: Bugsink,
    crash_id: str,
    times: int,
    issues: dict[str, int],
) -> None:
    events = press(workshop, crash_id, times)
    assert relay.wait(PATIENCE_S), relay.last_error
    arrived = when_arrived(bugsink, set(events))
    assert {id: event["data"] for id, event in arrived.items()} == events
    theirs = {event["issue"] for event in arrived.values()}
    counts = [issue for issue in bugsink.issues() if issue["id"] in theirs]
    assert {each["calculated_type"]: each["digested_event_count"] for each in counts} == issues


# A trigger returns when the event is stored, and the relay is given it just after that.
@retry(stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(0.2), reraise=True)
def when_arrived(bugsink: Bugsink, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Return the events of these ids, once all of them are there."""
    arrived = {id: event for id, event in bugsink.events() if id in ids}
    assert arrived.keys() == ids
    return arrived


def test_what_it_has_no_use_for_is_taken_and_thrown_away(
    workshop: Workshop, relay: Relay, bugsink: Bugsink
) -> None:
    for crash_id in ("game-engine/infinite-loop", "payment/error?type=range"):
        press(workshop, crash_id, 1)
    workshop.flush()
    types = {item.type for item in workshop.store.items()}
    assert {"profile_chunk", "span"} <= types
    when_skipped(bugsink, types - {"event"})
    assert relay.wait(PATIENCE_S), relay.last_error
    assert relay.dropped == 0


@retry(stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(0.2), reraise=True)
def when_skipped(bugsink: Bugsink, types: set[str]) -> None:
    assert bugsink.skipped() == types


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [(Bugsink.stop, Bugsink.start), (Bugsink.suspend, Bugsink.resume)],
    ids=["killed", "hanging"],
)
def test_while_it_is_away_nothing_waits_and_nothing_is_lost(
    workshop: Workshop,
    relay: Relay,
    bugsink: Bugsink,
    leave: Callable[[Bugsink], None],
    come_back: Callable[[Bugsink], None],
) -> None:
    press(workshop, "game-engine/error?type=key", 5)
    dropped = relay.dropped
    leave(bugsink)
    # Of an earlier absence.
    relay._last_error = None
    delivered = relay.delivered
    try:
        press(workshop, "game-engine/error?type=key", 5)
        when_failed(relay)
        # All that was pressed is captured, and has not left; one answer may have been under way.
        assert relay.delivered <= delivered + 1
        assert relay.waiting >= 5
    finally:
        come_back(bugsink)
    workshop.flush()
    captured = {str(item.event_id) for item in workshop.store.items(type="event")}
    when_arrived(bugsink, captured)
    assert relay.wait(PATIENCE_S), relay.last_error
    # What was under way may have arrived: sent again, it is refused.
    assert relay.dropped - dropped <= 1
    assert Counter(id for id, _ in bugsink.events() if id in captured) == Counter(captured)


def test_the_notebook_sends_there_what_it_says(
    bugsink: Bugsink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_DSN", bugsink.dsn)
    cells = run(read("12_real_sentry.ipynb")).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "0 waiting, 0 dropped" in printed
    named = set(re.findall(r"look for (\w{32})", printed))
    assert len(named) == 2
    assert named <= {id for id, _ in bugsink.events()}


@retry(stop=stop_after_delay(PATIENCE_S), wait=wait_fixed(0.05))
def when_failed(relay: Relay) -> None:
    assert relay.last_error is not None
