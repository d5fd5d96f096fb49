"""Whether injected equals observed: python -m tests.benchmarks.injected [--spins 200] [FAULT ...].

Each fault is injected for a share of so many spins of the running system. A hit that left none of
the signs that its fault declares is unexplained, and so is an error event with the flag on of a
spin that was not hit.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from kit import Workshop
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.probe import Probe
from tests.benchmarks.goals import goal
from tests.reliability.pace import pace

SPINS, SHARE, SEED, LEASE_S = 200, 0.25, 7, 600.0


def main(arguments: list[str] | None = None) -> int:
    """Print what was found; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spins", type=int, default=SPINS)
    parser.add_argument("faults", nargs="*")
    asked = parser.parse_args([] if arguments is None else arguments)
    names = asked.faults or [fault.name for fault in FAULTS]
    unexplained, silent = 0, []
    with (
        tempfile.TemporaryDirectory() as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        probe = Probe(workshop.url())
        for name in names:
            with workshop.inject(name, share=SHARE, seconds=LEASE_S, seed=SEED) as injection:
                answers = probe.play(asked.spins, every_s=pace(injection.fault, SHARE))
                injection.note(answers)
            found = injection.journal.reconciliation
            print(f"  {name:18} {found.hits:3} hits, {len(found.unexplained)} unexplained")
            for each in found.unexplained:
                print(f"    {each.trace_id}: {each.why}")
            unexplained += len(found.unexplained)
            silent += [] if found.hits else [name]
    reached = [
        goal(f"none of {asked.spins * len(names):,} spins unexplained", unexplained == 0),
        goal("each fault hits", not silent),
    ]
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
