"""Thousands of mixed crashes over all services: python -m tests.benchmarks.soak [crashes].

Each crash is a trace of its own. Its declared error events and service spans must be in the store,
once each, under the right service, release and player. On a busy machine a crash may go otherwise
than declared, for example run into a deadline first: such real failures must have been reported by
their own service too, and are counted apart. Memory, threads and open files of the kernel and of
the payment service are sampled after each wave; what is left of them is a slope.
"""

import asyncio
import contextlib
import ctypes
import gc
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from demo_services.services import PAYMENT, SERVICES
from kit import Workshop
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType
from kit.crashes.expectation import (
    WATCHDOG,
    exception_types,
    find_missing,
    is_watchdog,
    passed_through,
)
from kit.ingest.store import StoredItem
from tests import attribution
from tests.attribution import FICKLE, QUICK, Shot, services

CRASHES_A_WAVE = 250
TRIGGERS_A_WAVE = 30
TRIGGER_THREADS = 4
SETTLE_S = 30.0
PATIENCE_S = 120.0
# Each grows while caches fill: code, connections, heaps of the C library.
WARM_UP = 0.3
# Allowed growth per 1,000 crashes. About a third of them are captured by Node, at 10 KB each:
# the worker of @sentry/node 11 that reads local variables writes a script for each, and enables
# V8's debugger without a maxScriptsCacheSize, so that it keeps them all.
KERNEL_KB, NODE_KB = 512.0, 8192.0
HANDLES = 1.0

Print = Callable[[str], None]


class Triggered(NamedTuple):
    """A crash that went through ``workshop.trigger``, as a click does."""

    crash: CrashType
    trace_id: str
    player: str


class Sample(NamedTuple):
    """What is in use after so many crashes; memory in KB."""

    crashes: int
    kernel_kb: float
    kernel_files: int
    kernel_threads: int
    node_pid: int | None
    node_kb: float
    node_files: int

    def __str__(self) -> str:
        return (
            f"kernel {self.kernel_kb / 1024:6.1f} MB {self.kernel_files:3} files "
            f"{self.kernel_threads:3} threads, node {self.node_kb / 1024:6.1f} MB "
            f"{self.node_files:3} files"
        )


