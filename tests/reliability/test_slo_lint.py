"""What is said of rules before they fire: all that are no use, and none of the workbook's."""

from dataclasses import replace

import pytest

from kit.reliability.slo.burn import GOOGLE, MONTH_S, BurnRule, RuleSet
from kit.reliability.slo.lint import lint_rules
from kit.reliability.slo.month import simulate_month
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import Series
from kit.reliability.slo.slo import Slo, make_slo
from kit.reliability.slo.threshold import threshold

SPINS = Objective("spins")

PLANTED = {
    "this rule cannot fire": BurnRule("page", 101, 60, 10),
    "one failure fires it": BurnRule("page", 2, 10, 5),
    "its short window is shorter than a second of traffic": BurnRule("page", 2, 120, 0.2, 5),
    "its short window is not shorter than the long one": BurnRule("page", 2, 60, 60, 5),
    "it fires while the objective is met": BurnRule("ticket", 0.5, 600, 60, 5),
    "the budget is gone before it fires": BurnRule("page", 10, 300, 30, 5),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_rule_is_found(what: str) -> None:
    (problem,) = lint_rules(SPINS, RuleSet("Planted", (PLANTED[what],), SPINS.window_s))
    assert problem.what == what
    assert problem.rule == PLANTED[what]


def test_all_six_are_found_together() -> None:
    report = make_slo("spins").lint(RuleSet("Planted", tuple(PLANTED.values()), 600))
    assert [problem.what for problem in report] == list(PLANTED)
    assert report.sentence == "6 problems found in 6 rules."


@pytest.mark.parametrize("target", [0.99, 0.999, 0.9999])
def test_nothing_is_said_of_the_workbooks_rules(target: float) -> None:
    report = lint_rules(replace(SPINS, target=target), GOOGLE)
    assert list(report) == []
    assert len(report.needs) == 3


def test_nothing_is_said_of_the_rules_that_are_derived() -> None:
    for minutes in (10, 30, 60):
        assert list(make_slo("spins", minutes=minutes).lint()) == []


@pytest.mark.parametrize(("target", "is_dead"), [(0.9305, True), (0.931, False)])
def test_the_quick_page_is_dead_at_low_targets(target: float, is_dead: bool) -> None:
    objective = replace(SPINS, target=target)
    found = [problem.what for problem in lint_rules(objective, GOOGLE)]
    assert found == (["this rule cannot fire"] if is_dead else [])
    # It is true: it does not fire when all fails, or it does.
    month = simulate_month(objective, 1, [(1.0, "3 h")])
    assert any(GOOGLE[0].states(month.series, month.objective)) == (not is_dead)


def test_one_failure_really_fires_what_is_said_to() -> None:
    rule = PLANTED["one failure fires it"]
    assert any(rule.states(Series([4] * 9 + [3], [0] * 9 + [1]), SPINS))


def test_a_minimum_that_no_window_holds_is_found() -> None:
    rules = RuleSet("Planted", (BurnRule("page", 2, 10, 5, at_least=50),), 600)
    (problem,) = lint_rules(SPINS, rules)
    assert problem.what == "this rule cannot fire"
    assert "waits for 50 failures" in problem.why


def test_a_window_without_a_request_is_found() -> None:
    rare = replace(SPINS, rate=0.01)
    found = [problem.what for problem in Slo(rare).lint()]
    assert "its short window is shorter than one request of traffic" in found


def test_what_each_rule_needs_is_said() -> None:
    needs = lint_rules(Objective("spins", 0.999), GOOGLE).needs
    assert needs[0].endswith(
        "needs 208 failures in 1 h, 18 of them in 5 min; by then 2 % of the budget is spent."
    )
    assert "No problem found in 3 rules." in repr(lint_rules(SPINS, GOOGLE))


def test_a_threshold_above_everything_is_found() -> None:
    report = lint_rules(SPINS, threshold("5xx > 100 % for 5 min"))
    assert [problem.what for problem in report] == ["this rule cannot fire"]
    assert threshold("5xx > 1 % for 5 min").window_s == MONTH_S
    assert list(lint_rules(SPINS, threshold("5xx > 1 % for 5 min"))) == []
