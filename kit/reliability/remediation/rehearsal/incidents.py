"""Virtual incidents, drawn from a seed: known ones, unknown ones, look-alikes and no-ops."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

VirtualKind = Literal["known", "unknown", "look-alike", "no-op"]
# Assumptions, not measurements. Incidents that no runbook knows cost the same with and without
# repairs, so this mix limits what repairs can save.
MIX: dict[VirtualKind, float] = {"known": 0.6, "unknown": 0.15, "look-alike": 0.15, "no-op": 0.1}
INCIDENTS = 10  # a month
BETWEEN_S = (6 * 3600.0, 120 * 3600.0)
# The share of requests that fail, and the share of health checks that fail, from and to.
FAILING = (0.2, 1.0)
HEALTH: dict[VirtualKind, tuple[float, float]] = {
    "known": (0.7, 1.0),
    "unknown": (0.0, 1.0),
    "look-alike": (0.0, 0.4),
    "no-op": (0.0, 0.02),
}
ALERT_AFTER_S = (5.0, 60.0)
PERSON_S = (300.0, 2400.0)  # from the page to the end, for a person
ANSWER_S = (15.0, 120.0)
ACTION_S = (2.0, 15.0)
CURES, HANGS, COMES_BACK = 0.95, 0.02, 0.05
RELAPSES, RELAPSE_AFTER_S = 9, 600.0


@dataclass(frozen=True)
class VirtualIncident:
    """One incident. Shares are from 0 to 1, times in seconds.

    ``cures`` says whether its runbook's action helps, ``hangs`` that the action does not return.
    After the action has helped, the incident comes back ``relapses`` times.
    """

    kind: VirtualKind
    runbook: int
    wait_s: float
    failing: float
    health: float
    alert_after_s: float
    person_s: float
    answer_s: float
    action_s: float
    cures: bool
    hangs: bool
    relapses: int


@dataclass(frozen=True)
class VirtualAlert:
    """The alert of a virtual incident."""

    issue_id: str
    rule: str
    title: str
    event: dict[str, Any] = field(default_factory=dict)


def draw_incidents(seed: int, runbooks: int, count: int = INCIDENTS) -> Sequence[VirtualIncident]:
    """Return the incidents of a virtual month; the same for the same seed."""
    chance = random.Random(f"remediation {seed}")  # noqa: S311 - no secret
    return [_draw(chance, runbooks) for _ in range(count)]


def _draw(chance: random.Random, runbooks: int) -> VirtualIncident:
    (kind,) = chance.choices(list(MIX), list(MIX.values()))
    return VirtualIncident(
        kind=kind,
        runbook=chance.randrange(runbooks),
        wait_s=chance.uniform(*BETWEEN_S),
        failing=chance.uniform(*FAILING) * (kind != "no-op"),
        health=chance.uniform(*HEALTH[kind]),
        alert_after_s=chance.uniform(*ALERT_AFTER_S),
        person_s=chance.uniform(*PERSON_S),
        answer_s=chance.uniform(*ANSWER_S),
        action_s=chance.uniform(*ACTION_S),
        cures=chance.random() < CURES,
        hangs=chance.random() < HANGS,
        relapses=RELAPSES * (chance.random() < COMES_BACK),
    )
