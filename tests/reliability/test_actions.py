"""The actions of runbooks: unknown targets are refused, and each does what it says."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT
from kit.actionable import WorkshopError
from kit.reliability.faults.leases import LeaseClient
from kit.reliability.remediation.actions import LiveActions, UnknownTarget
from kit.reliability.remediation.controls import ServiceControls
from kit.reliability.remediation.journal import Decision, DecisionStep
from kit.reliability.remediation.runbook import Action
from kit.workshop import Workshop
from tests.memory import resident_mb
from tests.waiting import wait_until

wait_for = partial(wait_until, seconds=20.0)


class NoLeases:
    """No service has a flag that is on."""

    def read_all(self) -> list[Any]:
        return [(GATEWAY, WorkshopError("it does not answer")), (PAYMENT, ())]


class Controls:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []
        self.is_down = False

    def note_decision(self, service: Any, decision: str, seconds: float) -> None:
        if self.is_down:
            raise WorkshopError("it does not answer")
        self.noted.append((service.name, decision))

    def end_shedding(self) -> None:
        raise AssertionError("nothing was shed")


def make_actions(controls: Controls | None = None) -> LiveActions:
    def restart(name: str) -> None:
        raise AssertionError(f"{name} was restarted")

    return LiveActions(
        cast(LeaseClient, NoLeases()), cast(ServiceControls, controls or Controls()), restart
    )


MAKERS: list[tuple[str, str]] = [
    ("turn_off", "payment-fails"),
    ("roll_back", "game-engine"),
    ("restart", "payment, game-engine, analytics"),
    ("stop_leak", "game-engine"),
    ("open_breaker", "payment, analytics"),
    ("arm_breaker", "payment, analytics"),
]


@pytest.mark.parametrize("target", ["", " ", "*", "all", "bank", "gateway"])
@pytest.mark.parametrize("maker", [name for name, _ in MAKERS])
def test_an_unknown_target_is_refused_when_the_action_is_made(maker: str, target: str) -> None:
    with pytest.raises(UnknownTarget, match=r"is not a .+ Available:"):
        getattr(make_actions(), maker)(target)


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_load_is_shed_in_bounds_only(share: float) -> None:
    with pytest.raises(WorkshopError, match="at most 1"):
        make_actions().shed_load(share)


def test_an_action_names_the_one_service_that_it_touches() -> None:
    actions = make_actions()
    made = [
        actions.turn_off("mongo-down"),
        actions.roll_back("game-engine"),
        actions.restart("payment"),
        actions.stop_leak("game-engine"),
        actions.open_breaker("payment"),
        actions.shed_load(0.25),
    ]
    assert [(each.name, each.target, each.undo is not None) for each in made] == [
        ("turn off mongo-down", ANALYTICS.name, True),
        ("roll back game-engine", GAME_ENGINE.name, True),
        ("restart payment", PAYMENT.name, False),
        ("stop the leak in game-engine", GAME_ENGINE.name, False),
        ("open the breaker of payment", GAME_ENGINE.name, True),
        ("shed 25% of the load", GATEWAY.name, True),
    ]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("did", "restart payment"),
        ("proved", "restart payment: proved"),
        ("refused", "restart payment: refused"),
        ("escalated", None),
        ("alert", None),
        ("precondition", None),
    ],
)
def test_decisions_that_concern_a_service_are_told_to_it(
    step: DecisionStep, told: str | None
) -> None:
    controls = Controls()
    make_actions(controls).tell(decided(step))
    assert controls.noted == ([("payment", told)] if told else [])


def test_a_service_that_does_not_answer_stops_no_repair() -> None:
    controls = Controls()
    controls.is_down = True
    make_actions(controls).tell(decided("did"))
    make_actions(controls).tell(decided("did", target="bank"))
    make_actions(controls).tell(decided("escalated", target=""))


def decided(step: DecisionStep, target: str = "payment") -> Decision:
    return Decision(0.0, 1, step, step, "1", "payment-failed", "restart payment", target)


# On the running system


@pytest.fixture(scope="module")
def workshop(own_workshop: Workshop) -> Workshop:
    """Services of its own: one is restarted."""
    return own_workshop


@pytest.fixture
def actions(workshop: Workshop) -> LiveActions:
    return workshop.actions


def spin(workshop: Workshop) -> tuple[int, str]:
    answer = workshop._gateway.spin(f"p{uuid.uuid4().hex[:8]}", 1)
    return answer.status_code, answer.json().get("error", "")


def undo(action: Action) -> None:
    assert action.undo is not None
    action.undo()


FLAGS: list[tuple[str, Callable[[LiveActions], Action], tuple[int, str]]] = [
    ("payment-fails", lambda actions: actions.turn_off("payment-fails"), (503, "payment-failed")),
    ("bad-release", lambda actions: actions.roll_back("game-engine"), (500, "internal-error")),
]


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize(("fault", "make", "bad"), FLAGS, ids=[each[0] for each in FLAGS])
def test_a_flag_is_turned_off_and_on_again(
    workshop: Workshop,
    actions: LiveActions,
    fault: str,
    make: Callable[[LiveActions], Action],
    bad: tuple[int, str],
) -> None:
    action = make(actions)
    with workshop.inject(fault, share=1, seconds=120, seed=7) as injection:
        assert spin(workshop) == bad
        action.do()
        assert spin(workshop) == (200, "")
        assert workshop.faults[fault].lease is None
        undo(action)
        assert spin(workshop) == bad
        lease = workshop.faults[fault].lease
        assert lease is not None
        # For what was left of its time, not for as long again.
        assert lease.until == pytest.approx(injection._state.began_at + 120, abs=2)
        undo(action)  # a second one changes nothing
        action.do()
        action.do()
        assert spin(workshop) == (200, "")


@pytest.mark.slow
@pytest.mark.system
def test_a_flag_of_any_name_is_found_while_it_is_on(
    workshop: Workshop, actions: LiveActions
) -> None:
    with workshop.inject("bad-release", share=1, seconds=60, seed=7, flag="fast-charge"):
        assert spin(workshop)[0] == 500
        action = actions.turn_off("fast-charge")
        assert action.target == GAME_ENGINE.name
        action.do()
        assert spin(workshop) == (200, "")
    with pytest.raises(UnknownTarget, match="fast-charge"):
        actions.turn_off("fast-charge")


@pytest.mark.slow
@pytest.mark.system
def test_payment_is_restarted_and_its_next_event_tells_of_it(
    workshop: Workshop, actions: LiveActions
) -> None:
    pid = workshop._system.payment.pid
    action = actions.restart("payment")
    action.do()
    assert workshop._system.payment.pid != pid
    assert spin(workshop) == (200, "")
    actions.tell(decided("did"))
    told = workshop.trigger("payment/error", type="type").event
    assert told["tags"]["remediation"] == "restart payment"
    assert "restart payment" in [each["message"] for each in told["breadcrumbs"]]


@pytest.mark.slow
@pytest.mark.system
def test_a_breaker_is_opened_and_closed(workshop: Workshop, actions: LiveActions) -> None:
    action = actions.open_breaker("payment", seconds=60, pause_s=60)
    action.do()
    try:
        began = time.monotonic()
        assert spin(workshop) == (503, "payment-paused")
        assert time.monotonic() - began < 2
    finally:
        undo(action)
    assert spin(workshop) == (200, "")


@pytest.mark.slow
@pytest.mark.system
def test_a_leak_is_stopped_and_its_memory_is_free(workshop: Workshop, actions: LiveActions) -> None:
    with workshop.inject("engine-leaks", share=1, seconds=120, seed=7):
        assert spin(workshop) == (200, "")
        before_mb = resident_mb()
        for _ in range(30):
            spin(workshop)
        grown_mb = resident_mb() - before_mb
        assert grown_mb > 40
        actions.stop_leak("game-engine").do()
        wait_for(lambda: resident_mb() - before_mb < grown_mb / 2)
        assert spin(workshop) == (200, "")


@pytest.mark.slow
@pytest.mark.system
def test_load_is_shed_and_admitted_again(workshop: Workshop, actions: LiveActions) -> None:
    action = actions.shed_load(1.0, seconds=60)
    action.do()
    try:
        assert spin(workshop) == (503, "shed")
    finally:
        undo(action)
    assert spin(workshop) == (200, "")
