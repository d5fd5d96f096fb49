"""Error budgets: how much is left, and a rule that pages before the budget is gone."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from statistics import median
from typing import Any

from kit.course.exercise import Exercise, FunctionExercise, NotTried, Wrong
from kit.reliability.slo.budget import measure_budget
from kit.reliability.slo.burn import MONTH_S, BurnRule, RuleSet
from kit.reliability.slo.comparison import RuleOutcome
from kit.reliability.slo.durations import read_length, say_length
from kit.reliability.slo.lint import lint_rules
from kit.reliability.slo.month import simulate_month
from kit.reliability.slo.objective import Objective
from kit.reliability.slo.series import RecordedSeconds

# Good, bad and not valid.
Second = tuple[int, int, int]
BudgetLeft = Callable[[list[Second], float, int], object]

HISTORIES = 40
TARGETS = (0.9, 0.95, 0.99, 0.995, 0.999)
NEAR = 1e-6

# A request a minute: rules made for more traffic fail here.
ORDERS = Objective("orders", 0.99, float(MONTH_S), 1 / 60)
OUTAGE, QUARTER = (1.0, "30 min"), (0.25, "3 h")
OUTAGE_WITHIN, QUARTER_WITHIN, OVER_WITHIN = 7, 25, 15
ORDINARY = 0.005
BAD_MONTHS, QUIET_MONTHS = range(12), range(100, 116)
FIELDS = ("burn", "long", "short", "at_least")

LEFT_SOLUTION = """
from fractions import Fraction


def budget_left(history, target, window):
    counted = history[-window:]
    bad = sum(each[1] for each in counted)
    valid = sum(each[0] for each in counted) + bad
    return float((1 - Fraction(str(target))) * valid - bad)
