"""The plan of a schedule: the same seed gives the same bytes, and nothing gets in another's way."""

import os
import subprocess
import sys
from hashlib import sha256
from itertools import combinations, pairwise
from typing import Any

import pytest

from kit.reliability.faults.catalogue import FAULTS, UnknownFault
from kit.reliability.faults.incident import Incident
from kit.reliability.faults.plan import (
    GAP_S,
    FaultPlan,
    PlanError,
    make_plan,
    no_op_service,
    opaque_flag,
)

DESIGN: dict[str, Any] = {"minutes": 8, "faults": 5, "no_ops": 2, "seed": 2026}
# Of 2026, whatever the platform: it changes with the plan's rules, and nothing else.
DIGEST = "e8d3af37891ed2db223dc59b6bf19c88b79df9ca5606ff06dac8cc04754d42a8"


def overlaps(one: Incident, other: Incident) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def most_at_once(plan: FaultPlan) -> int:
    return max(
        sum(each.starts_at <= at.starts_at < each.ends_at for each in plan.incidents)
        for at in plan.incidents
    )


def test_the_same_seed_gives_the_same_bytes() -> None:
    made = {make_plan(**DESIGN).as_json() for _ in range(100)}
    assert len(made) == 1
    assert sha256(made.pop().encode()).hexdigest() == DIGEST
    assert make_plan(**{**DESIGN, "seed": 2027}).as_json() != make_plan(**DESIGN).as_json()


def test_the_seed_of_hashes_changes_nothing() -> None:
    program = (
        "from kit.reliability.faults.plan import make_plan;"
        f"print(make_plan(**{DESIGN!r}).as_json(), end='')"
    )
    env = {**os.environ, "PYTHONHASHSEED": "4242"}
    ended = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert ended.stdout == make_plan(**DESIGN).as_json(), ended.stderr


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_incidents_fit_and_do_not_replace_each_other(seed: int, concurrency: int) -> None:
    hold = (10.0, 30.0)
    plan = make_plan(
        minutes=4,
        faults=9,
        no_ops=3,
        seed=seed,
        hold=hold,
        concurrency=concurrency,
        kinds=("payment-fails", "ledger-down", "mongo-slow", "clock-skew"),
    )
    incidents = plan.incidents
    assert len(incidents) == 12
    assert sum(each.is_no_op for each in incidents) == 3
    assert [each.starts_at for each in incidents] == sorted(each.starts_at for each in incidents)
    for each in incidents:
        assert 0 <= each.starts_at < each.ends_at <= plan.seconds
        assert hold[0] - 0.1 <= each.ends_at - each.starts_at <= hold[1] + 0.1
        assert each.share in (0.25, 0.5)
    assert most_at_once(plan) <= concurrency
    for one, other in combinations(incidents, 2):
        assert one.fault != other.fault or not overlaps(one, other)


def test_incidents_in_a_row_leave_a_gap() -> None:
    for seed in range(20):
        incidents = make_plan(**{**DESIGN, "seed": seed}).incidents
        gaps = [b.starts_at - a.ends_at for a, b in pairwise(incidents)]
        assert min(gaps) >= 0
        assert all(a.ends_at <= a.starts_at + 480 / 7 - GAP_S + 0.1 for a in incidents)


def test_each_fault_comes_before_one_comes_again() -> None:
    plan = make_plan(minutes=30, faults=len(FAULTS), no_ops=0, seed=3)
    assert {each.fault for each in plan.incidents} == {fault.name for fault in FAULTS}


def test_a_seed_that_is_not_given_is_drawn_and_told() -> None:
    plans = [make_plan(minutes=8, faults=5, no_ops=2) for _ in range(5)]
    assert len({plan.seed for plan in plans}) > 1
    assert plans[0] == make_plan(minutes=8, faults=5, no_ops=2, seed=plans[0].seed)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"minutes": 1}, "more minutes"),
        ({"faults": 0, "no_ops": 0}, "at least one"),
        ({"hold": (30.0, 20.0)}, "lower first"),
        ({"hold": (30.0, 900.0)}, "600"),
        ({"concurrency": 0}, "at least 1"),
        ({"kinds": ("mongo-slow",), "concurrency": 2}, "more kinds"),
        ({"shares": ()}, "above 0"),
        ({"shares": (25,)}, "at most 1"),
    ],
)
def test_a_plan_that_cannot_be_says_what_would_fit(given: dict[str, Any], says: str) -> None:
    with pytest.raises(PlanError, match=says):
        make_plan(**{**DESIGN, **given})


def test_an_unknown_kind_names_what_is_like_it() -> None:
    with pytest.raises(UnknownFault, match="payment-fails"):
        make_plan(**DESIGN, kinds=("payment-fail",))


def test_flags_and_services_say_nothing_of_the_fault() -> None:
    flags = {opaque_flag(2026, number) for number in range(50)}
    assert len(flags) == 50
    assert not any(fault.name in flag for flag in flags for fault in FAULTS)
    assert {no_op_service(2026, number, 4) for number in range(50)} == {0, 1, 2, 3}
