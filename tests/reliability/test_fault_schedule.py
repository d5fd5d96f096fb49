"""A schedule runs by its plan, ends when it is told to, and keeps its secret."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from kit.actionable import WorkshopError
from kit.provenance.injections import INJECTIONS
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.incident import Incident
from kit.reliability.faults.injection import Injection, InjectionTerms
from kit.reliability.faults.plan import FaultPlan
from kit.reliability.faults.schedule import Schedule

INCIDENTS = (
    Incident("mongo-slow", 0.05, 0.15, 0.25, 3),
    Incident(None, 0.2, 0.3, 0.5, 4),
    Incident("ledger-down", 0.3, 0.4, 0.5, 5),
)
SECRETS = ("mongo-slow", "ledger-down", "no-op", "0.25", "25 %")


class Injected:
    """An injection that was made."""

    def __init__(self, fault: Fault, terms: InjectionTerms) -> None:
        self.fault, self.terms = fault, terms
        self.is_on = True

    def end_quietly(self) -> None:
        self.is_on = False


class Scene:
    """Takes injections, and refuses the fault called ``refused``."""

    def __init__(self) -> None:
        self.made: list[Injected] = []
        self.changed = threading.Condition()
        self.refused = ""

    def begin(self, fault: Fault, terms: InjectionTerms) -> Injection:
        if fault.name == self.refused:
            raise WorkshopError("It is not there.")
        with self.changed:
            self.made.append(Injected(fault, terms))
            self.changed.notify_all()
        return cast("Injection", self.made[-1])

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.made) >= count, 10)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def schedule(scene: Scene) -> Iterator[Schedule]:
    schedule = Schedule(FaultPlan(2026, 0.5, INCIDENTS), scene.begin)
    yield schedule
    schedule.stop()


def shown(schedule: Schedule) -> str:
    return f"{schedule!r} {schedule._repr_html_()}".replace("no-ops included", "")


def test_it_injects_all_in_their_order(scene: Scene, schedule: Schedule) -> None:
    schedule.start()
    assert schedule.wait(10)
    assert [each.fault.name for each in scene.made] == ["mongo-slow", "no-op", "ledger-down"]
    assert [each.terms.share for each in scene.made] == [0.25, 0.5, 0.5]
    assert [each.terms.seed for each in scene.made] == [3, 4, 5]
    assert not any(each.is_on for each in scene.made)
    assert schedule.state == "ended"
    assert schedule.began_at is not None


def test_nothing_shows_what_it_is_before_it_is_revealed(scene: Scene, schedule: Schedule) -> None:
    with schedule.running():
        scene.wait_for(1)
        flag = scene.made[0].terms
        assert flag.is_hidden
        assert not any(secret in flag.flag for secret in SECRETS)
        assert [secret for secret in SECRETS if secret in shown(schedule)] == []
        with pytest.raises(WorkshopError, match="reveal"):
            _ = schedule.injections
    assert schedule.truth_for_judges() == INCIDENTS
    assert [secret for secret in SECRETS if secret in shown(schedule)] == []
    assert schedule.reveal() == INCIDENTS
    assert "mongo-slow" in repr(schedule)
    assert "mongo-slow" in schedule._repr_html_()
    assert schedule.injections == tuple(cast("Any", scene.made))


def test_revealing_it_names_its_flags_on_cards(scene: Scene, schedule: Schedule) -> None:
    from kit.provenance.injections import KnownInjection

    schedule.start()
    assert schedule.wait(10)
    flag = scene.made[0].terms.flag
    INJECTIONS.remember(KnownInjection("mongo-slow", flag, 1.0, 3, 0.0, 1e12, is_hidden=True))
    assert flag in INJECTIONS.hidden_flags()
    schedule.reveal()
    assert flag not in INJECTIONS.hidden_flags()


def test_stopping_ends_what_is_on_and_injects_nothing_more(scene: Scene) -> None:
    late = (Incident("mongo-slow", 0.0, 500.0), Incident("ledger-down", 510.0, 600.0))
    schedule = Schedule(FaultPlan(1, 600.0, late), scene.begin).start()
    scene.wait_for(1)
    schedule.stop()
    assert schedule.state == "ended"
    assert [each.is_on for each in scene.made] == [False]


def test_what_cannot_be_injected_is_told_once_it_is_revealed(
    scene: Scene, schedule: Schedule
) -> None:
    scene.refused = "mongo-slow"
    schedule.start()
    assert schedule.wait(10)
    assert len(scene.made) == 2
    schedule.reveal()
    assert "not injected: It is not there." in repr(schedule)


def test_it_runs_once(schedule: Schedule) -> None:
    schedule.start()
    with pytest.raises(WorkshopError, match="seed=2026"):
        schedule.start()
