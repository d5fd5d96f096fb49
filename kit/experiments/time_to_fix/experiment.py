"""Measures how long it takes to find a cause, with log lines alone and with an event card.

Three rounds with one bug each. The evidence alternates, so that two rounds with one kind surround
one with the other: practice then helps both kinds equally, if it grows steadily.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from markupsafe import Markup

from kit.experiments.time_to_fix.puzzles import Case
from kit.experiments.time_to_fix.stopwatch import (
    GIVEN_UP,
    NOT_TRIED,
    RUNNING,
    SOLVED,
    Question,
    Stopwatch,
    TimedAttempt,
    clock,
)
from kit.html import render

LOGS, CARD = "log lines", "event card"


class Experiment:
    """Three cases; ``seed`` decides their order and evidence."""

    def __init__(self, cases: Sequence[Case], seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - must be repeatable
        self.cases = tuple(cases)
        self.seed = seed
        self._order = chance.sample(self.cases, len(self.cases))
        first = chance.choice((LOGS, CARD))
        other = CARD if first == LOGS else LOGS
        self.evidence = (first, other, first)
        self._stopwatches: dict[int, Stopwatch] = {}

    def round(self, number: int) -> Stopwatch:
        """Return a new stopwatch for a round, from 1 to 3; discards the round's earlier result.

        Raises IndexError.
        """
        if not 1 <= number <= len(self._order):
            raise IndexError(f"There is no round {number}; there are 1 to {len(self._order)}.")
        if number in self._stopwatches:
            self._stopwatches[number].stop()
        question = _question(number, self._order[number - 1], self.evidence[number - 1])
        self._stopwatches[number] = Stopwatch(question)
        return self._stopwatches[number]

    def case(self, number: int) -> Case:
        """Return what happened in a round, from 1 to 3."""
        return self._order[number - 1]

    @property
    def result(self) -> "ExperimentResult":
        """The results so far."""
        return ExperimentResult(tuple(map(self._trial, range(1, len(self._order) + 1))))

    def _trial(self, number: int) -> "Trial":
        stopwatch = self._stopwatches.get(number)
        attempt = stopwatch.attempt if stopwatch else TimedAttempt()
        promotion = self._order[number - 1].puzzle.promotion
        # The name of a bug that was not yet seen would give something away.
        seen = promotion if attempt.state != NOT_TRIED else "?"
        return Trial(number, seen, self.evidence[number - 1], attempt)

    def _repr_html_(self) -> str:
        return render("experiment.html", experiment=self)

    def __repr__(self) -> str:
        return f"<Experiment with seed {self.seed}: {', '.join(self.evidence)}>"


@dataclass(frozen=True)
class Trial:
    """One round and how it went."""

    number: int
    promotion: str
    evidence: str
    attempt: TimedAttempt

    @property
    def time(self) -> str:
        """How long it took; empty when there is no time yet."""
        return clock(self.attempt.seconds) if self.attempt.state in (SOLVED, GIVEN_UP) else ""


@dataclass(frozen=True)
class ExperimentResult:
    """The rounds side by side, shown in a notebook as a table and a few sentences."""

    trials: tuple[Trial, ...]

    @property
    def ratio(self) -> float | None:
        """How many times as long it took with log lines; None when that is unknown.

        It compares the mean times of solved rounds. It needs at least one solved round with each
        evidence, and none that was given up, as that would have taken longer.
        """
        logs, card = self._mean(LOGS), self._mean(CARD)
        if logs is None or not card or self._in(GIVEN_UP):
            return None
        return logs / card

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the rounds show, and what they do not."""
        found = (
            self._say_unfinished(),
            self._say_given_up(),
            self._say_times(),
            self._say_guessed(),
        )
        return tuple(filter(None, found))

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        return render("experiment_result.html", result=self)

    def _mean(self, evidence: str) -> float | None:
        solved = [t.attempt.seconds for t in self._in(SOLVED) if t.evidence == evidence]
        return mean(solved) if solved else None

    def _in(self, *states: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.attempt.state in states]

    def _say_unfinished(self) -> str:
        missing = self._in(NOT_TRIED, RUNNING)
        if not missing:
            return ""
        return f"Not tried or not finished yet: {_rounds(missing)}."

    def _say_given_up(self) -> str:
        given_up = self._in(GIVEN_UP)
        if not given_up:
            return ""
        return (
            f"Given up: {_rounds(given_up)}. The full time is unknown, only that it is longer, so "
            "there is no ratio."
        )

    def _say_times(self) -> str:
        logs, card, ratio = self._mean(LOGS), self._mean(CARD), self.ratio
        if ratio is None or logs is None or card is None:
            return "" if self._in(GIVEN_UP) else "For a ratio, solve a round with each evidence."
        return (
            f"With {LOGS} you took {clock(logs)}, with an {CARD} {clock(card)} (mean per round): "
            f"{ratio_in_words(ratio)}. Hours to minutes would be a factor of about 60."
        )

    def _say_guessed(self) -> str:
        guessed = [trial for trial in self._in(SOLVED) if trial.attempt.wrong > 1]
        if not guessed:
            return ""
        return (
            f"After more than one wrong answer, the right one may be a guess: {_rounds(guessed)}."
        )


def ratio_in_words(ratio: float) -> str:
    """Return which evidence took longer, and by how much."""
    if 0.9 < ratio < 1.1:
        return "about the same"
    if ratio > 1:
        return f"the {LOGS} took {ratio:.1f} times as long"
    return f"the {CARD} took {1 / ratio:.1f} times as long"


def _rounds(trials: Sequence[Trial]) -> str:
    return ", ".join(f"round {trial.number}" for trial in trials)


def _question(number: int, case: Case, evidence: str) -> Question:
    puzzle = case.puzzle
    card, logs = case.events[-1]._repr_html_(), _log(case)
    shown, other = (logs, card) if evidence == LOGS else (card, logs)
    return Question(
        title=f"Round {number}, with the {evidence}",
        text=puzzle.question,
        choices=puzzle.choices,
        right=puzzle.cause,
        evidence=render("evidence.html", code=puzzle.code, shown=shown, evidence=evidence),
        debriefing=render(
            "debriefing.html",
            explanation=puzzle.explanation,
            shown=other,
            evidence=CARD if evidence == LOGS else LOGS,
        ),
    )


def _log(case: Case) -> Markup:
    return render("log.html", lines=case.lines)
