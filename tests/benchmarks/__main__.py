"""All benchmarks, one after the other: python -m tests.benchmarks. Exit 1 if a goal is missed.

Run it on a machine that does nothing else. It takes some minutes.
"""

import sys

from tests.benchmarks import (
    alerts,
    answer_to_card,
    course,
    faults,
    first_press,
    ingest,
    start,
    store,
    traffic,
)

BENCHMARKS = {
    "start and memory": start.main,
    "first press": first_press.main,
    "answer to card": answer_to_card.main,
    "ingest": ingest.main,
    "store": store.main,
    "faults": faults.main,
    "traffic": traffic.main,
    "course": course.main,
    "alerts": alerts.main,
}


def main() -> int:
    """Run them all; return how many missed a goal."""
    missed = 0
    for name, run in BENCHMARKS.items():
        print(f"\n{name}", flush=True)
        missed += run()
    return missed


if __name__ == "__main__":
    sys.exit(main())
