"""How long the system takes to start, and what memory it takes: python -m tests.benchmarks.start.

Each measurement is in a new process. The packages of the payment service are installed before.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict

from tests.benchmarks.goals import goal

GOAL_S = 2.0
PROGRAM = """
import json, sys, time
from pathlib import Path
import psutil
began = time.perf_counter()
from kit import Workshop
imported = time.perf_counter()
workshop = Workshop.start(home=Path(sys.argv[1]), report=lambda line: None)
started = time.perf_counter()
own = psutil.Process()
rss = {"kernel": own.memory_info().rss}
for child in own.children(recursive=True):
    program = Path(child.exe()).name
    kind = "wrapper" if any("die_with_parent.py" in word for word in child.cmdline()) else program
    name = f"{kind} {sum(each.startswith(kind) for each in rss) + 1}"
    rss[name] = child.memory_info().rss
print(json.dumps({
    "seconds": {"import": imported - began, "start": started - imported},
    "megabytes": {name: size / 2**20 for name, size in rss.items()},
    "unavailable": workshop._system.unavailable,
}))
workshop.stop()
"""


def measure() -> dict[str, dict[str, float]]:
    """Return the seconds until all services are ready, and the megabytes of each process."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-c", PROGRAM, home]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, dict[str, float]] = json.loads(run.stdout)
    assert not result["unavailable"], result["unavailable"]
    return result


def main(times: str = "10") -> int:
    """Print the measurement; return 1 when the median misses the goal."""
    measure()
    results = [measure() for _ in range(int(times))]
    for quantity, unit in (("seconds", "s"), ("megabytes", "MB")):
        taken = defaultdict(list)
        for result in results:
            for name, value in result[quantity].items():
                taken[name].append(value)
        for name, values in taken.items():
            low, median, high = min(values), statistics.median(values), max(values)
            print(f"  {name:<16} min {low:.2f}   median {median:.2f}   max {high:.2f} {unit}")
    start = statistics.median(result["seconds"]["start"] for result in results)
    return 0 if goal(f"ready under {GOAL_S:.0f} s after the import", start < GOAL_S) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
