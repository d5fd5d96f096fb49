"""What was decided about a service: its events say so for a while, in each framework."""

import time
import uuid
from typing import Any

import pytest

from demo_services.refused import Refused
from demo_services.remediation.decisions import KEPT, Decisions
from demo_services.remediation.shedding import Shedding
from demo_services.services import ROUTED, SERVICES
from kit.workshop import Workshop
from tests.waiting import wait_until

from .test_faults import CRASHES, Player

pytestmark = [pytest.mark.system, pytest.mark.slow]
WAIT_S = 30


def path_of(service: str) -> str:
    prefix = SERVICES[service].prefix
    return f"/api/v1/{prefix}/debug/decisions" if prefix else "/debug/decisions"


@pytest.fixture(scope="module")
def player(workshop: Workshop) -> Player:
    return Player(workshop)


def ask(player: Player, method: str, service: str, **options: Any) -> dict[str, Any]:
    answer = player.call(path_of(service), uuid.uuid4().hex, method, **options)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def crash(player: Player, service: str) -> dict[str, Any]:
    """Crash a service; return its error event."""
    trace = uuid.uuid4().hex
    player.call(CRASHES[service], trace, "GET")
    return player.event(trace, service)


def crumbs(event: dict[str, Any]) -> list[str]:
    found = event["breadcrumbs"]
    values = found["values"] if isinstance(found, dict) else found
    return [each["message"] for each in values if each.get("category") == "remediation"]


def test_each_service_has_the_route() -> None:
    assert set(CRASHES) == {"gateway", *(service.name for service in ROUTED.values())}


@pytest.mark.parametrize("service", CRASHES)
def test_the_next_events_tell_of_decisions_until_their_time_is_up(
    player: Player, service: str
) -> None:
    noted = [
        ask(player, "POST", service, json={"decision": text, "seconds": seconds})
        for text, seconds in (("restart payment", 60), ("restart payment: proved", 60))
    ]
    assert ask(player, "GET", service)["decisions"] == noted
    event = crash(player, service)
    assert event["tags"]["remediation"] == "restart payment: proved"
    assert crumbs(event) == ["restart payment", "restart payment: proved"]
    assert ask(player, "DELETE", service)["ended"] == noted
    ask(player, "POST", service, json={"decision": "turn off a-flag", "seconds": 0.1})
    wait_until(lambda: ask(player, "GET", service)["decisions"] == [], WAIT_S)
    event = crash(player, service)
    assert "remediation" not in event["tags"]
    assert crumbs(event) == []


@pytest.mark.parametrize("service", CRASHES)
@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "", "seconds": 1},
        {"decision": "x" * 201, "seconds": 1},
        {"decision": "a\nb", "seconds": 1},
        {"decision": 7, "seconds": 1},
        {"decision": "x", "seconds": 601},
        {"decision": "x", "seconds": 0},
        {"decision": "x"},
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused_alike(
    player: Player, service: str, wrong: dict[str, Any]
) -> None:
    answer = player.call(path_of(service), uuid.uuid4().hex, json=wrong)
    assert (answer.status_code, answer.json()["error"]) == (422, "out-of-bounds")


def test_only_the_last_decisions_are_kept() -> None:
    decisions = Decisions()
    for number in range(KEPT + 5):
        decisions.note({"decision": f"number {number}", "seconds": 60})
    kept = [each["decision"] for each in decisions.states()]
    assert kept == [f"number {number}" for number in range(5, KEPT + 5)]


# Load that is turned away


def test_without_shedding_all_are_admitted() -> None:
    shedding = Shedding()
    for _ in range(10):
        shedding.admit()
    assert shedding.state() == {"share": 0.0, "until": None, "refused": 0}


def test_shedding_ends_by_itself() -> None:
    shedding = Shedding()
    shedding.begin({"share": 1, "seconds": 0.05})
    with pytest.raises(Refused, match="100%") as refused:
        shedding.admit()
    assert (refused.value.status, refused.value.error) == (503, "shed")
    wait_until(lambda: shedding.state()["share"] == 0, WAIT_S)
    shedding.admit()


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 2}, {"share": "all"}, {"seconds": 0}])
def test_shedding_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        Shedding().begin({"share": 0.5, "seconds": 1, **wrong})


def test_the_gateway_turns_a_share_of_the_requests_away(player: Player) -> None:
    order = {"share": 0.5, "seconds": 60}
    player.call("/debug/shedding", uuid.uuid4().hex, json=order).raise_for_status()
    began = time.perf_counter()
    answers = [player.spin(uuid.uuid4().hex) for _ in range(20)]
    ended = player.call("/debug/shedding", uuid.uuid4().hex, "DELETE").json()["ended"]
    shed = [each for each in answers if each.status == 503]
    # 20 requests at one half: outside of these bounds once in 3,000 times.
    assert 3 <= len(shed) <= 17, time.perf_counter() - began
    assert ended["refused"] == len(shed)
    assert {each.result["error"] for each in shed} == {"shed"}
    assert {each.status for each in answers} == {200, 503}
    assert player.spin(uuid.uuid4().hex).status == 200
