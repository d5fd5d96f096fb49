"""What rules cost over a virtual month: python -m tests.benchmarks.alerts.

Rules of the guide are evaluated over 100,000 events, each a payload of its own that is let go after
it was read: three that a team would have, which the goal is for, and all twelve. What it takes to
make the events and to group them by their stack traces is told apart. The memory is measured in a
process of its own.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice

import psutil

from kit.reading.grouping import simulated_issue
from kit.reading.server.users import user_key
from kit.reliability.alerts.evaluate import Evaluator, replay
from kit.reliability.alerts.occurrences import Occurrence
from kit.reliability.alerts.patterns import ALERT_PATTERNS
from kit.reliability.alerts.rule import AlertRule
from tests.benchmarks.goals import goal

EVENTS = 100_000
MONTH_S = 30 * 86_400
ISSUES, USERS = 200, 2000
CHUNK = 2000
GOAL_S, GOAL_MB = 2.0, 60.0
PROJECT = "payment"
RULES = [each.rule for each in ALERT_PATTERNS]


def event(chance: random.Random, number: int) -> dict[str, object]:
    """Return the payload of an event of some issue and some user."""
    function = f"function_{int(chance.paretovariate(1)) % ISSUES}"
    frames = [{"module": "shop", "function": function, "in_app": True}]
    error = {"type": "PaymentError", "value": "declined", "stacktrace": {"frames": frames}}
    return {
        "event_id": f"{number:032x}",
        "level": "fatal" if chance.random() < 0.05 else "error",
        "release": f"1.{number * 8 // EVENTS}",
        "environment": "production",
        "user": {"id": chance.randrange(USERS)},
        "exception": {"values": [{**error, "mechanism": {"handled": chance.random() < 0.5}}]},
    }


def month(events: int = EVENTS) -> Iterator[Occurrence]:
    """Yield the events of a month; where their issue is known already."""
    chance = random.Random(2026)
    for number in range(events):
        sent = event(chance, number)
        function = sent["exception"]["values"][0]["stacktrace"]["frames"][0]["function"]  # type: ignore[index]
        yield Occurrence(
            at=number * MONTH_S / events,
            issue=(PROJECT, function),
            event=sent,
            event_id=str(sent["event_id"]),
            project=PROJECT,
            user=user_key(sent),
        )


def chunks() -> Iterator[list[Occurrence]]:
    """Yield the events of the month in parts, so that making them is not measured."""
    events = month()
    while part := list(islice(events, CHUNK)):
        yield part


def evaluating_s(rules: Sequence[AlertRule]) -> tuple[float, int]:
    """Return the CPU time of evaluating the events, and how often rules fired."""
    evaluator, fired, taken = Evaluator(rules), 0, 0.0
    for part in chunks():
        began = time.process_time()
        for each in part:
            fired += len(evaluator.add(each))
        taken += time.process_time() - began
    return taken, fired


def grouping_s() -> float:
    """Return the CPU time of grouping the events."""
    taken = 0.0
    for part in chunks():
        began = time.process_time()
        for each in part:
            simulated_issue(each.event, PROJECT)
        taken += time.process_time() - began
    return taken


def print_memory() -> None:
    """Print how many megabytes the month takes, at its end."""
    this = psutil.Process()
    for _ in month(2000):
        pass
    before = this.memory_info().rss
    fired = replay(RULES, month())
    print((this.memory_info().rss - before) / 1e6, len(fired))


def memory_mb() -> float:
    """Return how many megabytes it takes in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.alerts", "memory"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(told.split()[0])


def main() -> int:
    """Print the figures; return 1 when a goal is missed."""
    megabytes, least = memory_mb(), 0.0
    for rules in (RULES, RULES[4:7]):
        least, fired = evaluating_s(rules)
        print(f"  {len(rules)} rules: {least:.2f} s of CPU, {fired:,} fired")
    print(f"  grouping by stack trace: {grouping_s():.2f} s more")
    print(f"  memory, {len(RULES)} rules: {megabytes:.1f} MB")
    reached = [
        goal(f"three rules at most {GOAL_S} s", least <= GOAL_S),
        goal(f"at most {GOAL_MB:.0f} MB", megabytes <= GOAL_MB),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["memory"]:
        print_memory()
    else:
        sys.exit(main())
