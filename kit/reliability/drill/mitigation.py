"""A learner's actions against an incident: real, and followed by a steady-state check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from kit.reliability.drill.environment import DrillEnvironment, InjectedFault
from kit.reliability.drill.phases import DrillError
from kit.reliability.drill.scenario import (
    CURED_BY_RESTART,
    CURED_BY_ROLL_BACK,
    NO_OP,
    SERVICES,
    Decoy,
    Scenario,
)

# This many good spins in a row are a steady state; the check gives up after the second number.
PROBES, MOST_PROBES = 5, 20
MitigationAction = Literal["turn off", "restart", "roll back"]


@dataclass(frozen=True)
class Mitigation:
    """What was done, and whether the system was healthy afterwards.

    ``good`` of ``probes`` spins after it were good. ``is_over`` says whether the incident is over;
    ``is_steady`` that it is, and that every spin was good in the end.
    """

    action: MitigationAction
    target: str
    is_over: bool
    is_steady: bool
    good: int
    probes: int

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        found = f"{self.good} of {self.probes} spins good afterwards"
        if self.is_steady:
            return f"{describe_action(self.action, self.target)}: {found}. It is mitigated."
        if self.is_over:
            return f"{describe_action(self.action, self.target)}: {found}. Not steady yet."
        return f"{describe_action(self.action, self.target)}: {found}. The incident goes on."


def describe_action(action: MitigationAction, target: str) -> str:
    """Return an action in words."""
    named = {
        "turn off": f"Flag {target} turned off",
        "restart": f"{target} restarted",
        "roll back": f"{target} rolled back",
    }
    return named[action]


def one_action(
    turn_off: str | None, restart: str | None, roll_back: str | None
) -> tuple[MitigationAction, str]:
    """Return the action that was given. Raises DrillError unless it is exactly one of three."""
    given: list[tuple[MitigationAction, str | None]] = [
        ("turn off", turn_off),
        ("restart", restart),
        ("roll back", roll_back),
    ]
    chosen = [(action, target) for action, target in given if target is not None]
    if len(chosen) != 1:
        raise DrillError(
            'Do one thing at a time: mitigate(turn_off="a-flag"), mitigate(restart="payment") or '
            'mitigate(roll_back="game-engine").'
        )
    return chosen[0]


class Injections:
    """The flags of a drill, by name: the incident's and the decoys'.

    ``remaining`` returns for how many seconds a flag leased now has to last.
    """

    def __init__(
        self, scenario: Scenario, environment: DrillEnvironment, remaining: Callable[[], float]
    ) -> None:
        self._scenario = scenario
        self._environment = environment
        self._remaining = remaining
        self._leased: dict[str, InjectedFault] = {}

    @property
    def is_incident_on(self) -> bool:
        """Whether the incident still hits requests."""
        incident = self._leased.get(self._scenario.flag)
        return incident is not None and incident.is_on

    def begin_incident(self) -> None:
        """Lease the fault of the incident."""
        drawn = self._scenario
        self._lease(drawn.fault, drawn.flag, drawn.evaluated_by, drawn.share, drawn.fault_seed)

    def begin_decoys(self) -> None:
        """Lease the flags that are on but do nothing."""
        for decoy in self._scenario.decoys:
            self._begin_decoy(decoy)

    def end(self) -> None:
        """End all of them."""
        for flag in list(self._leased):
            self.turn_off(flag)

    def turn_off(self, flag: str) -> None:
        """End the lease of a flag, if it has one. Raises DrillError for an unknown flag."""
        known = self._scenario.flags
        if flag not in known:
            raise DrillError(f"There is no flag {flag}. Choose one of: {', '.join(known)}.")
        if leased := self._leased.pop(flag, None):
            leased.stop()

    def restart(self, service: str) -> None:
        """Restart a service, then lease its flags again, as a flag provider would."""
        _check_service(service)
        drawn = self._scenario
        lost = [decoy for decoy in drawn.decoys if decoy.service == service and self._is_on(decoy)]
        had_incident = drawn.evaluated_by == service and self.is_incident_on
        self._environment.restart(service)
        for decoy in lost:
            self._begin_decoy(decoy)
        if had_incident and drawn.fault in CURED_BY_RESTART:
            self.turn_off(drawn.flag)
        elif had_incident:
            self.begin_incident()

    def roll_back(self, service: str) -> None:
        """Roll back to the previous release; no effect if there was no new one."""
        _check_service(service)
        drawn = self._scenario
        if drawn.evaluated_by == service and drawn.fault in CURED_BY_ROLL_BACK:
            self.turn_off(drawn.flag)

    def _is_on(self, decoy: Decoy) -> bool:
        return decoy.flag in self._leased

    def _begin_decoy(self, decoy: Decoy) -> None:
        self._lease(NO_OP, decoy.flag, decoy.service, decoy.share, decoy.seed)

    def _lease(self, fault: str, flag: str, service: str, share: float, seed: int) -> None:
        seconds = self._remaining()
        if seconds > 0:
            self._leased[flag] = self._environment.inject(
                fault, share=share, seconds=seconds, seed=seed, flag=flag, service=service
            )


def _check_service(name: str) -> None:
    if name not in SERVICES:
        raise DrillError(f"There is no service {name}. Choose one of: {', '.join(SERVICES)}.")


def perform(
    injections: Injections,
    action: MitigationAction,
    target: str,
    probe: Callable[[], bool],
) -> Mitigation:
    """Perform the action, then check the steady state. Raises DrillError for an unknown target."""
    actions: dict[MitigationAction, Callable[[str], None]] = {
        "turn off": injections.turn_off,
        "restart": injections.restart,
        "roll back": injections.roll_back,
    }
    actions[action](target)
    answers = list(_probe_until_steady(injections, probe))
    is_over = not injections.is_incident_on
    is_steady = is_over and all(answers[-PROBES:])
    return Mitigation(action, target, is_over, is_steady, sum(answers), len(answers))


def _probe_until_steady(injections: Injections, probe: Callable[[], bool]) -> Iterator[bool]:
    """Yield how the next spins went; requests queued before may make the first ones late."""
    in_a_row = 0
    for number in range(1, MOST_PROBES + 1):
        is_good = probe()
        yield is_good
        in_a_row = in_a_row + 1 if is_good else 0
        if number >= PROBES and (in_a_row >= PROBES or injections.is_incident_on):
            return
