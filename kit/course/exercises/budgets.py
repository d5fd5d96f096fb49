"""Error budgets: how much of one is left, and a rule that pages before it is gone."""

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

# A request a minute: that is where rules which were made for more traffic go wrong.
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
            f"The same as the kit for {HISTORIES} histories, among them some without requests and "
            "some with the objective missed."
        )

    return FunctionExercise(
        "budget-left",
        verify,
        "Three steps: take the last seconds, as many as the window has; add up what is good and "
        "what is bad; a share of 1 - target of both together may fail. What is not valid counts "
        "nowhere.",
        LEFT_SOLUTION.strip(),
        answer_name="budget_left",
    )


def _histories() -> Iterator[tuple[list[Second], float, int]]:
    """Yield histories that are at least as long as the window, the short ones first."""
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
        raise Wrong(f"It returned {returned!r}: return how many more failures are allowed.")
    expected = _left(history, target, window)
    if math.isclose(returned, expected, abs_tol=NEAR):
        return
    given = f"budget_left({_short(history)}, {target}, {window})"
    why = _why(float(returned), expected, history, target, window)
    raise Wrong(
        f"{given} returned {float(returned):.6g}, and {expected:.6g} are left. {why}".strip()
    )


def _left(history: Sequence[Second], target: float, window: int) -> float:
    seconds = ((at, good, bad) for at, (good, bad, _) in enumerate(history))
    objective = Objective("requests", target, float(window))
    budget = measure_budget(objective, RecordedSeconds(seconds), len(history) - 1)
    return budget.left


def _why(
    returned: float, expected: float, history: Sequence[Second], target: float, window: int
) -> str:
    """Return what was overlooked, where the number gives it away."""
    all_bad = [(0, bad + not_valid, 0) for _, bad, not_valid in history]
    good = [(good, 0, 0) for good, _, _ in history]
    valid_too = [(good + not_valid, bad, 0) for good, bad, not_valid in history]
    failed_too = [(good[0], bad[1], 0) for good, bad in zip(good, all_bad, strict=True)]
    overlooked = {
        "What is not valid says nothing of the system.": (
            _left(valid_too, target, window),
            _left(failed_too, target, window),
            expected - sum(not_valid for *_, not_valid in history[-window:]),
        ),
        "Failures that have left the window are forgiven.": (_left(history, target, len(history)),),
        "A missed objective has less than nothing left: say by how much.": (0.0,) * (expected < 0),
        "A failed request is a request, too: the share is one of both.": (
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
    """Choose a burn-rate rule for low traffic, and try it on simulated months."""

    def verify(answer: object) -> str:
        rules = RuleSet("yours", (_rule(answer),), MONTH_S)
        for problem in lint_rules(ORDERS, rules):
            raise Wrong(f"Before it fires: {problem.what}. {problem.why} {problem.fix}")
        _check_quiet(rules)
        outage, quarter, over = _check_incidents(rules)
        return (
            f"In {len(BAD_MONTHS)} simulated months, in the median: the outage pages after "
            f"{outage:g} min, the quarter after {quarter:g} min, and its page is over {over:g} min "
            f"after the outage. {len(QUIET_MONTHS)} quiet months: no page."
        )

    return Exercise(
        "a-rule-that-pages",
        verify,
        "Begin with the minimum: how many failures are there in an ordinary hour, and how many "
        "minutes of an outage do you need for more than that? Then the windows: an hour gathers "
        "enough, and the short one decides when the page is over. Last the burn rate: low enough "
        "that a quarter of failures reaches it in time.",
        RULE_SOLUTION,
        answer_name="rule",
    )


def _rule(answer: object) -> BurnRule:
    """Return the rule that is meant. Raises Wrong or NotTried."""
    if not isinstance(answer, Mapping) or set(answer) != set(FIELDS):
        raise Wrong(f"check() wants a dict with {', '.join(FIELDS)}, and nothing else.")
    if any(each is ... for each in answer.values()):
        raise NotTried
    burn, at_least = _number("burn", answer["burn"]), _number("at_least", answer["at_least"])
    if not float(at_least).is_integer():
        raise Wrong("at_least is a number of failures: a whole one.")
    try:
        long_s, short_s = (read_length(str(answer[each])) for each in ("long", "short"))
        return BurnRule("page", burn, long_s, short_s, int(at_least))
    except ValueError as error:
        raise Wrong(str(error)) from error


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Wrong(f"{name} is {value!r}, and it has to be a number.")
    return value


def _check_quiet(rules: RuleSet) -> None:
    pages = [
        simulate_month(ORDERS, seed, ordinary=ORDINARY).compare(rules).false_pages["yours"]
        for seed in QUIET_MONTHS
    ]
    if sum(pages):
        raise Wrong(
            f"In {sum(map(bool, pages))} of {len(pages)} quiet months it pages, {sum(pages)} "
            "times in all, for ordinary failures. Ask for more of them."
        )


def _check_incidents(rules: RuleSet) -> tuple[float, float, float]:
    """Return the medians: minutes until each page, and until that of the outage is over."""
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
            f"The page of the outage goes on for {_said(over)} after its end (median), and "
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
        raise Wrong(f"{when}, {after} (median), and it has to within {most} min.")


def _said(minutes: float) -> str:
    return "ever" if minutes == math.inf else say_length(60 * minutes)
