"""What keeps a responder from doing harm: limits that hold whatever a runbook says."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from kit.reliability.remediation.runbook import Action, Runbook

HOUR_S = 3600.0
# An issue that comes back this often within an hour of repairs has a cause that they hide.
RECURRENCES = 3

GuardName = Literal["kill switch", "target", "held", "rate", "budget"]


@dataclass(frozen=True)
class Refusal:
    """Why an action is refused: which guard stopped it, and the reason in words."""

    guard: GuardName
    reason: str

    def __str__(self) -> str:
        return f"{self.guard}: {self.reason}"


class KillSwitchState(Protocol):
    """A switch that stops all actions; ``flag`` is its name."""

    @property
    def flag(self) -> str:
        """The feature flag: actions are allowed while it is on."""

    def allows(self) -> bool:
        """Evaluate the flag now."""


class BudgetPolicy(Protocol):
    """A team's agreement for when the error budget runs out; a FreezePolicy is one."""

    def allows(self, change: str) -> bool:
        """Whether a change may be made now."""

    @property
    def sentence(self) -> str:
        """Whether it is frozen, and why."""


class Guards:
    """The limits of one responder.

    ``targets`` are the services that may be acted on. ``now`` returns seconds since the epoch. The
    responder itself limits actions to one at a time and cases to one per issue: it has one worker.
    """

    def __init__(
        self,
        targets: Collection[str],
        switch: KillSwitchState,
        policy: BudgetPolicy | None,
        now: Callable[[], float],
    ) -> None:
        self.targets = tuple(targets)
        self.switch = switch
        self._policy = policy
        self._now = now
        self._runs: defaultdict[str, deque[float]] = defaultdict(deque)
        self._repairs: defaultdict[str, deque[float]] = defaultdict(deque)
        self._held: set[str] = set()

    def check(self, runbook: Runbook) -> Refusal | None:
        """Return why a runbook's action may not be done now; None if it may."""
        action = runbook.action
        return (
            self.check_switch()
            or self._check_target(action)
            or self._check_rate(runbook)
            or self._check_policy(action)
        )

    def check_switch(self) -> Refusal | None:
        """Return a refusal if the kill switch is thrown."""
        if self.switch.allows():
            return None
        return Refusal("kill switch", f"the flag {self.switch.flag} is off")

    def note_run(self, runbook: Runbook) -> None:
        """Count an action that starts now."""
        self._runs[runbook.name].append(self._now())

    def note_repair(self, issue: str) -> None:
        """Count a repair of an issue that is proved now."""
        self._repairs[issue].append(self._now())

    def repairs_of(self, issue: str) -> tuple[float, ...]:
        """Return when the issue was repaired within the last hour."""
        return self._last_hour(self._repairs[issue])

    def hides_a_bug(self, issue: str) -> bool:
        """Whether an issue that is back now keeps coming back after repairs."""
        return len(self.repairs_of(issue)) >= RECURRENCES

    def hold(self, target: str) -> None:
        """Block all actions on a service: an abandoned one may still change it."""
        self._held.add(target)

    def release(self, target: str) -> None:
        """Allow actions on it again."""
        self._held.discard(target)

    def _check_target(self, action: Action) -> Refusal | None:
        if not action.target.strip():
            return Refusal("target", f"{action.name} names no service, and that does not mean all")
        if action.target not in self.targets:
            known = ", ".join(self.targets) or "none"
            return Refusal("target", f"{action.target} is not one of the services: {known}")
        if action.target in self._held:
            return Refusal("held", f"an action that hung may still change {action.target}")
        return None

    def _check_rate(self, runbook: Runbook) -> Refusal | None:
        runs = len(self._last_hour(self._runs[runbook.name]))
        if runs < runbook.at_most:
            return None
        return Refusal("rate", f"{runs} runs within an hour, of {runbook.at_most} allowed")

    def _check_policy(self, action: Action) -> Refusal | None:
        if self._policy is None or not action.change or self._policy.allows(action.change):
            return None
        return Refusal("budget", f"{action.change} must wait. {self._policy.sentence}")

    def _last_hour(self, times: deque[float]) -> tuple[float, ...]:
        while times and times[0] <= self._now() - HOUR_S:
            times.popleft()
        return tuple(times)
