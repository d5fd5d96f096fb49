"""The slot machine of a system that fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit import Workshop
from kit.crashes.expectation import CONTEXT_FIELDS, context_fields, exception_types
from kit.frontend.hook import is_reported
from kit.frontend.slot_machine import SpinFailed, describe_spin
from tests.frontend.slots import DEADLINE_S, autoplay_ended, errors, last_trace, shown
from tests.ports import default_ports_taken


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop for one test, which may break its services.

    They get ports that no other workshop wants: where one is stopped nobody else answers.
    """
    with default_ports_taken(), Workshop.start(home=tmp_path, report=lambda line: None) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.frontend.slot_machine.AUTOPLAY_EVERY_S", 0.01)


def test_a_spin_that_failed_upstream_is_reported_in_its_trace(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="grace")
    before = slots.spin()
    workshop._system.servers["game-engine"].stop()
    with pytest.raises(SpinFailed, match="HTTP 502") as raised:
        slots.spin()
    # When it leaves a cell the hook need not report it again.
    assert is_reported(raised.value)
    (item,) = errors(workshop)
    event = item.payload
    assert event["contexts"]["trace"]["trace_id"] == last_trace(slots)
    assert exception_types(event) == ["SpinFailed"]
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is True
    assert event["fingerprint"] == ["frontend", "spin-failed", "bad-gateway"]
    assert event["level"] == "error"
    assert event["user"]["username"] == "grace"
    assert event["tags"]["upstream.status"] == 502
    assert event["contexts"]["upstream"]["path"] == "/api/v1/game/spin"
    assert event["contexts"]["spin"]["bet"] == 10
    assert event["contexts"]["slot_machine"]["balance"] == before["balance"]
    assert {"jupyter", "process"} <= set(event["contexts"])
    assert context_fields(event) >= CONTEXT_FIELDS
    crumbs = [crumb.get("message", crumb["category"]) for crumb in event["breadcrumbs"]["values"]]
    assert crumbs == [f"earlier: {describe_spin(before)}", "grace bets 10", "httplib"]
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert {frame["module"] for frame in frames if frame["in_app"]} == {"kit.frontend.slot_machine"}


def test_it_says_what_failed_and_plays_on(workshop: Workshop) -> None:
    slots = workshop.slot_machine()
    engine = workshop._system.servers["game-engine"]
    engine.stop()
    with pytest.raises(SpinFailed):
        slots.spin()
    assert "The spin failed. Balance – Spins 1 Failed 1" in shown(slots)
    failed = last_trace(slots)
    engine.wanted_port = engine.port
    engine.launch()
    engine.wait(DEADLINE_S)
    slots.spin()
    assert "Spins 2 Failed 1" in shown(slots)
    assert "HTTP 502 Bad Gateway. The service game-engine cannot be reached." in shown(slots)
    assert f"Sentry has it as SpinFailed , in the trace {failed[:8]} ." in shown(slots)


def test_no_answer_is_a_failure_of_its_own_kind(workshop: Workshop) -> None:
    slots = workshop.slot_machine()
    workshop._system.servers["gateway"].stop()
    with pytest.raises(SpinFailed, match="got no answer: ConnectError"):
        slots.spin()
    (item,) = errors(workshop)
    assert item.payload["fingerprint"] == ["frontend", "spin-failed", "no-answer"]
    assert exception_types(item.payload)[:2] == ["SpinFailed", "WorkshopError"]


@pytest.mark.usefixtures("quick")
def test_autoplay_ends_with_the_workshop(workshop: Workshop) -> None:
    slots = workshop.slot_machine(player="auto", bet=1)
    slots.autoplay.value = True
    workshop.stop()
    assert autoplay_ended(slots)


def test_after_the_workshop_it_says_what_to_do(workshop: Workshop) -> None:
    slots = workshop.slot_machine()
    workshop.stop()
    with pytest.raises(SpinFailed, match=r"Workshop.start\(\)"):
        slots.spin()
