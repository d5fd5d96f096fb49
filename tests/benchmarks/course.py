"""How long the whole course takes under nbmake: python -m tests.benchmarks.course.

In four processes, as CI runs it: notebooks wait about as long as they compute. Nothing is pressed.
What is installed at the first start, once per machine, is not counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import start
from tests.benchmarks.goals import goal

ROOT = Path(__file__).resolve().parent.parent.parent
GOAL_S = 180.0
PROCESSES = 4


def measure() -> tuple[float, str]:
    """Return the seconds that it took, and what was printed. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-m", "pytest", "--nbmake", "-n", str(PROCESSES)]
        command += ["--durations=0", "notebooks"]
        began = time.perf_counter()
        run = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "WORKSHOP_HOME": home},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return time.perf_counter() - began, run.stdout


def main() -> int:
    """Print the measurement; return 1 when the goal is missed."""
    start.measure()
    taken, printed = measure()
    for line in printed.splitlines():
        if " call " in line:
            print(f"  {line.strip()}")
    print(f"  all of it: {taken:.0f} s")
    return 0 if goal(f"under {GOAL_S:.0f} s", taken < GOAL_S) else 1


if __name__ == "__main__":
    sys.exit(main())
