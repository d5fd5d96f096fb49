"""What the traffic costs: python -m tests.benchmarks.traffic [--minutes 10] [--errors 0.5].

Whether the rate is the one asked for, the CPU time of the kernel and of the payment service beside
that of an idle system in the same run, and by how much the store and the memory grow. CPU time says
the same on a busy machine; the rate does not. With ``--errors`` a fault fails that share of the
spins: each leaves two events, which the CPU and the store have no goals for. On a machine that is
too slow for the rate, requests queue, and their memory is that of the queue: fewer are sent then.
"""

import argparse
import ctypes
import gc
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import NamedTuple

import psutil

from demo_services.faults.order import MAX_SECONDS
from demo_services.services import PAYMENT
from kit import Workshop
from kit.reliability.traffic.traffic import Traffic
from tests.benchmarks.goals import goal

# Of so few requests chance decides: over five minutes at 4 a second, 1,200 are due on average.
RATE_TOLERANCE, RATE_REQUESTS = 0.05, 1200
CORE_SHARE = 0.35
FAULT = "payment-fails"
STORE_MB_PER_1000 = 3.0
# In ten minutes; each grows while caches fill: code, connections, heaps of the C library.
RSS_MB = 5.0
WARM_UP = 0.3
IDLE_S = 15.0


class Used(NamedTuple):
    """What was used up to a moment: seconds of CPU, MB of memory and on disk."""

    at: float
    kernel_s: float
    payment_s: float
    rss_mb: float
    store_mb: float


def look(workshop: Workshop, home: Path) -> Used:
    """Return what is used now; the services send what they hold first."""
    workshop.flush()
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # glibc's alone
        ctypes.CDLL(None).malloc_trim(0)
    own, payment = psutil.Process(), psutil.Process(workshop.watch_target(PAYMENT.name).pid)
    return Used(
        time.monotonic(),
        sum(own.cpu_times()[:2]),
        sum(payment.cpu_times()[:2]),
        own.memory_info().rss / 2**20,
        size_store(home),
    )


def size_store(home: Path) -> float:
    """Return the MB of the store, with what is still in its log and without free pages.

    The log itself holds each page as often as that was written, until it begins anew.
    """
    with closing(sqlite3.connect(home / "captured.sqlite3")) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return float((pages - free) * size) / 2**20


def shares(before: Used, after: Used) -> tuple[float, float]:
    """Return the CPU time of the kernel and of the payment service, as shares of one core."""
    passed = after.at - before.at
    kernel, payment = after.kernel_s - before.kernel_s, after.payment_s - before.payment_s
    return kernel / passed, payment / passed


@contextmanager
def failing(workshop: Workshop, share: float, seconds: float) -> Iterator[None]:
    """Let a share of the spins fail inside the block, leased anew as often as that needs."""
    leases = ceil(seconds / MAX_SECONDS) if share else 0
    over = threading.Event()

    def lease() -> None:
        for _ in range(leases):
            with workshop.inject(FAULT, share=share, seconds=MAX_SECONDS, seed=7):
                if over.wait(MAX_SECONDS):
                    return

    leasing = threading.Thread(target=lease)
    leasing.start()
    try:
        yield
    finally:
        over.set()
        leasing.join()


def run(workshop: Workshop, home: Path, traffic: Traffic, errors: float) -> bool:
    """Measure the system idle, then under traffic; print both, and return whether it is good."""
    length_s = traffic.plan.length_s
    # One request of each kind first: what is imported at the first one is no cost of the others.
    with traffic.running(seconds=5):
        traffic.wait()
    idle = look(workshop, home)
    time.sleep(IDLE_S)
    begun = look(workshop, home)
    with failing(workshop, errors, length_s):
        traffic.start()
        time.sleep(WARM_UP * length_s)
        warm = look(workshop, home)
        traffic.wait()
        ended = look(workshop, home)
    counts = traffic.counts
    before, during = shares(idle, begun), shares(begun, ended)
    planned = len(list(traffic.plan)) / length_s
    achieved = (counts.total - counts.shed) / length_s
    store_mb = 1000 * (ended.store_mb - begun.store_mb) / counts.total
    grown_mb = (ended.rss_mb - warm.rss_mb) / ((1 - WARM_UP) * length_s / 600)
    print(f"  {traffic}")
    print(f"  idle: kernel {before[0]:.1%} of a core, payment {before[1]:.1%}")
    print(f"  traffic: kernel {during[0]:.1%} of a core, payment {during[1]:.1%}")
    per_request = 1000 * (sum(during) - sum(before)) / achieved
    print(f"  {per_request:.0f} ms of CPU a request, above the idle system")
    print(f"  memory {begun.rss_mb:.1f}, warm {warm.rss_mb:.1f}, at the end {ended.rss_mb:.1f} MB")
    rate = traffic.plan.rate
    wanted = rate if rate * length_s >= RATE_REQUESTS else planned
    reached = [
        goal(
            f"{achieved:.2f} requests a second, within {RATE_TOLERANCE:.0%} of {wanted:.2f}",
            abs(achieved - wanted) <= RATE_TOLERANCE * wanted,
        ),
        goal(f"memory {grown_mb:+.1f} MB in 10 min, at most {RSS_MB:g}", grown_mb <= RSS_MB),
    ]
    if errors:
        print(f"  store {store_mb:+.2f} MB per 1,000 requests, {errors:.0%} of the spins fail")
        return all(reached)
    reached += [
        goal(
            f"{sum(during):.1%} of one core, at most {CORE_SHARE:.0%} at 4 a second",
            sum(during) <= CORE_SHARE * rate / 4,
        ),
        goal(
            f"store {store_mb:+.2f} MB per 1,000 requests, at most {STORE_MB_PER_1000:g}",
            store_mb <= STORE_MB_PER_1000,
        ),
    ]
    return all(reached)


def main(*arguments: str) -> int:
    """Print the measurement; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.traffic")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--sampled", type=float, default=1 / 50)
    parser.add_argument("--errors", type=float, default=0.0)
    given = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        traffic = workshop.traffic(given.rate, minutes=given.minutes, sampled=given.sampled)
        is_reached = run(workshop, Path(home), traffic, given.errors)
    print(f"  load of this machine: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
