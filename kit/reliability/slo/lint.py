"""Finds what is wrong with burn-rate rules before anything has fired."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import overload

from markupsafe import Markup

from kit.html import render
from kit.reliability.slo.burn import BurnRule, RuleSet, SloRule, ThresholdRule
from kit.reliability.slo.durations import say_length
from kit.reliability.slo.objective import Objective
from kit.words import count_noun


@dataclass(frozen=True)
class RuleProblem:
    """Why a rule does not serve its purpose, and what to do about it."""

    rule: SloRule
    what: str
    why: str
    fix: str

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.rule.sentence}: {self.what}. {self.why} {self.fix}"


class RuleReport(Sequence[RuleProblem]):
    """The problems of rules; shown in a notebook as a list.

    ``needs`` says for each rule what makes it fire at the objective's traffic: not a problem, but
    good to know.
    """

    def __init__(self, problems: Sequence[RuleProblem], needs: Sequence[str]) -> None:
        self._problems = tuple(problems)
        self.needs = tuple(needs)

    @overload
    def __getitem__(self, index: int) -> RuleProblem: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RuleProblem]: ...
    def __getitem__(self, index: int | slice) -> RuleProblem | Sequence[RuleProblem]:
        return self._problems[index]

    def __len__(self) -> int:
        return len(self._problems)

    @property
    def sentence(self) -> str:
        """How many problems there are."""
        rules = count_noun(len(self.needs), "rule")
        if not self:
            return f"No problem found in {rules}."
        return f"{count_noun(len(self), 'problem')} found in {rules}."

    def __repr__(self) -> str:
        lines = [f"<RuleReport: {self.sentence}>", *(each.sentence for each in self), *self.needs]
        return "\n".join(lines)

    def _repr_html_(self) -> Markup:
        return render("slo_lint.html", report=self)


def lint_rules(objective: Objective, rules: RuleSet) -> RuleReport:
    """Return what is wrong with rules for an objective, at its planned traffic.

    Shares of the budget are over the window that the rules are made for.
    """
    objective = replace(objective, window_s=rules.window_s)
    problems = [problem for rule in rules for problem in _problems(rule, objective)]
    return RuleReport(problems, [_need(rule, objective) for rule in rules])


def _need(rule: SloRule, objective: Objective) -> str:
    if not isinstance(rule, BurnRule):
        return f"{rule.sentence}."
    if rule.share_of(objective) > 1:
        return f"{rule.sentence}: needs more failures than there are requests."
    failures = count_noun(rule.needs(objective), "failure")
    spent = 100 * rule.spends(objective)
    return (
        f"{rule.sentence}: needs {failures} in {say_length(rule.long_s)}, "
        f"{rule.needs_lately(objective)} of them in {say_length(rule.short_s)}; "
        f"by then {spent:.3g} % of the budget is spent."
    )


def _problems(rule: SloRule, objective: Objective) -> Iterator[RuleProblem]:
    if isinstance(rule, ThresholdRule):
        if rule.share >= 1:
            yield RuleProblem(
                rule,
                "this rule cannot fire",
                "No more than 100 % of requests can fail.",
                "Choose a share below 100 %.",
            )
    elif isinstance(rule, BurnRule):
        impossible = list(_impossible(rule, objective))
        yield from impossible or _trigger_happy(rule, objective)
        yield from _windows(rule, objective)
        if not impossible and rule.spends(objective) > 1:
            yield RuleProblem(
                rule,
                "the budget is gone before it fires",
                f"A steady burn has spent {100 * rule.spends(objective):,.0f} % of it by then.",
                "Shorten the long window.",
            )


def _impossible(rule: BurnRule, objective: Objective) -> Iterator[RuleProblem]:
    most = 1 / objective.budget_share
    requests = objective.rate * rule.long_s
    if Fraction(str(rule.burn)) > most:
        yield RuleProblem(
            rule,
            "this rule cannot fire",
            f"When every request fails, a target of {100 * objective.target:g} % burns at "
            f"{float(most):.4g}, and the rule waits for {rule.burn:g}.",
            "Lower the burn rate, or raise the target.",
        )
    elif rule.at_least > requests:
        yield RuleProblem(
            rule,
            "this rule cannot fire",
            f"It waits for {rule.at_least} failures, but the long window holds "
            f"{requests:.3g} requests at this traffic.",
            "Lower the minimum, or lengthen the window.",
        )


def _trigger_happy(rule: BurnRule, objective: Objective) -> Iterator[RuleProblem]:
    if rule.needs(objective) == 1:
        yield RuleProblem(
            rule,
            "one failure fires it",
            f"The long window holds {objective.rate * rule.long_s:.3g} requests at this traffic: "
            f"one failure among them is more than the {100 * rule.share_of(objective):.3g} % that "
            "the rule waits for.",
            "Set a minimum of failures, or lengthen the window.",
        )
    if rule.burn < 1:
        yield RuleProblem(
            rule,
            "it fires while the objective is met",
            f"At a burn rate of {rule.burn:g} some of the budget is left at the end.",
            "Choose a burn rate of 1 or more.",
        )


def _windows(rule: BurnRule, objective: Objective) -> Iterator[RuleProblem]:
    lately = objective.rate * rule.short_s
    if rule.short_s < 1 or lately < 1:
        held = "a second" if rule.short_s < 1 else "one request"
        yield RuleProblem(
            rule,
            f"its short window is shorter than {held} of traffic",
            f"{say_length(rule.short_s)} hold {lately:.2g} requests at this traffic: most of the "
            "time it is empty, and the rule is off.",
            "Lengthen both windows.",
        )
    if rule.short_s >= rule.long_s:
        yield RuleProblem(
            rule,
            "its short window is not shorter than the long one",
            "So it keeps firing long after the failures have ended.",
            "Choose about a twelfth of the long window.",
        )