"""
RULE_SOLUTION = 'rule = {"burn": 6, "long": "1 h", "short": "10 min", "at_least": 6}'


def budget_left() -> Exercise:
    """Write a function that returns how many more failures an objective allows."""

    def verify(answer: BudgetLeft) -> str:
        for history, target, window in _histories():
            _check_left(answer, history, target, window)
        return (
            f"The same results as the kit's for {HISTORIES} histories, including some without "
            "requests and some with a missed objective."
        )

    return FunctionExercise(
        "budget-left",
        verify,
        "Three steps: take the last seconds, as many as the window has; add up good and bad "
        "requests; a share of 1 - target of their sum may fail. Ignore requests that are not "
        "valid.",
        LEFT_SOLUTION.strip(),
        answer_name="budget_left",
    )


def _histories() -> Iterator[tuple[list[Second], float, int]]:
    """Yield histories that are at least as long as the window, short ones first."""
    yield [(3, 1, 0), (4, 0, 0)], 0.9, 2
    yield [(90, 10, 50), (100, 0, 0)], 0.9, 2
    yield [(0, 9, 0), (100, 0, 0), (99, 1, 0)], 0.99, 2
    yield [(0, 0, 5)] * 3, 0.99, 3
    source = random.Random(22)  # noqa: S311 - a simulation
    for _ in range(HISTORIES - 4):
        window = source.randint(1, 60)
        failing = source.choice((0.0, 0.01, 0.3))
        history = [_second(source, failing) for _ in range(window + source.randint(0, 30))]
        yield history, source.choice(TARGETS), window


def _second(source: random.Random, failing: float) -> Second:
    outcomes = [source.random() < failing for _ in range(source.randint(0, 10))]
    return outcomes.count(False), outcomes.count(True), source.randint(0, 2)


def _check_left(answer: BudgetLeft, history: list[Second], target: float, window: int) -> None:
    returned = answer(list(history), target, window)
    if isinstance(returned, bool) or not isinstance(returned, int | float | Fraction):
        raise Wrong(f"It returned {returned!r}: return the number of failures still allowed.")
    expected = _left(history, target, window)
    if math.isclose(returned, expected, abs_tol=NEAR):
        return
    given = f"budget_left({_short(history)}, {target}, {window})"
    why = _why(float(returned), expected, history, target, window)
    raise Wrong(
        f"{given} returned {float(returned):.6g}, but {expected:.6g} are left. {why}".strip()
    )


def _left(history: Sequence[Second], target: float, window: int) -> float:
    seconds = ((at, good, bad) for at, (good, bad, _) in enumerate(history))
    objective = Objective("requests", target, float(window))
    budget = measure_budget(objective, RecordedSeconds(seconds), len(history) - 1)
    return budget.left


def _why(
    returned: float, expected: float, history: Sequence[Second], target: float, window: int
) -> str:
    """Return what the answer overlooks, if its number shows that."""
    all_bad = [(0, bad + not_valid, 0) for _, bad, not_valid in history]
    good = [(good, 0, 0) for good, _, _ in history]
    valid_too = [(good + not_valid, bad, 0) for good, bad, not_valid in history]
    failed_too = [(good[0], bad[1], 0) for good, bad in zip(good, all_bad, strict=True)]
    overlooked = {
        "A request that is not valid says nothing about the system.": (
            _left(valid_too, target, window),
            _left(failed_too, target, window),
            expected - sum(not_valid for *_, not_valid in history[-window:]),
        ),
        "Failures outside the window no longer count.": (_left(history, target, len(history)),),
        "A missed objective leaves a negative number: return it.": (0.0,) * (expected < 0),
        "Failed requests are requests, too: the share is of good and bad together.": (
            _left(good, target, window) - sum(bad for _, bad, _ in history[-window:]),
        ),
    }
    return next(
        (
            said
            for said, numbers in overlooked.items()
            if any(math.isclose(returned, each, abs_tol=NEAR) for each in numbers)
        ),
        "",
    )


def _short(history: Sequence[Second]) -> str:
    return repr(list(history)) if len(history) <= 3 else f"[… {len(history)} seconds]"


def rule_that_pages() -> Exercise:
    """Choose a burn-rate rule for low traffic and try it on simulated months."""

    def verify(answer: object) -> str:
        rules = RuleSet("yours", (_rule(answer),), MONTH_S)
        for problem in lint_rules(ORDERS, rules):
            raise Wrong(f"Before it fires: {problem.what}. {problem.why} {problem.fix}")
        _check_quiet(rules)
        outage, quarter, over = _check_incidents(rules)
        return (
            f"Medians over {len(BAD_MONTHS)} simulated months: the outage pages after {outage:g} "
            f"min, the quarter after {quarter:g} min, and the outage's page ends {over:g} min "
            f"after the outage. {len(QUIET_MONTHS)} quiet months: no page."
        )

    return Exercise(
        "a-rule-that-pages",
        verify,
        "Start with the minimum: how many failures does an ordinary hour have, and how many "
        "minutes of an outage exceed that? Then the windows: an hour collects enough requests, and "
        "the short window decides when the page ends. Last, the burn rate: low enough that a "
        "quarter failing reaches it in time.",
        RULE_SOLUTION,
        answer_name="rule",
    )


def _rule(answer: object) -> BurnRule:
    """Return the rule in an answer. Raises Wrong or NotTried."""
    if not isinstance(answer, Mapping) or set(answer) != set(FIELDS):
        raise Wrong(f"check() needs a dict with {', '.join(FIELDS)}, and nothing else.")
    if any(each is ... for each in answer.values()):
        raise NotTried
    burn, at_least = _number("burn", answer["burn"]), _number("at_least", answer["at_least"])
    if not float(at_least).is_integer():
        raise Wrong("at_least must be a whole number of failures.")
    try:
        long_s, short_s = (read_length(str(answer[each])) for each in ("long", "short"))
        return BurnRule("page", burn, long_s, short_s, int(at_least))
    except ValueError as error:
        raise Wrong(str(error)) from error


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Wrong(f"{name} is {value!r}, but must be a number.")
    return value


def _check_quiet(rules: RuleSet) -> None:
    pages = [
        simulate_month(ORDERS, seed, ordinary=ORDINARY).compare(rules).false_pages["yours"]
        for seed in QUIET_MONTHS
    ]
    if sum(pages):
        raise Wrong(
            f"In {sum(map(bool, pages))} of {len(pages)} quiet months it pages for ordinary "
            f"failures, {sum(pages)} times in all. Require more of them."
        )


def _check_incidents(rules: RuleSet) -> tuple[float, float, float]:
    """Return medians in minutes: until each page, and until the outage's page is over."""
    months = [
        simulate_month(ORDERS, seed, (OUTAGE, QUARTER), ordinary=ORDINARY).compare(rules)
        for seed in BAD_MONTHS
    ]
    outage = _median(month[0].paged_after for month in months)
    quarter = _median(month[1].paged_after for month in months)
    over = _median(_reset(month[0]) for month in months)
    _check_time("When everything fails", outage, OUTAGE_WITHIN)
    _check_time("When a quarter fails", quarter, QUARTER_WITHIN)
    if over > OVER_WITHIN:
        raise Wrong(
            f"The outage's page continues for {_said(over)} after its end (median), and "
            f"{OVER_WITHIN} min are allowed. Which of the two windows decides that?"
        )
    return outage, quarter, over


def _reset(outcome: RuleOutcome) -> int | None:
    return outcome.reset_after


def _median(minutes: Iterator[int | None]) -> float:
    return median(math.inf if each is None else each for each in minutes)


def _check_time(when: str, minutes: float, most: int) -> None:
    if minutes > most:
        after = "no page comes" if minutes == math.inf else f"the page comes after {_said(minutes)}"
        raise Wrong(f"{when}, {after} (median); the limit is {most} min.")


def _said(minutes: float) -> str:
    return "ever" if minutes == math.inf else say_length(60 * minutes)
