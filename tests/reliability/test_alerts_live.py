"""Rules while events arrive: they say the same as afterwards, and what fires is sent."""

import random
import threading
import time
from collections.abc import Iterator

import pytest

from kit.ingest.store import Store
from kit.reliability.alerts.firings import Firings
from kit.reliability.alerts.live import AlertRules, LiveAlerts, incidents_of
from kit.reliability.alerts.patterns import ALERT_PATTERNS
from kit.reliability.alerts.rule import make_rule
from kit.reliability.alerts.webhooks.receiver import AlertReceiver
from kit.reliability.alerts.webhooks.webhook import Webhook
from kit.reliability.faults.incident import Incident
from kit.workshop import Workshop
from tests.ingest.sending import PATIENCE_S, body, item, new_id, received

SEEDS = range(20)
RULES = [
    *(each.rule for each in ALERT_PATTERNS),
    make_rule("new issue"),
    make_rule("every event", "users > 2 in 5m", throttle="10m"),
    make_rule("every event", "events > 50% in 5m vs 5m ago"),
]


def envelope(chance: random.Random) -> bytes:
    """Return an envelope with an error event of some issue, some user and some release."""
    event = {
        "event_id": new_id(),
        "level": chance.choice(["fatal", "error", "warning"]),
        "message": chance.choice(["no coins", "no reels", "late"]),
        "release": chance.choice("12"),
        "environment": chance.choice(["production", "staging"]),
        "user": {"id": chance.randrange(5)},
    }
    return body(item("event", event), item("transaction", {}))


def send(store: Store, seed: int, events: int = 40) -> None:
    """Store events over the last hours, some at once, some of them twice."""
    chance, at = random.Random(seed), time.time() - 40_000
    batch = []
    for _ in range(events):
        at += chance.choice([0.0, 1.0, 100.0, 700.0, 2000.0])
        batch += [received(envelope(chance), project="payment", at=at)] * chance.choice([1, 1, 2])
        if chance.random() < 0.3:
            store.write(batch)
            batch = []
    store.write(batch)


def told(firings: Firings) -> list[tuple[object, ...]]:
    return [(each.at, each.rule, each.issue, each.event_id, each.actions) for each in firings]


@pytest.mark.parametrize("seed", SEEDS)
def test_live_is_as_afterwards(store: Store, seed: int) -> None:
    with LiveAlerts(RULES, store, None) as live:
        send(store, seed)
    afterwards = AlertRules(RULES, store).would_have_fired()
    assert afterwards
    assert told(live.firings) == told(afterwards)
    assert live.firings.held_back == afterwards.held_back
    assert not live.is_running


def test_what_was_stored_before_is_history(store: Store) -> None:
    send(store, 1)
    before = time.time()
    with LiveAlerts([make_rule("new issue")], store, None) as live:
        store.write([received(body(item("event", {"message": "no coins"})), project="payment")])
        store.write([received(body(item("event", {"message": "another"})), project="payment")])
    assert [each.title for each in live.firings] == ["another"]
    again = AlertRules([make_rule("new issue")], store).would_have_fired(since=before)
    assert told(again) == told(live.firings)


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver()
    receiver.launch().wait()
    yield receiver
    receiver.stop()


def test_what_fires_is_sent_to_the_receiver(store: Store, receiver: AlertReceiver) -> None:
    rules = AlertRules([make_rule("new issue"), make_rule("every event", throttle="1h")], store)
    with rules.live(receiver) as live:
        send(store, 3, events=12)
        fired = len(rules.would_have_fired())
        arrived = receiver.wait_for_alerts(fired, PATIENCE_S)
    assert [each.rule for each in arrived] == [each.rule.name for each in live.firings]
    assert [each.event["event_id"] for each in arrived] == [e.event_id for e in live.firings]
    assert all(each.is_accepted for each in live.deliveries)
    assert len(live.deliveries) == fired


def test_a_receiver_that_is_not_there_stops_no_rule(store: Store) -> None:
    live = LiveAlerts([make_rule("every event")], store, Webhook("http://127.0.0.1:9/", "s"))
    with live:
        send(store, 4, events=3)
    assert len(live.firings) >= 3
    assert [each.status for each in live.deliveries] == [None] * len(live.firings)


def test_rules_end_with_the_store(store: Store) -> None:
    running = set(threading.enumerate())
    live = LiveAlerts(RULES, store, None).start()
    assert live.is_running
    store.close()
    deadline = time.monotonic() + PATIENCE_S
    for thread in set(threading.enumerate()) - running:
        thread.join(max(deadline - time.monotonic(), 0))
    assert not live.is_running
    assert set(threading.enumerate()) <= running
    live.stop()


class Planned:
    """A schedule that began at a time."""

    began_at = 1000.0

    def reveal(self) -> tuple[Incident, ...]:
        return (Incident("payment-fails", 5, 10, 0.5, 7),)


def test_a_schedule_is_revealed_in_seconds_since_the_epoch() -> None:
    assert incidents_of(Planned()) == [Incident("payment-fails", 1005, 1010, 0.5, 7)]
    assert incidents_of([Incident(None, 1, 2)]) == [Incident(None, 1, 2)]


def test_only_the_time_of_the_incidents_is_judged(store: Store) -> None:
    start = time.time() - 300
    for after in (-50, 4, 5, 250):
        sent = body(item("event", {"event_id": new_id(), "message": f"m{after}"}))
        store.write([received(sent, project="payment", at=start + after)])
    rules = AlertRules([make_rule("new issue")], store)
    judged = rules.judge([Incident("payment-fails", start, start + 60)])
    assert (judged.pages, judged.recall, judged.noise_per_hour) == (1, 1.0, 0)
    assert judged.delay == pytest.approx(4)


@pytest.mark.slow
@pytest.mark.system
def test_a_crash_of_the_workshop_arrives_as_a_webhook(own_workshop: Workshop) -> None:
    heard: list[str] = []
    receiver = own_workshop.receiver(lambda alert: heard.append(alert.title))
    rule = own_workshop.alert("new issue", "level >= error", name="Something new")
    with own_workshop.alerts(rule).live(receiver) as live:
        outcome = own_workshop.trigger("gateway/panic")
        (alert,) = receiver.wait_for_alerts(1, PATIENCE_S)
    assert outcome.event is not None
    assert alert.event["event_id"] == outcome.event["event_id"]
    (firing,) = live.firings
    assert firing.event == outcome.event
    assert firing.title == alert.title
    again = own_workshop.receiver()
    assert not receiver.is_running
    assert again.is_running
    own_workshop.stop()
    assert heard == [alert.title]
    assert not again.is_running
    assert not live.is_running
