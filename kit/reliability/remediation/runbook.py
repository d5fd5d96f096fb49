"""A runbook: which alert it knows, when it may act, what it does, and what proves the repair."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

from kit.actionable import WorkshopError
from kit.reading.grouping import culprit
from kit.reading.payload import as_str
from kit.reading.server.fingerprint import fingerprint_of
from kit.reliability.remediation.ladder import NO_EVIDENCE, LadderEvidence, RepairLevel

AT_MOST_AN_HOUR = 3
DEADLINE_S = 30.0
ANSWER_WITHIN_S = 300.0

Precondition = Callable[[], bool]


class RunbookError(WorkshopError):
    """A runbook that cannot be used; the message says why, and what to declare instead."""


class KnownAlert(Protocol):
    """What a runbook reads of an alert; a ReceivedAlert is one."""

    @property
    def rule(self) -> str:
        """The name of the alert rule."""

    @property
    def title(self) -> str:
        """The title of the issue."""

    @property
    def issue_id(self) -> str:
        """The id of the issue."""

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that fired the rule."""


@dataclass(frozen=True)
class Action:
    """One thing to do to one service, and how to undo it.

    ``name`` says what it is, such as ``restart payment``; ``target`` is the one service that it
    touches. ``do`` returns when it is done, or raises. ``undo`` may be called more than once, also
    after ``do`` failed halfway; None if there is nothing to undo. ``change`` is the name under
    which a frozen error budget forbids the action, if it is a release.
    """

    name: str
    target: str
    do: Callable[[], object]
    undo: Callable[[], object] | None = None
    change: str = ""


@dataclass(frozen=True)
class RepairProof:
    """What shows that a repair worked: the SLI is good for some seconds after it.

    ``sli`` returns the share of good requests between two times, in seconds since the epoch, from
    0 to 1; None if there were none. It must be ``at_least`` that high for ``for_s`` seconds in a
    row, ending at most ``within_s`` seconds after the action.
    """

    sli: Callable[[float, float], float | None]
    at_least: float = 0.99
    for_s: float = 20.0
    within_s: float = 60.0

    def __post_init__(self) -> None:
        if not (0 < self.at_least <= 1 and 0 <= self.for_s <= self.within_s):
            raise RunbookError(
                "A proof needs a share from 0 to 1, and for_s of at most within_s seconds. "
                "Next: try at_least=0.99, for_s=20, within_s=60."
            )

    @property
    def sentence(self) -> str:
        """The requirement in words."""
        return f"good ≥ {100 * self.at_least:g} % for {self.for_s:g} s, within {self.within_s:g} s"


class _Outcomes(Protocol):
    def between(self, start: float, end: float, /) -> Any:
        """Return counts with ``good`` and ``bad``."""


def sli_of(find_outcomes: Callable[[], _Outcomes | None]) -> Callable[[float, float], float | None]:
    """Return the SLI of traffic: the share of good requests between two times."""

    def share(start: float, end: float) -> float | None:
        outcomes = find_outcomes()
        if outcomes is None:
            return None
        counts = outcomes.between(start, end)
        valid = counts.good + counts.bad
        return counts.good / valid if valid else None

    return share


class ProbedSli:
    """An SLI from a probe that answers yes or no: the share of yes among its answers."""

    def __init__(self, probe: Callable[[], bool]) -> None:
        self._probe = probe
        self._answers: list[tuple[float, bool]] = []

    def __call__(self, start: float, end: float) -> float | None:
        """Probe now; return the share of good answers since ``start``."""
        self._answers.append((end, bool(self._probe())))
        answers = [good for at, good in self._answers if start <= at <= end]
        return sum(answers) / len(answers) if answers else None


@dataclass(frozen=True)
class Runbook:
    """A declaration of one repair.

    ``knows`` has patterns (``*`` and ``?``) for a fingerprint, an issue id, a rule, a title or a
    culprit, or is a function of the alert. ``when`` is the precondition: a probe that returns
    whether the system is as the action expects. ``action`` is done at most ``at_most`` times an
    hour and ended after ``deadline_s`` seconds; ``proof`` must hold after it. ``level`` is where it
    starts on the ladder: watch, suggest, ask or auto; auto must be earned by ``evidence``. A
    question lapses after ``answer_within_s``. Raises RunbookError.
    """

    name: str
    knows: tuple[str, ...] | Callable[[KnownAlert], bool]
    when: Precondition
    action: Action
    proof: RepairProof
    level: RepairLevel = "ask"
    at_most: int = AT_MOST_AN_HOUR
    deadline_s: float = DEADLINE_S
    answer_within_s: float = ANSWER_WITHIN_S
    evidence: LadderEvidence = field(default=NO_EVIDENCE)

    def __post_init__(self) -> None:
        _check(self)

    def matches(self, alert: KnownAlert) -> bool:
        """Whether it knows the alert."""
        if callable(self.knows):
            return bool(self.knows(alert))
        names = list(_names(alert))
        # Brackets are common in titles, so only * and ? are wildcards.
        patterns = [known.replace("[", "[[]") for known in self.knows]
        return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)

    def __str__(self) -> str:
        return f"{self.name}: {self.action.name}, then {self.proof.sentence} ({self.level})"


def make_runbook(
    knows: str | Sequence[str] | Callable[[KnownAlert], bool],
    when: Precondition,
    do: Action,
    proves: RepairProof | Callable[[], bool],
    *,
    undo: Callable[[], object] | None = None,
    name: str = "",
    level: RepairLevel = "ask",
    at_most: int = AT_MOST_AN_HOUR,
    deadline_s: float = DEADLINE_S,
    evidence: LadderEvidence = NO_EVIDENCE,
) -> Runbook:
    """Return a runbook. A probe for ``proves`` must be true for 5 s, within 60 s.

    ``undo`` replaces the action's own. Raises RunbookError.
    """
    known = knows if callable(knows) else (knows,) if isinstance(knows, str) else tuple(knows)
    action = do if undo is None else Action(do.name, do.target, do.do, undo, do.change)
    proof = (
        proves
        if isinstance(proves, RepairProof)
        else RepairProof(ProbedSli(proves), 1.0, 5.0, 60.0)
    )
    named = name or (action.name if callable(known) else known[0] if known else action.name)
    return Runbook(named, known, when, action, proof, level, at_most, deadline_s, evidence=evidence)


def _names(alert: KnownAlert) -> Sequence[str]:
    event = alert.event
    given = (alert.issue_id, alert.rule, alert.title, culprit(event), *fingerprint_of(event))
    return [as_str(name) for name in given if name]


def _check(runbook: Runbook) -> None:
    known = runbook.knows
    if not callable(known) and not (known and all(each.strip("*? ") for each in known)):
        raise RunbookError(
            f"The runbook {runbook.name} would match every alert: knows is empty or has only "
            "wildcards. Next: give the fingerprint, rule or culprit that it knows."
        )
    if runbook.at_most < 1 or runbook.deadline_s <= 0:
        raise RunbookError(
            f"The runbook {runbook.name} could never run: at_most is {runbook.at_most} an hour, "
            f"deadline_s is {runbook.deadline_s:g}. Next: give at least 1, and some seconds."
        )
    if runbook.level == "auto" and not runbook.evidence.is_enough:
        raise RunbookError(
            f"The runbook {runbook.name} may not start at auto: {runbook.evidence.sentence}. "
            'Next: start it with level="ask" and let it climb, or give the record of earlier '
            "suggestions, such as evidence=(10, 0): ten were right, none was wrong."
        )
