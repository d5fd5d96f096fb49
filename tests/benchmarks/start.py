"""How long the system takes to start, in new processes: python -m tests.benchmarks.start."""

import statistics
import subprocess
import sys
import tempfile

GOAL_S = 1.0
PROGRAM = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from kit import Workshop
imported = time.perf_counter()
workshop = Workshop.start(home=Path(sys.argv[1]), report=lambda line: None)
print(imported - began, time.perf_counter() - imported)
workshop.stop()
"""


def measure() -> tuple[float, float]:
    """Return the seconds of the import, and those from there until all services are ready."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-c", PROGRAM, home]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    imported, started = map(float, run.stdout.split())
    return imported, started


def main(times: str = "10") -> int:
    """Print the measurement; return 1 when the median misses the goal."""
    imports, starts = zip(*(measure() for _ in range(int(times))), strict=True)
    for name, taken in (("import", imports), ("start", starts)):
        low, median, high = min(taken), statistics.median(taken), max(taken)
        print(f"{name:<7} min {low:.2f} s   median {median:.2f} s   max {high:.2f} s")
    is_reached = statistics.median(starts) < GOAL_S
    verdict = "reached" if is_reached else "MISSED"
    print(f"goal: ready under {GOAL_S:.0f} s after the import: {verdict}")
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
