"""Faults that are injected into the running system: injected equals observed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from demo_services.faults.split import is_hit
from kit.actionable import WorkshopError
from kit.crashes.crash_type import Assertion
from kit.crashes.expectation import exception_types, is_watchdog
from kit.ingest.store import StoredItem
from kit.provenance.origin import origin
from kit.reading.event import find_value
from kit.reading.payload import exceptions, get_path
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.leases import LESSORS
from kit.reliability.faults.probe import Probe
from kit.reliability.traffic.outcomes import Answer
from kit.views.card import event_card
from kit.workshop import Workshop
from tests.reliability.pace import pace

SPINS, SHARE = 12, 0.4
DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def probe(own_workshop: Workshop) -> Probe:
    """Spins that are sent one by one."""
    return Probe(own_workshop.url())


class FewSpins:
    """Traffic of a few spins, whose answers can be observed."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.callbacks: list[Callable[[Answer], None]] = []

    def observe(self, callback: Callable[[Answer], None]) -> Callable[[], object]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def play(self, count: int) -> None:
        for answer in self._probe.play(count):
            for callback in self.callbacks:
                callback(answer)


def error_events(workshop: Workshop, answers: list[Answer]) -> list[StoredItem]:
    """Return the error events of spins, but not those that only say that the machine is busy."""
    found = [
        item
        for answer in answers
        for item in workshop.store.items(trace_id=answer.trace_id, type="event")
    ]
    return [item for item in found if not is_watchdog(item.payload)]


def fires(workshop: Workshop, probe: Probe, fault: Fault, seed: int) -> tuple[Any, list[Answer]]:
    with workshop.inject(fault.name, share=SHARE, seconds=60, seed=seed) as injection:
        answers = probe.play(SPINS, every_s=pace(fault, SHARE))
        injection.note(answers)
    return injection, answers


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_is_injected_is_observed(own_workshop: Workshop, probe: Probe, fault: Fault) -> None:
    # By ids of traces chance may hit none of 12: 0.6 to the power of 12, once in 500.
    injection, answers = next(
        (injection, answers)
        for injection, answers in (fires(own_workshop, probe, fault, seed) for seed in (7, 8))
        if injection.journal.reconciliation.hits
    )
    journal = injection.journal
    found = journal.reconciliation
    assert found.unexplained == (), str(journal)
    assert found.holds
    computed = [a for a in answers if is_hit(injection.terms.seed, fault.name, a.trace_id, SHARE)]
    assert found.hits == min(len(computed), fault.most_hits or SPINS), str(journal)
    events = error_events(own_workshop, computed)
    if fault.most_hits is None:
        check_errors(fault, len(computed), events)
    check_claims(fault, [item.payload for item in events])


def check_errors(fault: Fault, hits: int, events: list[StoredItem]) -> None:
    """Each hit leaves exactly the error events that the fault declares."""
    for error in fault.errors:
        project = (error.service or fault.service).name
        same = [
            item.payload
            for item in events
            if item.project == project and exception_types(item.payload) == list(error.chain)
        ]
        assert len(same) == hits, error
        for event in same:
            mechanism = get_path(exceptions(event), (-1, "mechanism"))
            assert (mechanism["type"], mechanism["handled"]) == (error.mechanism, error.handled)
            assert event["level"] == error.level
            assert tuple(event.get("fingerprint") or ()) == (error.fingerprint or ())
    assert len(events) == hits * len(fault.errors)


def check_claims(fault: Fault, events: list[Mapping[str, Any]]) -> None:
    """What a fault says of its error events is so."""
    first = [list(error.chain) for error in fault.errors[:1]]
    own = [event for event in events if exception_types(event) in first]
    assert bool(own) == bool(fault.errors)
    for event in own:
        for claim in fault.captured:
            assert find_value(event, claim.path) is not None, claim.path
    for absence in fault.not_captured:
        assert absence.path or absence.asserted is Assertion.NO_EVENT, absence
        if absence.path:
            assert [find_value(event, absence.path) for event in own] == [None] * len(own)
        else:
            assert events == [], absence


@pytest.mark.slow
def test_the_card_names_the_injection_and_where_its_flag_came_from(
    own_workshop: Workshop, probe: Probe
) -> None:
    for name, who, place in (
        ("payment-fails", "our code", "demo_services/payment/src/faults/"),
        ("bad-release", "OpenFeatureIntegration", "sentry_sdk/integrations/openfeature.py"),
    ):
        with own_workshop.inject(name, share=1, seconds=60, seed=7):
            (answer,) = probe.play(1)
        event = next(
            item.payload
            for item in wait_for_events(own_workshop, answer.trace_id)
            if "flags" in item.payload["contexts"]
        )
        assert f"This error was injected by {name} (100 %, seed 7)." in event_card(event)
        found = origin(event, "contexts.flags.values[0].result")
        assert found.who == who
        assert (found.file or "").startswith(place)
        assert "addFeatureFlag" in (found.code or "") or who != "our code"
        released = origin(event, "release")
        is_set_by_hand = (released.file or "").endswith("streaks.py")
        assert is_set_by_hand == (name == "bad-release")


