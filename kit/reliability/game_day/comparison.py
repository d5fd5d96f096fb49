"""Two game days with the same seed: what repair changed, as far as it was measured."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from kit.html import render
from kit.reliability.game_day.result import GameIncident, GameResult, say_seconds
from kit.reliability.game_day.script import GameDayError

# In standard deviations of a count: chance explains a larger difference one time in twenty.
CHANCE = 2.0
NO_EFFECT = "no effect shown"


@dataclass(frozen=True)
class ComparedIncident:
    """The same incident, twice."""

    without: GameIncident
    with_repair: GameIncident

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Recovery without and with repair, and failed requests without and with repair."""
        pair = (self.without, self.with_repair)
        recovery = [say_seconds(each.recovery_s) for each in pair]
        return recovery[0], recovery[1], f"{pair[0].failed:,}", f"{pair[1].failed:,}"


@dataclass(frozen=True, repr=False)
class GameComparison:
    """The results of two runs of the same game day; shown in a notebook as a page.

    The same seed gives the same faults at the same times, and the same players and bets. Which
    requests are hit, and how busy the machine is, is left to chance.
    """

    without: GameResult
    with_repair: GameResult

    @property
    def incidents(self) -> tuple[ComparedIncident, ...]:
        """The incidents side by side, earliest first."""
        pairs = zip(self.without.incidents, self.with_repair.incidents, strict=True)
        return tuple(ComparedIncident(*pair) for pair in pairs)

    @property
    def saved(self) -> int:
        """How many fewer requests failed; negative if more did."""
        return self.without.failed - self.with_repair.failed

    @property
    def by_chance(self) -> float:
        """The largest difference of two such counts without any cause, 19 times out of 20."""
        return CHANCE * math.sqrt(self.without.failed + self.with_repair.failed)

    @property
    def is_shown(self) -> bool:
        """Whether the difference in failed requests is more than chance explains."""
        return abs(self.saved) > self.by_chance

    @property
    def sentence(self) -> str:
        """What was measured, or that no effect is shown."""
        pair = (
            f"{self.with_repair.failed:,} failed requests with repair "
            f"{self.with_repair.repair}, {self.without.failed:,} with repair {self.without.repair}"
        )
        if not self.is_shown:
            return (
                f"{pair}: {NO_EFFECT}. Chance alone explains a difference of {self.by_chance:.0f}."
            )
        verb = "fewer" if self.saved > 0 else "more"
        return (
            f"{pair}: {abs(self.saved):,} {verb}. Chance alone explains {self.by_chance:.0f}. "
            "This is one pair of runs."
        )

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The figures of both runs, each with its name."""
        one, two = self.without, self.with_repair
        times = say_seconds(one.recovery_s), say_seconds(two.recovery_s)
        return [
            ("Failed requests", f"{one.failed:,}", f"{two.failed:,}"),
            ("Failed outside of incidents", f"{one.elsewhere:,}", f"{two.elsewhere:,}"),
            ("Error budget spent", one.spent, two.spent),
            ("Time to recovery, median", *times),
            ("Pages", f"{one.pages:,}", f"{two.pages:,}"),
            ("Actions", f"{one.actions:,}", f"{two.actions:,}"),
            ("Wrong actions", f"{one.wrong_actions:,}", f"{two.wrong_actions:,}"),
        ]

    def __str__(self) -> str:
        head = f"{'':28}{self.without.repair:>10}{self.with_repair.repair:>10}"
        lines = [f"{name:28}{one:>10}{two:>10}" for name, one, two in self.rows]
        incidents = [
            f"{each.without.name:28}{each.cells[0]:>10}{each.cells[1]:>10}"
            for each in self.incidents
        ]
        return "\n".join([self.sentence, head, *lines, "Recovery of each incident:", *incidents])

    __repr__ = __str__

    def _repr_html_(self) -> Markup:
        return render("game_day_comparison.html", comparison=self)


def compare_game_days(without: GameResult, with_repair: GameResult) -> GameComparison:
    """Return two results side by side. Raises GameDayError if their days were not the same."""
    if without.drawn != with_repair.drawn:
        raise GameDayError(
            "These two game days had different incidents, so they cannot be compared. Play both "
            "with the same seed, minutes and rate."
        )
    return GameComparison(without, with_repair)
