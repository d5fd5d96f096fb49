"""Kernels that are interrupted, restarted or killed at a random moment.

``WORKSHOP_SEED`` repeats the points of a run, ``WORKSHOP_POINTS`` says how many to try.
"""

import os
import random
from pathlib import Path

import pytest

from tests.hard.endings import ENDINGS, check, points

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("WORKSHOP_SEED") or random.randrange(10**6))
POINTS = int(os.environ.get("WORKSHOP_POINTS") or 1)


@pytest.mark.parametrize("number", range(POINTS))
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_next_start_works_and_nothing_is_left(ending: str, number: int, tmp_path: Path) -> None:
    # Each ending has points of its own; the name of the test must not depend on the seed.
    point = points(SEED + ENDINGS.index(ending), POINTS)[number]
    print(f"WORKSHOP_SEED={SEED}: {ending} at {point}")
    check(ending, point, tmp_path)


def test_a_seed_gives_the_same_points_and_many_reach_every_stage() -> None:
    assert points(1, 30) == points(1, 30) != points(2, 30)
    assert len({point.stage for point in points(1, 9)}) == 9