def wait_for_events(workshop: Workshop, trace_id: str) -> list[StoredItem]:
    workshop.store.wait_for(
        trace_id,
        lambda item: item.type == "event" and "flags" in item.payload["contexts"],
        DEADLINE_S,
    )
    return workshop.store.items(trace_id=trace_id, type="event")


@pytest.mark.slow
def test_spins_of_the_learner_are_hit_without_traffic(own_workshop: Workshop) -> None:
    with own_workshop.inject("payment-down", share=1, seconds=60) as injection:
        with pytest.raises(WorkshopError, match="503"):
            own_workshop.spin()
        assert injection.is_on
    assert not injection.is_on
    found = injection.journal.reconciliation
    # How late it was, and that it was refused, the gateway's span says.
    assert (found.hits, found.seen["refused"], found.seen["slow"]) == (1, 1, 1)
    assert found.holds


@pytest.mark.slow
def test_the_traffic_of_the_workshop_is_observed(
    own_workshop: Workshop, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = FewSpins(probe)
    monkeypatch.setattr(own_workshop, "_traffic", traffic, raising=False)
    with own_workshop.inject("payment-slow", share=0.5, seconds=60) as injection:
        traffic.play(4)
    journal = injection.journal
    assert (journal.reconciliation.spins, journal.reconciliation.noun) == (4, "spin")
    injection.close()
    assert traffic.callbacks == []


@pytest.mark.slow
def test_an_injection_that_hits_nothing_says_so(own_workshop: Workshop) -> None:
    injection = own_workshop.inject("clock-skew", share=0.5, seconds=0.5)
    assert injection.wait(DEADLINE_S)
    assert injection.incident.ends_at - injection.incident.starts_at == pytest.approx(0.5, abs=0.4)
    journal = injection.journal
    assert not journal.holds
    assert "off by itself" in str(journal)
    assert "HIT NOTHING" in str(journal)
    assert "HIT NOTHING" in journal._repr_html_()


@pytest.mark.slow
def test_the_same_fault_again_replaces_the_first(own_workshop: Workshop) -> None:
    first = own_workshop.inject("clock-skew", share=0.5, seconds=60, seed=1)
    with own_workshop.inject("clock-skew", share=0.5, seconds=60, seed=2) as second:
        assert first.wait(DEADLINE_S)
        assert "replaced" in str(first.journal)
        assert second.is_on
        row = own_workshop.faults["clock-skew"]
        assert row.lease is not None
        assert (row.lease.seed, row.lease.share) == (2, 0.5)
        assert "on until" in row.state
        assert "on until" in own_workshop.faults._repr_html_()
    assert own_workshop.faults.on == ()
    # Its end ended nothing of what came after it, and a second stop changes nothing.
    first.stop()


@pytest.mark.slow
def test_a_fault_under_another_name_is_in_no_table_until_it_is_revealed(
    own_workshop: Workshop,
) -> None:
    with own_workshop.inject("clock-skew", seconds=60, flag="rollout-1") as injection:
        table = own_workshop.faults
        assert (table.on, table.hidden) == ((), 1)
        assert "clock-skew" not in table.sentence
        injection.reveal()
        assert own_workshop.faults["clock-skew"].lease is not None


@pytest.mark.slow
def test_a_no_op_is_evaluated_by_any_service_and_does_nothing(
    own_workshop: Workshop, probe: Probe
) -> None:
    for service in LESSORS:
        with own_workshop.inject("no-op", 1, seconds=60, service=service.name) as injection:
            answers = probe.play(1)
            injection.note(answers)
        assert (service.name, answers[0].status) == (service.name, 200)
        found = injection.journal.reconciliation
        assert (found.hits, found.unexplained, found.without) == (1, (), 0), service
        assert injection.incident.is_no_op


@pytest.mark.slow
def test_a_lease_ends_when_the_process_that_set_it_is_killed(
    own_workshop: Workshop, probe: Probe
) -> None:
    program = f"""
import os, signal
from demo_services.services import GAME_ENGINE
from kit.frontend.gateway import GatewayClient
from kit.reliability.faults.leases import LeaseClient
leases = LeaseClient(GatewayClient({own_workshop.url()!r}, {own_workshop.token!r}))
leases.begin(GAME_ENGINE, "clock-skew", share=1, seconds=2, seed=7, flag="clock-skew")
print("on", flush=True)
os.kill(os.getpid(), {int(getattr(signal, "SIGKILL", signal.SIGTERM))})
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.stdout.strip(), ended.returncode != 0) == ("on", True), ended.stderr
    assert own_workshop.faults["clock-skew"].lease is not None
    deadline = time.monotonic() + DEADLINE_S
    while own_workshop.faults["clock-skew"].lease is not None and time.monotonic() < deadline:
        probe.play(1)
    last = own_workshop._injector._leases.read(LESSORS[1])[0]
    assert (last.fault, last.ended_by) == ("clock-skew", "lease")
    assert last.ended_at is not None
    assert last.ended_at - last.began_at == pytest.approx(2, abs=1)
    before = last.hits
    probe.play(2)
    assert own_workshop._injector._leases.read(LESSORS[1])[0].hits == before