@dataclass
class Soak:
    """What became of all crashes so far, and the series of samples."""

    crashes: int = 0
    events: int = 0
    deaths: int = 0
    lost: list[str] = field(default_factory=list)
    misattributed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether every event arrived, once, from where it happened."""
        return not (self.lost or self.misattributed or self.doubled)


def soak(workshop: Workshop, crashes: int, report: Print = print) -> Soak:
    """Fire so many crashes in waves, and account for each before the next wave."""
    result = Soak()
    # Among so many at once an answer may be late; one that never comes ends it all.
    workshop._gateway.http.timeout = PATIENCE_S
    waves = max(1, round(crashes / CRASHES_A_WAVE))
    sizes = [crashes // waves + (number < crashes % waves) for number in range(waves)]
    for number, size in enumerate(sizes):
        # In the middle half nobody kills the payment service, so that its memory can be followed.
        lethal = not waves / 4 <= number < waves * 3 / 4
        _wave(workshop, result, number, size, lethal)
        result.samples.append(sample(workshop, result.crashes))
        report(_progress(result, crashes))
    return result


def _wave(workshop: Workshop, result: Soak, number: int, size: int, lethal: bool) -> None:
    choice = random.Random(number)
    alone = [crash for crash in FICKLE if not crash.deadly]
    deadly = [crash for crash in CRASHES if crash.deadly] if lethal else []
    triggers = _quick(choice, min(TRIGGERS_A_WAVE, size // 5))
    volley = attribution.shots(size - len(alone) - len(deadly) - len(triggers), seed=number)
    with ThreadPoolExecutor(TRIGGER_THREADS) as pool:
        pressed = pool.map(lambda crash: _press(workshop, crash, choice), triggers)
        asyncio.run(attribution.fire(workshop, volley))
        triggered = [*pressed, *(_press(workshop, crash, choice) for crash in alone)]
    _account(workshop, result, volley, triggered)
    # Alone and last: a process that dies takes with it what it has not sent.
    killed = [_press(workshop, crash, choice) for crash in deadly]
    _account(workshop, result, [], killed)
    result.deaths += len(killed)


def _quick(choice: random.Random, count: int) -> list[CrashType]:
    return choice.choices(QUICK, k=count)


def _press(workshop: Workshop, crash: CrashType, choice: random.Random) -> Triggered:
    player = f"presser-{choice.randrange(100)}"
    # A death is reported of whoever played, a watchdog's event of nobody.
    whom = None if crash.deadly else player
    variant = {"type": crash.variant} if crash.variant else {}
    outcome = workshop.trigger(crash.id, player=whom, **variant)
    return Triggered(crash, outcome.trace_id, player)


def _account(
    workshop: Workshop, result: Soak, volley: list[Shot], triggered: list[Triggered]
) -> None:
    """Compare what is stored with what is due, once that is there or the deadline has passed."""
    workshop.flush()
    result.crashes += len(volley) + len(triggered)
    until = time.monotonic() + SETTLE_S
    while True:
        counted = Counted()
        for shot in volley:
            counted.add_shot(shot, workshop.store.items(trace_id=shot.trace_id))
        for each in triggered:
            counted.add_triggered(each, workshop.store.items(trace_id=each.trace_id))
        if not counted.lost or time.monotonic() > until:
            break
    result.events += counted.events
    for name in ("lost", "misattributed", "doubled", "otherwise"):
        getattr(result, name).extend(getattr(counted, name))


@dataclass
class Counted:
    """What is stored of some crashes, compared with what is due."""

    events: int = 0
    lost: list[str] = field(default_factory=list)
    misattributed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)

    def add_shot(self, shot: Shot, items: list[StoredItem]) -> None:
        """Count a crash that was fired by HTTP."""
        name = shot.crash.full_id if shot.crash else "spin"
        due = Counter(error.type for error in shot.crash.errors) if shot.crash else Counter()
        errors = self._count(items, due)
        found = Counter(exception_types(error.payload)[0] for error in errors)
        self._compare(name, due, found)
        passed = {passed_through(item) for item in items}
        self.lost += [f"{name}: service span of {s}" for s in services(shot) if s not in passed]
        for error in errors:
            self._check_origin(name, error, shot.player)

    def add_triggered(self, each: Triggered, items: list[StoredItem]) -> None:
        """Count a crash that ``workshop.trigger`` made; the catalogue says all that is due."""
        crash = each.crash
        due = Counter(error.type for error in crash.errors)
        errors = self._count(items, due)
        self._compare(
            crash.full_id, due, Counter(exception_types(error.payload)[0] for error in errors)
        )
        for phrase in find_missing(crash, items):
            if phrase.startswith("service span"):
                self.lost.append(f"{crash.full_id}: {phrase}")
            elif not phrase.startswith("error event"):
                self.otherwise.append(f"{crash.full_id}: without {phrase}")
        for error in errors:
            own = error.project == crash.service.name and not crash.deadly
            self._check_origin(crash.full_id, error, each.player if own else None)

    def _count(self, items: list[StoredItem], due: Counter[str]) -> list[StoredItem]:
        """Return the error events; Node's watchdog may find the loop late at any time."""
        errors = [item for item in items if item.type == "event"]
        if WATCHDOG not in due:
            errors = [error for error in errors if not is_watchdog(error.payload)]
        self.events += len(errors)
        ids = Counter(error.event_id for error in errors)
        self.doubled += [f"event {number}" for number, times in ids.items() if times > 1]
        return errors

    def _compare(self, name: str, due: Counter[str], found: Counter[str]) -> None:
        lacking, more = list((due - found).elements()), list((found - due).elements())
        self.doubled += [f"{name}: {kind}" for kind in more if kind in due]
        others = [kind for kind in more if kind not in due]
        # What failed in another way was reported as what it was.
        self.otherwise += [f"{name}: {kind}" for kind in others]
        self.lost += [f"{name}: {kind}" for kind in lacking[len(others) :]]

    def _check_origin(self, name: str, error: StoredItem, player: str | None) -> None:
        event, service = error.payload, SERVICES[error.project]
        right = (
            event["release"] == service.release
            and event.get("server_name", service.name) == service.name
        )
        if player is not None:
            right &= event["tags"]["service"] == service.name
            right &= event["user"]["username"] == player
        if not right:
            self.misattributed.append(f"{name}: {attribution.summary(event)} at {error.project}")


