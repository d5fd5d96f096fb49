"""A responder without a system: its probes and actions are made up, its clock stands still."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kit.reliability.remediation.ladder import LadderEvidence
from kit.reliability.remediation.rehearsal.world import VirtualClock, VirtualHands
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import Action, RepairProof, Runbook

EARNED = LadderEvidence(right=10)


@dataclass(frozen=True)
class MadeAlert:
    """An alert, as a receiver would give it."""

    issue_id: str = "7"
    rule: str = "No coins"
    title: str = "PaymentError: no answer"
    event: dict[str, Any] = field(default_factory=lambda: {"event_id": "ab" * 16})


@dataclass
class Bench:
    """What a runbook works on here, and what it did to it."""

    ill: bool = True
    good: Callable[[float, float], float | None] | None = None
    done: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.clock.sleep(1_700_000_000.0)
        self.hands = VirtualHands(self.clock)

    def sli(self, start: float, end: float) -> float | None:
        if self.good is not None:
            return self.good(start, end)
        return 0.5 if self.ill else 1.0

    def runbook(
        self, name: str = "payment", target: str = "payment", takes_s: float = 1.0, **changed: Any
    ) -> Runbook:
        def do() -> None:
            self.done.append(target)
            self.clock.sleep(takes_s)
            self.ill = False

        made = Runbook(
            name,
            ("PaymentError*",),
            when=lambda: self.ill,
            action=Action(f"restart {target}", target, do, lambda: self.undone.append(target)),
            proof=RepairProof(self.sli),
            level="auto",
            evidence=EARNED,
        )
        return replace(made, **changed)

    def responder(self, *runbooks: Runbook, **options: Any) -> Responder:
        given = runbooks or (self.runbook(),)
        options = {"targets": ("payment", "gateway")} | options
        return Responder(given, clock=self.clock, hands=self.hands, **options)

    def alert(self, responder: Responder, *alerts: MadeAlert) -> str:
        """Let it handle alerts; return the last line of its journal."""
        for alert in alerts or (MadeAlert(),):
            responder.on_alert(alert)
        responder.work()
        return responder.journal[-1].sentence
