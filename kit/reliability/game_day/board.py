"""The game days of a class by seed, and yours compared with earlier ones."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.reliability.drill.board import MAX_NAME, read_reports
from kit.reliability.game_day.result import GameResult, read_game_result, say_seconds
from kit.words import count_noun

GAME_DAYS = "game_days"


@dataclass(frozen=True)
class GameRow:
    """One game day of one learner; ``number`` counts the learner's days with the same seed."""

    learner: str
    number: int
    result: GameResult

    @property
    def recovery(self) -> str:
        """The median time to recovery."""
        return say_seconds(self.result.recovery_s)


@dataclass(frozen=True)
class GameGroup:
    """The game days with the same seed, minutes and rate; the one that spent least comes first.

    A learner who plays it again knows the incidents: that day comes after all first ones.
    """

    seed: int
    minutes: float
    rows: tuple[GameRow, ...]

    @property
    def has_one_script(self) -> bool:
        """Whether all had the same faults: a machine that cannot inject a fault has others."""
        return len({row.result.drawn for row in self.rows}) == 1


@dataclass(frozen=True, repr=False)
class GameBoard:
    """The game days played so far; shown in a notebook as a page.

    ``remark`` says what could not be read.
    """

    groups: tuple[GameGroup, ...]
    remark: str = ""

    @property
    def rows(self) -> tuple[GameRow, ...]:
        """The game days of all seeds."""
        return tuple(row for group in self.groups for row in group.rows)

    @property
    def sentence(self) -> str:
        """A summary in one sentence."""
        learners = {row.learner for row in self.rows}
        if not learners:
            return "No game day has been played to its end yet."
        return (
            f"{count_noun(len(self.rows), 'game day')} of {count_noun(len(learners), 'learner')}, "
            f"{count_noun(len({group.seed for group in self.groups}), 'seed')}."
        )

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self._lines(), *filter(None, [self.remark])])

    def _lines(self) -> Iterator[str]:
        for group in self.groups:
            yield f"seed {group.seed}, {group.minutes:g} minutes"
            for row in group.rows:
                result = row.result
                yield (
                    f"  {row.learner}: repair {result.repair}, budget spent {result.spent}, "
                    f"recovery {row.recovery}"
                )

    def _repr_html_(self) -> Markup:
        return render("game_day_board.html", board=self)


def draw_game_board(played: Mapping[str, Sequence[GameResult]], remark: str = "") -> GameBoard:
    """Return the board of the game days that each learner played, in the given order."""
    found: dict[tuple[int, float, float], list[GameRow]] = defaultdict(list)
    for learner, results in played.items():
        counted: dict[int, int] = defaultdict(int)
        for result in results:
            counted[result.seed] += 1
            row = GameRow(learner[:MAX_NAME], counted[result.seed], result)
            found[result.seed, result.minutes, result.rate].append(row)
    groups = (
        GameGroup(key[0], key[1], tuple(sorted(found[key], key=_rank))) for key in sorted(found)
    )
    return GameBoard(tuple(groups), remark)


def read_game_board(reports: Mapping[str, Any]) -> GameBoard:
    """Return the board of a class from the output of ``workshop progress --json``, by learner.

    Its remark counts what cannot be read.
    """
    return draw_game_board(*read_reports(reports, GAME_DAYS, read_game_result))


def _rank(row: GameRow) -> tuple[bool, float, int]:
    return row.number > 1, row.result.budget_spent, row.result.wrong_actions


def say_standing(result: GameResult, earlier: Sequence[GameResult]) -> str:
    """Return how a game day compares with your earlier ones, oldest first."""
    same = [each for each in earlier if each.drawn == result.drawn and each.repair == result.repair]
    if same:
        best = min(same, key=lambda each: each.budget_spent)
        is_best = result.budget_spent < best.budget_spent
        verdict = "your best yet" if is_best else "not your best"
        return f"Your earlier runs of this day: {best.spent} of the budget at best; {verdict}."
    others = [each for each in earlier if each.at[:10] != result.at[:10]]
    if not others:
        return ""
    last = others[-1]
    day = f"{last.spent} of the budget, with repair {last.repair} and other incidents"
    return f"On {last.at[:10]}: {day}."
