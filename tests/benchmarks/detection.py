"""How soon a live budget pages: python -m tests.benchmarks.detection [--runs 20] [--share 0.1].

Each run has traffic of its own: five quiet seconds, then payments that fail for a share of it. The
time is from the injection to the page of the budget's own rules. Shares may be measured at once, by
a process each.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kit import Workshop
from kit.reliability.slo.slo import Slo
from kit.reliability.traffic.traffic import Traffic
from tests.benchmarks.goals import goal

RUNS, QUIET_S, PATIENCE_S, LOOK_EVERY_S = 20, 5.0, 60.0, 0.1
# What the arithmetic alone gives, in seconds by share; a real service adds some.
EXPECTED_S = {0.25: 5.0, 0.1: 11.0, 0.05: 25.0}
ADDED_S = 3.0
LEAST_PAGED = 0.9


@dataclass(frozen=True)
class Detection:
    """How a run ended: ``seconds`` from the fault to the page, None without one.

    ``is_false`` says that a rule paged before the fault, so there is no time.
    """

    seconds: float | None = None
    is_false: bool = False


def pages(slo: Slo, traffic: Traffic) -> bool:
    """Whether a rule that pages has fired."""
    return any(alert.severity == "page" for alert in slo.fired(traffic))


def detect(workshop: Workshop, share: float, seed: int) -> Detection:
    """Play a run of its own: quiet traffic, then a fault."""
    slo = workshop.slo("spins")
    traffic = workshop.traffic(seed=seed)
    with traffic.running(minutes=(QUIET_S + PATIENCE_S) / 60 + 0.1):
        time.sleep(QUIET_S)
        if pages(slo, traffic):
            return Detection(is_false=True)
        with workshop.inject("payment-fails", share=share, seconds=PATIENCE_S, seed=seed):
            began = time.monotonic()
            while time.monotonic() - began < PATIENCE_S:
                if pages(slo, traffic):
                    return Detection(time.monotonic() - began)
                time.sleep(LOOK_EVERY_S)
    return Detection()


def main(arguments: list[str] | None = None) -> int:
    """Print what was measured; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--share", type=float, choices=EXPECTED_S, default=0.1)
    asked = parser.parse_args([] if arguments is None else arguments)
    with (
        tempfile.TemporaryDirectory() as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        found = [detect(workshop, asked.share, seed) for seed in range(asked.runs)]
    paged = sorted(each.seconds for each in found if each.seconds is not None)
    print(f"  {asked.share:.0%}: {', '.join(f'{each:.1f}' for each in paged)} s")
    if not paged:
        return int(not goal("some runs page", False))
    most_s = EXPECTED_S[asked.share] + ADDED_S
    median_s = statistics.median(paged)
    reached = [
        goal(f"half of the runs page within {most_s:g} s ({median_s:.1f} s)", median_s <= most_s),
        goal(
            f"{LEAST_PAGED:.0%} of {asked.runs} runs page ({len(paged)})",
            len(paged) >= LEAST_PAGED * asked.runs,
        ),
        goal("no run pages before its fault", not any(each.is_false for each in found)),
    ]
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
