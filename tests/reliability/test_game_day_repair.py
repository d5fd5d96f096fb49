"""The runbooks of a game day: which alert they know, and what the desk shows of a responder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from kit.reliability.game_day.repair import ResponderDesk, flag_runbooks
from kit.reliability.remediation.ladder import RepairLevel
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import Action
from kit.reliability.traffic.outcomes import Answer, Outcomes
from tests.reliability.drills import Clock

FLAG = "rollout-d764c3"


@dataclass
class MadeUpAlert:
    project: str
    flags: tuple[str, ...] = (FLAG,)
    issue_id: str = "1"
    rule: str = "Errors pile up"
    title: str = "KeyError: 'p1'"

    @property
    def event(self) -> Mapping[str, Any]:
        values = [{"flag": flag, "result": True} for flag in self.flags]
        return {"project": self.project, "contexts": {"flags": {"values": values}}}


class MadeUpTime(Clock):
    """The clock of a responder: sleeping moves it on."""

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Service:
    """A service that fails while its flag is on."""

    def __init__(self, level: RepairLevel) -> None:
        self.on, self.done = {FLAG: "payment"}, list[str]()
        self.clock, outcomes = MadeUpTime(), Outcomes()
        for second in range(60):
            due = self.clock.seconds + second
            outcomes.add(Answer(due, "0" * 32, "spin", "p1", 200, 0.1, "good"))
        runbooks = flag_runbooks(
            self.make_action,
            lambda flag, service: self.on.get(flag) == service,
            lambda: outcomes,
            level,
            seconds=60,
        )
        targets = [runbook.action.target for runbook in runbooks]
        self.responder = Responder(runbooks, targets=targets, clock=self.clock)
        self.desk = ResponderDesk(self.responder)

    def make_action(self, flag: str) -> Action:
        return Action(f"turn off {flag}", self.on[flag], lambda: self.do(flag))

    def do(self, flag: str) -> None:
        self.done.append(flag)
        del self.on[flag]

    def take(self, *alerts: MadeUpAlert) -> None:
        for alert in alerts:
            self.responder.on_alert(alert)
        self.responder.work()


def test_the_flag_that_the_failing_event_has_is_turned_off() -> None:
    service = Service("auto")
    service.take(MadeUpAlert("payment"))
    assert service.done == [FLAG]
    [note] = service.desk.notes()
    assert (note.state, note.is_action) == ("good", True)
    assert "did turn the flag off" in note.text


@pytest.mark.parametrize(
    "alert",
    [
        MadeUpAlert("payment", flags=()),
        MadeUpAlert("payment", flags=("bad-release",)),  # not one of the game day
        MadeUpAlert("game-engine"),  # another service has it
        MadeUpAlert("payment", flags=("rollout-unknown",)),
    ],
)
def test_what_is_not_a_flag_of_that_service_is_left_alone(alert: MadeUpAlert) -> None:
    service = Service("auto")
    service.take(alert)
    assert service.done == []
    [note] = service.desk.notes()
    assert (note.state in ("", "bad"), note.is_action) == (True, False)


def test_it_asks_and_does_what_is_approved() -> None:
    service = Service("ask")
    service.take(MadeUpAlert("payment"))
    [ask] = service.desk.asks()
    assert ask.text == "turn the flag off in payment, for KeyError: 'p1'"
    assert service.done == []
    service.desk.approve(ask.id)
    service.responder.work()
    assert service.done == [FLAG]
    assert service.desk.asks() == []


def test_nothing_is_done_after_the_kill_switch_or_a_no() -> None:
    service = Service("ask")
    service.take(MadeUpAlert("payment"))
    service.desk.deny(service.desk.asks()[0].id)
    service.desk.kill()
    service.take(MadeUpAlert("payment", issue_id="2"))
    assert service.done == []


def test_an_unknown_error_is_one_line_however_often_it_comes() -> None:
    service = Service("auto")
    service.take(*[MadeUpAlert("gateway", flags=()) for _ in range(20)])
    assert len(service.desk.notes()) == 1