def sample(workshop: Workshop, crashes: int) -> Sample:
    """Return what the kernel and the payment service have in use."""
    gc.collect()
    _trim()
    own, node = psutil.Process(), psutil.Process(workshop.watch_target(PAYMENT.name).pid)
    return Sample(
        crashes,
        own.memory_info().rss / 1024,
        _open_files(own),
        own.num_threads(),
        node.pid,
        node.memory_info().rss / 1024,
        _open_files(node),
    )


def _trim() -> None:
    """Let the C library hand back what is free: what it keeps for later says nothing of a leak."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc's alone
        ctypes.CDLL(None).malloc_trim(0)


def _open_files(process: psutil.Process) -> int:
    return process.num_handles() if sys.platform == "win32" else process.num_fds()


def slope(points: list[tuple[int, float]]) -> float:
    """Return by how much the value grows in 1,000 crashes, by linear regression.

    Of fewer than five points it says nothing, and is not a number.
    """
    if len(points) < 5:
        return math.nan
    return statistics.linear_regression(*zip(*points, strict=True)).slope * 1000


def slopes(samples: list[Sample], crashes: int) -> dict[str, tuple[float, float]]:
    """Return growth per 1,000 crashes after the warm-up, and what is allowed, by quantity."""
    warm = [each for each in samples if each.crashes > WARM_UP * crashes]
    lives = Counter(each.node_pid for each in samples)
    longest = [each for each in samples if each.node_pid == lives.most_common(1)[0][0]]
    node = longest[int(len(longest) * WARM_UP) :]
    return {
        "kernel memory, KB": (slope([(e.crashes, e.kernel_kb) for e in warm]), KERNEL_KB),
        "kernel files": (slope([(e.crashes, e.kernel_files) for e in warm]), HANDLES),
        "kernel threads": (slope([(e.crashes, e.kernel_threads) for e in warm]), HANDLES),
        "node memory, KB": (slope([(e.crashes, e.node_kb) for e in node]), NODE_KB),
        "node files": (slope([(e.crashes, e.node_files) for e in node]), HANDLES),
    }


def _progress(result: Soak, crashes: int) -> str:
    return (
        f"{result.crashes:6} of {crashes} crashes, {result.events} events, {result.deaths} deaths, "
        f"lost {len(result.lost)}, misattributed {len(result.misattributed)}, "
        f"doubled {len(result.doubled)}, otherwise {len(result.otherwise)}; {result.samples[-1]}"
    )


def main(crashes: str = "10000") -> int:
    """Print the series and the verdict; return 1 when anything is lost, wrong or grows."""
    os.environ |= {"DEBUG_RATE": "100000/second", "DEADLINE_S": "100"}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        with Workshop.start(home=Path(home), report=lambda line: None) as workshop:
            result = soak(workshop, int(crashes), lambda line: print(line, flush=True))
        store_mb = sum(file.stat().st_size for file in Path(home).iterdir()) / 2**20
    print(f"{time.monotonic() - began:.0f} s, the store has {store_mb:.0f} MB")
    for trouble in ("lost", "misattributed", "doubled", "otherwise"):
        for phrase, count in Counter(getattr(result, trouble)).items():
            print(f"{trouble}: {count} × {phrase}")
    grown = slopes(result.samples, result.crashes)
    for name, (found, allowed) in grown.items():
        verdict = "too short" if math.isnan(found) else "flat" if found <= allowed else "GROWS"
        print(f"{name:<18} {found:+9.2f} per 1,000 crashes (allowed {allowed:g}): {verdict}")
    flat = not any(found > allowed for found, allowed in grown.values())
    print("verdict:", "nothing lost, nothing grows" if result.is_exact and flat else "FAILED")
    return 0 if result.is_exact and flat else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
