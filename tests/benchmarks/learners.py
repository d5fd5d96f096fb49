"""What learners cost on one machine: python -m tests.benchmarks.learners [learners ...]

By default 1, 5 and 10 at once. Each learner is a Jupyter kernel of its own, started at the same
moment, with all services, a Node.js and a database; each then crashes three services again and
again. Memory is shared fairly (PSS, on Linux): what the learners have in common counts once in all,
so that the numbers add up. The JupyterLab that each learner of a class has beside that is measured
once. What is started here ends here.

``.jupyterhub/values.yaml`` guarantees ``LEARNER_MB`` to each learner.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import KernelManager

from tests.benchmarks import start
from tests.benchmarks.goals import goal
from tests.browser.lab import running_lab
from tests.notebooks.kernels import COURSE, DEADLINE_S, Kernel

# One notebook that is open, and JupyterLab.
LEARNER_MB = 512
IDLE_PERCENT = 10.0
IDLE_S = 5.0
PRESSES = 5
# What a shell or a hub says of one learner would be the same for all of them here.
OTHERS = ("MONGODB_URI", "WORKSHOP_HOME", "SENTRY_DSN", "JUPYTERHUB_USER")
KINDS = {"die_with_parent.py": "wrappers", "secantus": "database", "main.js": "Node.js"}

START = """
import json, os, time
began = time.perf_counter()
from kit import Workshop
workshop = Workshop.start(report=lambda line: None)
took = time.perf_counter() - began
assert not workshop._system.unavailable, workshop._system.unavailable
print(json.dumps({"pid": os.getpid(), "start_s": took}))
"""
CRASH = f"""
def crash(times):
    taken = []
    def draw(outcome):
        outcome.event._repr_html_()
        taken.append(1000 * (time.time() - outcome.answered_at))
    ids = ["game-engine/crash", "payment/crash", "analytics/crash"] * times
    missing = [name for each in ids for name in workshop.trigger(each, on_event=draw).missing]
    assert not missing and len(taken) == len(ids), (missing, len(taken))
    return taken

crash(1)  # the first of each compiles its templates
print(json.dumps(crash({PRESSES})))
"""


@dataclass(frozen=True)
class Learner:
    """What one learner was given; memory in MB by kind of process."""

    start_s: float
    card_ms: list[float]
    megabytes: Counter[str]
    idle_percent: float


def measure(count: int) -> list[Learner]:
    """Let so many learners start at once, and crash services at once."""
    with classroom(count) as kernels, ThreadPoolExecutor(count) as pool:

        def at_once(code: str) -> list[Any]:
            return list(pool.map(lambda each: json.loads(each.run(code).splitlines()[-1]), kernels))

        started = at_once(START)
        taken = at_once(CRASH)
        families = [family(each["pid"]) for each in started]
        idle = idle_percents(families)
        return [
            Learner(each["start_s"], ms, memory(processes), percent)
            for each, ms, processes, percent in zip(started, taken, families, idle, strict=True)
        ]


@contextmanager
def kernel(**environment: str) -> Iterator[Kernel]:
    """Start a kernel that warns of nothing into the table, and end it."""
    manager = KernelManager(kernel_name="python3")
    own = {**os.environ, **environment}
    manager.start_kernel(cwd=str(COURSE), env=own, stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def classroom(count: int) -> Iterator[list[Kernel]]:
    """Start so many kernels, each with a workshop folder of its own; end them."""
    with ExitStack() as opened, ThreadPoolExecutor(count) as pool:

        def open_one(number: int) -> Kernel:
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            own = {"WORKSHOP_HOME": opened.enter_context(folder)}
            return opened.enter_context(kernel(**own, WORKSHOP_LEARNER=f"learner-{number}"))

        yield list(pool.map(open_one, range(count)))


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def memory(processes: list[psutil.Process]) -> Counter[str]:
    """Return the megabytes that processes use, by kind; the first is the kernel."""
    used: Counter[str] = Counter()
    for number, process in enumerate(processes):
        line = process.cmdline()
        names = (name for word, name in KINDS.items() if any(word in each for each in line))
        # Windows and macOS know no shares: there it is what belongs to the process alone.
        info = process.memory_full_info()
        kind = next(names, "others") if number else "kernel"
        used[kind] += round(getattr(info, "pss", info.uss) / 2**20)
    return used


def idle_percents(families: list[list[psutil.Process]]) -> list[float]:
    """Return how much of one core each family uses while nobody does anything."""

    def used() -> list[float]:
        return [sum(sum(one.cpu_times()[:2]) for one in family) for family in families]

    before, began = used(), time.perf_counter()
    time.sleep(IDLE_S)
    seconds = time.perf_counter() - began
    return [100 * (a - b) / seconds for a, b in zip(used(), before, strict=True)]


def lab_megabytes() -> int:
    """Return what a JupyterLab takes that no browser has opened yet."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        running_lab(Path(folder)),
    ):
        here = psutil.Process()
        (lab,) = (each for each in here.children() if folder in " ".join(each.cmdline()))
        return memory(family(lab.pid)).total()


# A column of the table: its heading, and what it says of a learner.
COLUMNS: dict[str, Callable[[Learner], float]] = {
    "start, s": lambda learner: learner.start_s,
    "memory, MB": lambda learner: learner.megabytes.total(),
    "idle, % of a core": lambda learner: learner.idle_percent,
    "card, ms": lambda learner: statistics.median(learner.card_ms),
    "card p95, ms": lambda learner: statistics.quantiles(learner.card_ms, n=20)[-1],
}


def row(learners: list[Learner], alone: list[Learner]) -> str:
    """Return the row of so many learners: the median of each column, and its ratio to one alone."""
    cells = [f"{len(learners):>8}"]
    for read in COLUMNS.values():
        value = statistics.median(map(read, learners))
        one = statistics.median(map(read, alone))
        ratio = f"({value / one:.1f}x)" if one else ""
        cells.append(f"{value:>11.1f} {ratio:<8}")
    return " ".join(cells)


def main(*counts: str) -> int:
    """Print the table; return 1 when a learner costs more than a hub guarantees."""
    for name in OTHERS:
        os.environ.pop(name, None)
    start.measure()
    memory_gb = psutil.virtual_memory().total / 2**30
    load, cores = psutil.getloadavg()[0], psutil.cpu_count()
    print(f"  this machine: {cores} cores, {memory_gb:.0f} GB, load {load:.1f} before")
    print("  learners", *(f"{name:^20}" for name in COLUMNS), flush=True)
    measured = [measure(1)]
    print(f"  {row(measured[0], measured[0])}", flush=True)
    for count in [int(each) for each in counts or ("1", "5", "10") if each != "1"]:
        measured.append(measure(count))
        print(f"  {row(measured[-1], measured[0])}", flush=True)
    for learners in measured:
        kinds = sum((each.megabytes for each in learners), Counter[str]())
        print(f"  memory of {len(learners)}: {kinds.total()} MB:", dict(kinds))
    lab = lab_megabytes()
    print(f"  JupyterLab: {lab} MB more for each")
    most = lab + max(each.megabytes.total() for learners in measured for each in learners)
    idle = statistics.median(each.idle_percent for each in measured[-1])
    reached = [
        goal(f"a learner takes {most} MB, under {LEARNER_MB}", most < LEARNER_MB),
        goal(f"an idle one {idle:.1f} % of a core, under {IDLE_PERCENT:g}", idle < IDLE_PERCENT),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
