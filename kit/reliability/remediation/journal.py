"""What the responder decided about each alert, step by step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, overload

from markupsafe import Markup

from kit.html import render
from kit.words import count_noun

DecisionStep = Literal[
    "alert",
    "matched",
    "unknown",
    "precondition",
    "suggested",
    "judged",
    "asked",
    "approved",
    "denied",
    "lapsed",
    "refused",
    "did",
    "failed",
    "hung",
    "late",
    "proved",
    "not proved",
    "harmed",
    "undone",
    "fell",
    "escalated",
    "ticket",
    "stopped",
]
CaseState = Literal["open", "waiting", "running", "proved", "ticket", "escalated"]
StepTone = Literal["", "well", "ill"]
WELL: frozenset[DecisionStep] = frozenset({"proved"})
ILL: frozenset[DecisionStep] = frozenset(
    {"refused", "failed", "hung", "not proved", "harmed", "fell", "denied", "lapsed"}
)


@dataclass(frozen=True)
class Decision:
    """One step of the responder for one alert.

    ``at`` is in seconds since the epoch; ``text`` is its wording in the journal. ``runbook``,
    ``action`` and ``target`` are empty until a runbook is matched.
    """

    at: float
    case: int
    step: DecisionStep
    text: str
    issue: str = ""
    runbook: str = ""
    action: str = ""
    target: str = ""

    @property
    def tone(self) -> StepTone:
        """Whether it is good or bad news."""
        return "well" if self.step in WELL else "ill" if self.step in ILL else ""

    @property
    def time(self) -> str:
        """The local time of day."""
        return f"{datetime.fromtimestamp(self.at):%H:%M:%S}"

    def __str__(self) -> str:
        return self.text


@dataclass
class RepairCase:
    """One alert, what the responder did about it, and how that ended.

    ``joined`` counts later alerts of the same issue that arrived while it was being handled.
    ``event`` is the alert's event.
    """

    number: int
    issue: str
    title: str
    runbook: str = ""
    action: str = ""
    target: str = ""
    state: CaseState = "open"
    joined: int = 0
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def steps(self) -> tuple[DecisionStep, ...]:
        """The steps, in order."""
        return tuple(each.step for each in self.decisions)

    @property
    def has_acted(self) -> bool:
        """Whether its action was started."""
        return not {"did", "failed", "hung"}.isdisjoint(self.steps)

    @property
    def sentence(self) -> str:
        """All steps in one line."""
        joined = f" · {count_noun(self.joined, 'alert')} joined" if self.joined else ""
        return " · ".join(map(str, self.decisions)) + joined

    def __str__(self) -> str:
        time = self.decisions[0].time if self.decisions else ""
        return f"{time} #{self.number} {self.title}: {self.state}\n  {self.sentence}"


class RemediationJournal(Sequence[RepairCase]):
    """The decisions so far, one case per alert; shown in a notebook as a table."""

    def __init__(self, cases: Iterable[RepairCase] = ()) -> None:
        self._cases = tuple(cases)

    @overload
    def __getitem__(self, index: int) -> RepairCase: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RepairCase]: ...
    def __getitem__(self, index: int | slice) -> RepairCase | Sequence[RepairCase]:
        return self._cases[index]

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Every decision, in order."""
        made = [each for case in self._cases for each in list(case.decisions)]
        return tuple(sorted(made, key=lambda each: each.at))

    @property
    def sentence(self) -> str:
        """How many cases there are, by outcome."""
        states: dict[CaseState, int] = {}
        for case in self._cases:
            states[case.state] = states.get(case.state, 0) + 1
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"{count_noun(len(self), 'case')}{told and f': {told}'}."

    def __str__(self) -> str:
        return "\n".join([self.sentence, *map(str, self._cases)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Markup:
        return render("remediation_journal.html", journal=self)
