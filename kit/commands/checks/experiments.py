"""Runs the eight experiments briefly and compares each verdict with the declared one."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Column, Table

from kit.actionable import WorkshopError
from kit.reliability.chaos.catalogue import EXPERIMENTS, DeclaredExperiment
from kit.reliability.chaos.result import ChaosResult
from kit.workshop import Workshop

# Short, but long enough for every fault to show: payment-hangs fails after 6 seconds.
SECONDS = {"payment-down": 6, "payment-hangs": 9, "payment-slow": 6, "engine-blocks": 6}
USUAL_S, WINDOW_S = 5, 3.0


@dataclass(frozen=True)
class ExperimentCheck:
    """The result for one experiment; ``failure`` says why it could not run, or is empty."""

    name: str
    ok: bool
    expected: str
    verdict: str
    timeline: str = ""
    seconds: float = 0.0
    failure: str = ""


def holding_last() -> list[DeclaredExperiment]:
    """Return all experiments, those that hold last: while other checks run they might not."""
    return sorted(EXPERIMENTS, key=lambda each: each.expected == "holds")


def check_experiment(workshop: Workshop, declared: DeclaredExperiment) -> ExperimentCheck:
    """Run an experiment for a few seconds and compare its verdict with the declared one."""
    try:
        result = _run(workshop, declared)
        if result.verdict == "hit nothing":  # by chance: it says nothing about the hypothesis
            result = _run(workshop, declared)
    except WorkshopError as error:
        return ExperimentCheck(
            declared.name, False, declared.expected, "not run", failure=str(error)
        )
    return ExperimentCheck(
        declared.name,
        result.is_as_predicted,
        declared.expected,
        result.verdict,
        result.timeline,
        round(float(result.journal["duration"]), 1),
    )


def _run(workshop: Workshop, declared: DeclaredExperiment) -> ChaosResult:
    seconds = SECONDS.get(declared.name, USUAL_S)
    experiment = workshop.experiment(
        declared.name, predict=declared.expected, seconds=seconds, window=WINDOW_S
    )
    return experiment.run()


def experiments_as_json(rows: Iterable[ExperimentCheck]) -> dict[str, Any]:
    """Return the result of a check as one object, for machines."""
    experiments = [asdict(row) for row in rows]
    return {"ok": all(each["ok"] for each in experiments), "experiments": experiments}


def experiments_as_table(rows: Iterable[ExperimentCheck]) -> Table:
    """Return the result of a check as a table, for people."""
    name, timeline = Column("experiment", no_wrap=True), Column("timeline", overflow="fold")
    table = Table("", name, "declared", "verdict", timeline)
    for row in rows:
        mark, style = ("✓", "") if row.ok else ("✗", "red")
        said = row.failure or row.timeline
        table.add_row(mark, row.name, row.expected, row.verdict, said, style=style)
    return table


def experiment_complaints(rows: Iterable[ExperimentCheck]) -> Iterator[str]:
    """Yield a line for each row that is not as declared."""
    for row in rows:
        if not row.ok:
            yield f"✗ {row.name}: declared {row.expected}, found {row.verdict}. {row.failure}"
