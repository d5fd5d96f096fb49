"""The drills of a class side by side: who had the same incident, and how fast they ended it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from kit.html import render
from kit.reliability.drill.phases import PHASES, PhaseName
from kit.reliability.drill.result import DrillResult, read_drill_result
from kit.reliability.drill.timeline import as_whole_percent, minutes_and_seconds
from kit.words import count_noun

ALONE = "you"
MAX_NAME = 40
PlayedT = TypeVar("PlayedT")
MANY = 3  # with fewer, a median says nothing


@dataclass(frozen=True)
class BoardRow:
    """One drill of one learner; ``number`` counts the learner's drills with the same seed."""

    learner: str
    number: int
    result: DrillResult

    @property
    def is_first(self) -> bool:
        """Whether the incident was unknown to the learner."""
        return self.number == 1

    @property
    def cells(self) -> tuple[str, ...]:
        """The four times, as shown."""
        return tuple(minutes_and_seconds(_seconds(self.result, name)) for name in PHASES)

    @property
    def spent(self) -> str:
        """The share of the error budget that was spent."""
        return as_whole_percent(self.result.budget_spent)


@dataclass(frozen=True)
class BoardGroup:
    """The drills with the same seed, so the same incident; the fastest mitigation comes first.

    A learner who plays it again knows the incident: that drill comes last, and in no median.
    """

    seed: int
    rows: tuple[BoardRow, ...]

    @property
    def has_one_fault(self) -> bool:
        """Whether all had the same fault: a machine that cannot inject one draws the next."""
        return len({row.result.fault for row in self.rows}) == 1

    @property
    def medians(self) -> tuple[str, ...]:
        """The medians of the times; empty for too few drills, a dash if too few got that far."""
        if sum(row.is_first for row in self.rows) < MANY:
            return ()
        return tuple(minutes_and_seconds(self._median(name)) for name in PHASES)

    def _median(self, name: PhaseName) -> float | None:
        """Return the median; drills that never got that far count as slower than all others."""
        times = [_seconds(row.result, name) for row in self.rows if row.is_first]
        known = sorted(seconds for seconds in times if seconds is not None)
        if 2 * len(known) <= len(times):
            return None
        return median([*known, *[known[-1]] * (len(times) - len(known))])


@dataclass(frozen=True, repr=False)
class DrillBoard:
    """All drills of a class, by seed; shown in a notebook as a page.

    ``remark`` says what could not be read.
    """

    groups: tuple[BoardGroup, ...]
    remark: str = ""

    @property
    def rows(self) -> tuple[BoardRow, ...]:
        """The drills of all seeds."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def results(self) -> tuple[DrillResult, ...]:
        """The drills whose incident was unknown: only their times mean something."""
        return tuple(row.result for row in self.rows if row.is_first)

    @property
    def sentence(self) -> str:
        """A summary in one sentence."""
        learners = {row.learner for row in self.rows}
        if not learners:
            return "No drill has been played yet."
        return (
            f"{count_noun(len(self.rows), 'drill')} of {count_noun(len(learners), 'learner')}, "
            f"{count_noun(len(self.groups), 'seed')}."
        )

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self._lines(), *filter(None, [self.remark])])

    def _lines(self) -> Iterator[str]:
        for group in self.groups:
            yield f"seed {group.seed}"
            for row in group.rows:
                times = zip(PHASES, row.cells, strict=True)
                yield f"  {row.learner}: " + " · ".join(f"{name} {time}" for name, time in times)

    def _repr_html_(self) -> str:
        return render("drill_board.html", board=self, phases=PHASES)


def _seconds(result: DrillResult, name: PhaseName) -> float | None:
    return {
        "detected": result.detected_s,
        "localised": result.localised_s,
        "diagnosed": result.diagnosed_s,
        "mitigated": result.mitigated_s,
    }[name]


def draw_board(played: Mapping[str, Sequence[DrillResult]], remark: str = "") -> DrillBoard:
    """Return the board of the drills that each learner played, in the given order."""
    found: dict[int, list[BoardRow]] = defaultdict(list)
    for learner, results in played.items():
        counted: dict[int, int] = defaultdict(int)
        for result in results:
            counted[result.seed] += 1
            row = BoardRow(learner[:MAX_NAME], counted[result.seed], result)
            found[result.seed].append(row)
    groups = (BoardGroup(seed, tuple(sorted(found[seed], key=_rank))) for seed in sorted(found))
    return DrillBoard(tuple(groups), remark)


def read_board(reports: Mapping[str, Any]) -> DrillBoard:
    """Return the board of a class from the output of ``workshop progress --json``, by learner.

    Its remark counts what cannot be read.
    """
    return draw_board(*read_reports(reports, "drills", read_drill_result))


def read_reports(
    reports: Mapping[str, Any], key: str, read: Callable[[Any], PlayedT]
) -> tuple[dict[str, list[PlayedT]], str]:
    """Return what each learner played, under ``key`` of a report, and a remark on the rest.

    ``read`` raises ValueError, LookupError, TypeError or AttributeError for an unreadable result.
    """
    played: dict[str, list[PlayedT]] = {}
    damaged = 0
    for learner, report in reports.items():
        given = report.get(key, []) if isinstance(report, Mapping) else None
        lines = given if isinstance(given, list) else [None]
        played[str(learner)] = results = list(_readable(lines, read))
        damaged += len(lines) - len(results)
    return played, f"{count_noun(damaged, 'result')} could not be read." if damaged else ""


def _readable(lines: Sequence[Any], read: Callable[[Any], PlayedT]) -> Iterator[PlayedT]:
    for line in lines:
        with suppress(ValueError, LookupError, TypeError, AttributeError):
            yield read(line)


def _rank(row: BoardRow) -> tuple[bool, float, float, int]:
    """Sort by mitigation, then by diagnosis; a known incident comes after all others."""
    result, never = row.result, float("inf")
    mitigated = never if result.mitigated_s is None else result.mitigated_s
    diagnosed = never if result.diagnosed_s is None else result.diagnosed_s
    return not row.is_first, mitigated, diagnosed, result.wrong
