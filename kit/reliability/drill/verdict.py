"""How a drill went: each phase with its time and its wrong answers, and what it cost."""

from dataclasses import dataclass

from kit.html import render
from kit.reliability.drill.impact import Impact, SpentBudget
from kit.reliability.drill.phases import DrillPhase, PhaseName
from kit.reliability.drill.scenario import Scenario
from kit.reliability.drill.timeline import as_whole_percent, minutes_and_seconds
from kit.words import count_noun


@dataclass(frozen=True)
class PhaseRow:
    """One phase as shown; ``offset`` and ``width`` are percent of the time it took."""

    name: str
    state: str
    time: str
    wrong: str
    offset: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, repr=False)
class DrillVerdict:
    """How a drill went; shown in a notebook as a page. Its text can be shared: it names no cause.

    ``began_at`` is when the incident began, in seconds into the drill, None if it did not.
    ``status`` is after how many seconds the requested update was written.
    """

    scenario: Scenario
    began_at: float | None
    ended_at: float
    phases: tuple[DrillPhase, ...]
    budget: SpentBudget
    impact: Impact
    status: float | None = None
    remark: str = ""

    def seconds(self, name: PhaseName) -> float | None:
        """Return how long a phase took from the start of the incident; None if it was missed."""
        at = next(phase.at for phase in self.phases if phase.name == name)
        if at is None or self.began_at is None:
            return None
        return round(max(0.0, at - self.began_at), 1)

    @property
    def is_mitigated(self) -> bool:
        """Whether the learner ended the incident."""
        return self.seconds("mitigated") is not None

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        if self.began_at is None:
            return "The drill ended before its incident began."
        missed = [phase.name for phase in self.phases if not phase.is_done]
        if not missed:
            return (
                f"Mitigated after {minutes_and_seconds(self.seconds('mitigated'))}, and understood."
            )
        if self.is_mitigated:
            took = minutes_and_seconds(self.seconds("mitigated"))
            return f"Mitigated after {took}. Not {', not '.join(missed)}."
        return (
            f"Not mitigated. Also not {', not '.join(missed[:-1])}."
            if missed[:-1]
            else "Not mitigated."
        )

    @property
    def cost(self) -> str:
        """What it cost, in one sentence."""
        failed = "No spin"
        if self.impact.failed:
            players = count_noun(self.impact.players, "player")
            failed = f"{count_noun(self.impact.failed, 'spin')} of {players}"
        return (
            f"{failed} failed while it lasted. The error budget for these "
            f"{self.scenario.minutes:g} minutes is {self.budget.allowed:.0f} failed requests; "
            f"{as_whole_percent(self.budget.share)} of it was spent."
        )

    @property
    def rows(self) -> list[PhaseRow]:
        """The phases as shown."""
        return [self._row(phase) for phase in self.phases]

    def _row(self, phase: DrillPhase) -> PhaseRow:
        took, wrong = self.seconds(phase.name), str(phase.wrong or "–")
        if took is None or self.began_at is None:
            return PhaseRow(phase.name, "missed", "–", wrong)
        total = max(self.ended_at - self.began_at, took, 1.0)
        state = f"by {phase.by}" if phase.by else "right"
        return PhaseRow(
            phase.name, state, minutes_and_seconds(took), wrong, 0.0, 100 * took / total
        )

    def __str__(self) -> str:
        times = " · ".join(f"{row.name} {row.time}" for row in self.rows)
        wrong = count_noun(sum(phase.wrong for phase in self.phases), "wrong answer")
        failed = count_noun(self.impact.failed, "failed spin")
        return (
            f"Drill {self.scenario.seed}, {self.scenario.minutes:g} minutes\n{times}\n"
            f"{wrong} · {failed} · {as_whole_percent(self.budget.share)} of the error budget"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return render("drill_verdict.html", verdict=self, clock=minutes_and_seconds)
