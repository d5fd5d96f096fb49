"""What a repair can do to the running system: each action is real, and leased or undone."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from time import time

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT, SERVICES
from kit.actionable import WorkshopError
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.leases import LeaseClient, LeaseState
from kit.reliability.remediation.controls import TOLD, ServiceControls
from kit.reliability.remediation.journal import Decision, DecisionStep
from kit.reliability.remediation.runbook import Action

BAD_RELEASE, LEAKS = "bad-release", "engine-leaks"
RESTARTABLE = (PAYMENT.name, GAME_ENGINE.name, ANALYTICS.name)
# Services that the game engine calls through a breaker.
GUARDED = (PAYMENT.name, ANALYTICS.name)
# How long the events of a service carry a decision.
TOLD_S = 120.0
# Steps that changed the service, or were stopped by a guard. Handing a case to a person changes
# nothing about the service.
TELLING: frozenset[DecisionStep] = frozenset(
    {"did", "failed", "hung", "proved", "not proved", "harmed", "undone", "refused", "ticket"}
)
_LEASED = {fault.name: fault.service for fault in FAULTS}


class UnknownTarget(WorkshopError, LookupError):
    """There is no such target to act on; the message lists the targets."""


class LiveActions:
    """Creates the actions of runbooks; ``restart`` restarts a service and waits until it answers.

    A new action has done nothing yet: the responder calls its ``do``. Each method raises
    UnknownTarget for an unknown target, and for an empty one: it does not mean all targets.
    """

    def __init__(
        self, leases: LeaseClient, controls: ServiceControls, restart: Callable[[str], object]
    ) -> None:
        self._leases, self._controls, self._restart = leases, controls, restart

    def turn_off(self, flag: str) -> Action:
        """Turn a feature flag off, by the name of a fault or of a flag that is on.

        Its undo turns the flag on again for the rest of its time.
        """
        service = self._service_of(flag)
        ending = _LeaseEnding(self._leases, service, flag)
        return Action(f"turn off {flag}", service, ending.do, ending.undo)

    def roll_back(self, service: str) -> Action:
        """Undo the latest release. Only the game engine has a newer one: ``bad-release``."""
        _check_target("service to roll back", service, (GAME_ENGINE.name,))
        ending = _LeaseEnding(self._leases, service, BAD_RELEASE)
        return Action(f"roll back {service}", service, ending.do, ending.undo)

    def restart(self, service: str) -> Action:
        """Restart a service. Its process loses its state and its leases of faults: no undo."""
        _check_target("service to restart", service, RESTARTABLE)
        return Action(f"restart {service}", service, lambda: self._restart(service))

    def stop_leak(self, service: str) -> Action:
        """Stop a leak in a service, and free the leaked memory. There is no undo."""
        _check_target("service with a leak to stop", service, (GAME_ENGINE.name,))
        return Action(
            f"stop the leak in {service}", service, _LeaseEnding(self._leases, service, LEAKS).do
        )

    def open_breaker(self, service: str, seconds: float = 60.0, pause_s: float = 5.0) -> Action:
        """Stop the game engine's calls to a service, for ``seconds``; spins fail at once meanwhile.

        Every ``pause_s`` seconds one call is made as a probe: if it succeeds, the breaker closes.
        """
        return self._breaker("open", service, seconds, True, 1, pause_s)

    def arm_breaker(
        self, service: str, seconds: float = 60.0, threshold: int = 3, pause_s: float = 5.0
    ) -> Action:
        """Let ``threshold`` failures in a row open the breaker of a service, for ``seconds``."""
        return self._breaker("arm", service, seconds, False, threshold, pause_s)

    def shed_load(self, share: float = 0.5, seconds: float = 30.0) -> Action:
        """Let the gateway answer a share of requests with 503, so that it can serve the rest."""
        if not 0 < share <= 1:
            raise WorkshopError(f"share is {share:g}. Next: give a number above 0 and at most 1.")
        return Action(
            f"shed {share:.0%} of the load",
            GATEWAY.name,
            lambda: self._controls.begin_shedding(share, seconds),
            self._controls.end_shedding,
        )

    def tell(self, decision: Decision) -> None:
        """Let the next events of the service concerned carry a responder's decision.

        For two minutes they have the tag ``remediation`` and a breadcrumb. A service that does not
        answer is skipped: it must not stop a repair.
        """
        if decision.step in TELLING:
            done = decision.step == "did"
            text = decision.action if done else f"{decision.action}: {decision.step}"
            with suppress(WorkshopError):
                self.note(decision.target, text)

    def note(self, service: str, decision: str, seconds: float = TOLD_S) -> None:
        """Let the next events of a service carry a decision. Raises WorkshopError."""
        _check_target("service that notes decisions", service, [each.name for each in TOLD])
        self._controls.note_decision(SERVICES[service], decision, seconds)

    def _breaker(
        self,
        verb: str,
        service: str,
        seconds: float,
        is_open: bool,
        threshold: int,
        pause_s: float,
    ) -> Action:
        _check_target("breaker", service, GUARDED)

        def do() -> None:
            self._controls.begin_breaker(
                service, seconds=seconds, is_open=is_open, threshold=threshold, pause_s=pause_s
            )

        return Action(
            f"{verb} the breaker of {service}",
            GAME_ENGINE.name,
            do,
            lambda: self._controls.end_breaker(service),
        )

    def _service_of(self, flag: str) -> str:
        """Return the service that evaluates a flag. Raises UnknownTarget."""
        if flag in _LEASED:
            return _LEASED[flag].name
        on = {state.flag: name for name, state in self._on()}
        _check_target("flag", flag, on, f", and those of {len(_LEASED)} faults (workshop.faults)")
        return on[flag]

    def _on(self) -> Iterator[tuple[str, LeaseState]]:
        for service, states in self._leases.read_all():
            if not isinstance(states, WorkshopError):
                yield from ((service.name, each) for each in states if each.ended_at is None)


class _LeaseEnding:
    """Ends the lease of a flag, and can restore it for the rest of its time."""

    def __init__(self, leases: LeaseClient, service: str, flag: str) -> None:
        self._leases, self._service, self._flag = leases, SERVICES[service], flag
        self._ended: list[LeaseState] = []

    def do(self) -> None:
        """End it; no effect if it is off. Raises WorkshopError."""
        for state in self._leases.read(self._service):
            if state.ended_at is None and self._flag in (state.flag, state.fault):
                self._leases.end(self._service, state.fault)
                self._ended.append(state)

    def undo(self) -> None:
        """Restore what was ended, if there is time left. Raises WorkshopError."""
        while self._ended:
            state = self._ended[-1]
            if (left_s := state.until - time()) > 0:
                self._leases.begin(
                    self._service,
                    state.fault,
                    share=state.share,
                    seconds=left_s,
                    seed=state.seed,
                    flag=state.flag,
                )
            self._ended.pop()


def _check_target(what: str, name: str, known: Collection[str], more: str = "") -> None:
    if name not in known:
        listed = ", ".join(known) or "none"
        raise UnknownTarget(f"{name!r} is not a {what}. Available: {listed}{more}.")
