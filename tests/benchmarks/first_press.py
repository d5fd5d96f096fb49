"""What the first press costs beside the fifth: python -m tests.benchmarks.first_press [times].

A new process each time: it starts the workshop and presses at once, and again. No browser is
there: a press ends when card, trace and all else are rendered.
"""

import json
import statistics
import subprocess
import sys
import tempfile

from tests.benchmarks.goals import goal

GOAL = 2.0
CRASH = "game-engine/crash"
PROGRAM = """
import json, sys, time
from pathlib import Path
from kit import Workshop
began = time.perf_counter()
workshop = Workshop.start(home=Path(sys.argv[1]), report=lambda line: None)
took = [time.perf_counter() - began]
widget = workshop.crash(sys.argv[2])
for _ in range(5):
    began = time.perf_counter()
    outcome = widget.click()
    took.append(time.perf_counter() - began)
    assert not outcome.missing, outcome.missing
print(json.dumps(took))
workshop.stop()
"""


def measure(crash_id: str) -> list[float]:
    """Return the seconds of a start, and of each of the five presses after it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-c", PROGRAM, home, crash_id]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    # Without a notebook what is displayed is printed, too.
    took: list[float] = json.loads(run.stdout.splitlines()[-1])
    return took


def main(times: str = "7", crash_id: str = CRASH) -> int:
    """Print the measurement; return 1 when the median misses the goal."""
    measure(crash_id)
    runs = [measure(crash_id) for _ in range(int(times))]
    columns = {"start": 0, "press 1": 1, "press 5": 5}
    for name, column in columns.items():
        values = sorted(run[column] for run in runs)
        low, median, high = values[0], statistics.median(values), values[-1]
        print(f"  {name:<8} min {low:.3f}   median {median:.3f}   max {high:.3f} s")
    ratio = statistics.median(run[1] / run[5] for run in runs)
    print(f"  press 1 / press 5: median {ratio:.2f}")
    return 0 if goal(f"the first press at most {GOAL} times the fifth", ratio <= GOAL) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
