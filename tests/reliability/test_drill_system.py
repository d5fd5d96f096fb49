"""A drill on the real system: real traffic, a real fault, a real restart."""

import threading
import time
from functools import partial

import pytest

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT, Service
from kit.reliability.drill.drill import Drill
from kit.reliability.drill.environment import fail_naturally, play_probe, restart_server
from kit.reliability.drill.scenario import NATURAL_ERRORS, NaturalError
from kit.workshop import Workshop
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

# It ends with the last right answer, much earlier.
MINUTES = 3.0
# Draws payment-fails: a quarter of the spins are refused.
SEED = 10


@pytest.fixture(scope="module")
def workshop(own_workshop: Workshop) -> Workshop:
    """Services of its own: one is restarted."""
    return own_workshop


wait_for = partial(wait_until, seconds=20.0)


def threads_of_drills() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("drill", "traffic"))]


def flags_of_errors(workshop: Workshop, since: float) -> list[dict[str, bool]]:
    """Return the flags on each error event of the payment service."""
    workshop.flush()
    items = workshop.store.items(type="event", project=PAYMENT.name)
    return [
        {each["flag"]: each["result"] for each in item.payload["contexts"]["flags"]["values"]}
        for item in items
        if item.received_at > since and "flags" in item.payload.get("contexts", {})
    ]


def test_a_drill_is_played_on_the_real_system(workshop: Workshop) -> None:
    began = time.time()
    drill = workshop.drill(SEED, MINUTES, rate=2)
    truth = drill.truth_for_judges()
    assert truth.fault == "payment-fails"
    drill.start()
    wait_for(lambda: drill.budget.spent >= 2, seconds=60)
    assert drill.detected()
    assert not drill.localised("gateway")
    assert drill.localised(PAYMENT.name)
    wait_for(lambda: flags_of_errors(workshop, began))
    hit = flags_of_errors(workshop, began)
    # The incident's flag is on each of them, and that of the decoy of the same service, too.
    assert all(flags[truth.flag] for flags in hit)
    assert set().union(*hit) >= {truth.flag, truth.decoys[0].flag}
    assert not {"payment-fails", "no-op"} & set().union(*hit)
    pid = workshop._system.payment.pid
    restarted = drill.mitigate(restart=PAYMENT.name)
    assert workshop._system.payment.pid != pid
    assert not restarted.is_over
    assert drill.diagnosed(truth.cause)
    assert drill.mitigate(turn_off=truth.flag).is_steady
    assert_all_is_over(drill, workshop)
    wait_for(lambda: not threads_of_drills())


def assert_all_is_over(drill: Drill, workshop: Workshop) -> None:
    assert drill.state == "over"
    verdict = drill.verdict
    times = [verdict.seconds(phase.name) for phase in drill.phases]
    assert None not in times
    assert 0 < verdict.impact.players <= verdict.impact.failed
    assert verdict.budget.spent >= verdict.impact.failed
    gateway = workshop._gateway
    for prefix in ("payment/", "game/", "analytics/", ""):
        path = f"/api/v1/{prefix}debug/faults" if prefix else "/debug/faults"
        assert gateway.request("GET", path).json()["faults"] == []
    [row] = workshop.drill_board().rows
    assert row.result == drill.result
    assert workshop.progress().as_json()["drills"] == [drill.result.as_json()]
    assert "Post-mortem" in str(drill.postmortem())


@pytest.mark.parametrize(
    "service", [GATEWAY, GAME_ENGINE, ANALYTICS, PAYMENT], ids=lambda s: s.name
)
def test_a_service_that_was_restarted_works_where_it_did(
    workshop: Workshop, service: Service
) -> None:
    server = workshop._system.servers[service.name]
    before, starts = server.url, server.start_count
    restart_server(workshop._system.servers, service.name)
    assert server.start_count == starts + 1
    assert server.url == before
    wait_for(lambda: play_probe(workshop._gateway))


@pytest.mark.parametrize(("crash_id", "variant"), NATURAL_ERRORS)
def test_a_natural_error_is_captured(workshop: Workshop, crash_id: str, variant: str) -> None:
    project = crash_id.partition("/")[0]
    before = len(workshop.store.items(type="event", project=project))
    fail_naturally(workshop._gateway, NaturalError(0, crash_id, variant))
    workshop.flush()
    wait_for(lambda: len(workshop.store.items(type="event", project=project)) > before)


def test_a_drill_ends_with_the_workshop(workshop: Workshop) -> None:
    drill = workshop.drill(SEED, MINUTES).start()
    workshop.drill(SEED)
    assert drill.state == "over"
    last = workshop.drill(SEED, MINUTES).start()
    workshop.stop()
    assert last.state == "over"
    wait_for(lambda: not threads_of_drills())
