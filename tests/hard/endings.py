"""Interrupts, restarts and kills a kernel at random points: python -m tests.hard.endings [points].

A second argument repeats the points of that seed. After each ending the workshop starts again in
the same folder and a crash is captured; nothing that the kernel had started is left.
"""

import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from tests.notebooks.kernels import DEADLINE_S, Kernel, kernel
from tests.processes import gone

MARK = "WORKSHOP_TEST_MARK"
GONE_S = 60.0
IMPORT = "from kit import Workshop"
START = f"{IMPORT}\nworkshop = Workshop.start()"
AGAIN = f"""{START}
for crash in ("game-engine/crash", "payment/async-error"):
    print(workshop.trigger(crash).missing)"""
FIRE = "panel = workshop.panel(); display(panel); panel.fire_all().result()"
# What is begun, what runs before, and about how many seconds it takes.
STAGES = {
    "import": ("", IMPORT, 1.5),
    "start": (IMPORT, "workshop = Workshop.start()", 3.0),
    "crash": (START, "workshop.trigger('analytics/crash')", 0.2),
    "loop": (START, "workshop.trigger('game-engine/infinite-loop', seconds=2)", 2.0),
    "death": (START, "workshop.trigger('payment/crash')", 2.0),
    "heap": (START, "workshop.trigger('payment/heap-exhaustion')", 3.0),
    "fire": (START, FIRE, 8.0),
    "flush": (START + "\nworkshop.trigger('gateway/panic')", "workshop.flush()", 0.2),
    "stop": (START + "\nworkshop.trigger('gateway/panic')", "workshop.stop()", 1.0),
}
ENDINGS = ("interrupt", "restart", "kill")


@dataclass(frozen=True)
class Point:
    """A moment of a stage, in seconds after that has begun."""

    stage: str
    after: float

    def __str__(self) -> str:
        return f"{self.stage} + {self.after:.2f} s"


def points(seed: int, count: int) -> list[Point]:
    """Return random points; of any nine in a row each is of another stage."""
    choice, stages = random.Random(seed), []
    while len(stages) < count:
        stages += choice.sample(sorted(STAGES), len(STAGES))
    return [Point(stage, choice.uniform(0, STAGES[stage][2])) for stage in stages[:count]]


def check(ending: str, point: Point, home: Path) -> None:
    """End a kernel at a point. Raises AssertionError unless all is well thereafter."""
    with marked(home) as mark:
        with kernel() as running:
            before, code, _ = STAGES[point.stage]
            running.run(before)
            message = running.begin(f"print('begun')\n{code}")
            # A moment by chance is what is tested.
            time.sleep(point.after)
            {"interrupt": _interrupt, "restart": _restart, "kill": _kill}[ending](running, message)
            if ending == "kill":
                assert_gone(mark)
            else:
                assert_works(running)
        if ending == "kill":
            with kernel() as running:
                assert_works(running)
        assert_gone(mark)


@contextmanager
def marked(home: Path) -> Iterator[str]:
    """Let kernels that are started inside work in ``home``, and be known by a mark."""
    given = {MARK: uuid4().hex, "WORKSHOP_HOME": str(home)}
    kept = {name: os.environ.get(name) for name in (*given, "MONGODB_URI")}
    os.environ |= given
    os.environ.pop("MONGODB_URI", None)
    try:
        yield given[MARK]
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _interrupt(running: Kernel, message: str) -> None:
    running.manager.interrupt_kernel()
    # Not the reply: an interrupt that comes after the code, and before it, takes its place.
    while not has_ended(said := running.client.get_iopub_msg(timeout=DEADLINE_S), message):
        assert said["content"].get("ename", "KeyboardInterrupt") == "KeyboardInterrupt", said


def has_ended(said: dict[str, Any], message: str) -> bool:
    """Whether a kernel says that it is done with that message."""
    is_about_it = said["parent_header"].get("msg_id") == message
    return is_about_it and said["content"].get("execution_state") == "idle"


def _restart(running: Kernel, message: str) -> None:
    old = psutil.Process(running.manager.provisioner.pid)
    family = [old, *old.children(recursive=True)]
    running.manager.restart_kernel()
    running.client.wait_for_ready(timeout=DEADLINE_S)
    assert gone(family, GONE_S), family


def _kill(running: Kernel, message: str) -> None:
    psutil.Process(running.manager.provisioner.pid).kill()


def assert_works(running: Kernel) -> None:
    """The workshop starts, a crash is captured, and after a stop no port and no child is left."""
    running.run("import psutil; own = psutil.Process()")
    printed = running.run(AGAIN)
    assert printed.endswith("[]\n[]\n"), printed
    listening = "{c.laddr.port for c in own.net_connections() if c.status == 'LISTEN'}"
    ports = running.run(f"print(len({listening}))")
    left = running.run(
        "workshop.stop()\n"
        "_, alive = psutil.wait_procs(own.children(recursive=True), timeout=60)\n"
        f"print(alive, {listening} & {{s.port for s in workshop._system.servers.values()}})"
    )
    assert left == "[] set()\n", (ports, left)


def assert_gone(mark: str) -> None:
    """All processes that carry the mark have ended."""
    until = time.monotonic() + GONE_S
    while left := list(carriers(mark)):
        assert time.monotonic() < until, [process.cmdline() for process in left]
        psutil.wait_procs(left, timeout=0.1)


def carriers(mark: str) -> Iterator[psutil.Process]:
    """Yield the processes whose environment holds the mark, but this one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process


def main(count: str = "10", seed: str = "") -> int:
    """Run all endings at so many points; return 1 if any went wrong."""
    number, failed = int(seed or random.randrange(10**6)), 0
    print(f"seed {number}", flush=True)
    for ending in ENDINGS:
        for point in points(number, int(count)):
            failed += not _is_well(ending, point, print)
    print("verdict:", f"{failed} FAILED" if failed else "the next start works, nothing is left")
    return 1 if failed else 0


def _is_well(ending: str, point: Point, report: Callable[[str], None]) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        try:
            check(ending, point, Path(home))
        except Exception as error:
            reason = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
            report(f"{ending:<9} {point!s:<18} FAILED: {type(error).__name__}: {reason}")
            return False
    report(f"{ending:<9} {point!s:<18} well, after {time.monotonic() - began:.0f} s")
    sys.stdout.flush()
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
