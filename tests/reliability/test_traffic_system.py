"""The traffic of a whole system: what arrives of it, and how it looks when something fails."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kit import Workshop
from kit.reliability.traffic.outcomes import Answer
from kit.reliability.traffic.plan import TrafficPlan
from kit.reliability.traffic.run import THREAD
from kit.reliability.traffic.traffic import Traffic
from tests.ports import default_ports_taken
from tests.waiting import wait_until

pytestmark = pytest.mark.system

DEADLINE_S = 60.0


until = partial(wait_until, seconds=DEADLINE_S)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def play(traffic: Traffic, seconds: float) -> list[Answer]:
    """Run the traffic for a time, and until all is answered; return the answers."""
    seen: list[Answer] = []
    forget = traffic.observe(seen.append)
    with traffic.running(seconds=seconds):
        traffic.wait()
    forget()
    return seen


def test_it_is_the_players_not_the_notebooks(workshop: Workshop) -> None:
    """One request is sampled; of all others no span is sent, and the frontend reports none."""
    sent_before = Counter(workshop.store.count_by_project().get("frontend", {}))
    traffic = workshop.traffic(rate=10, sampled=1 / 1000)
    answers = play(traffic, 1.5)
    assert {answer.kind for answer in answers} == {"good"}
    workshop.flush()
    with_spans = [
        answer.trace_id
        for answer in answers
        if workshop.store.items(trace_id=answer.trace_id, type="span")
    ]
    (first,) = with_spans
    assert first == min(answers, key=lambda answer: answer.due).trace_id
    assert Counter(workshop.store.count_by_project().get("frontend", {})) == sent_before
    # The three count the same requests while nothing fails.
    readings = traffic.readings()
    spins = sum(answer.route == "spin" for answer in answers)
    assert (readings.client.total, readings.client.bad) == (len(answers), 0)
    assert (readings.sessions.total, readings.sessions.bad) == (len(answers), 0)
    assert readings.metric.total == spins


def test_other_traffic_ends_the_one_before(workshop: Workshop) -> None:
    first = workshop.traffic(rate=10).start()
    assert not workshop.traffic(rate=10).is_running
    assert not first.is_running
    until(lambda: not threads())
    first.start()
    with pytest.raises(ValueError, match="rate must be"):
        workshop.traffic(rate=99)
    assert first.is_running
    first.stop()


@pytest.fixture
def breakable(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop for one test, which may break its services."""
    with default_ports_taken(), Workshop.start(home=tmp_path, report=lambda line: None) as running:
        yield running


@pytest.mark.slow
def test_the_readings_differ_when_something_fails(breakable: Workshop) -> None:
    traffic = breakable.traffic(rate=10)
    # What the gateway cannot reach it reports: those sessions are errored.
    breakable._system.servers["analytics"].stop()
    breakable._system.servers["game-engine"].stop()
    answers = play(traffic, 1)
    behind = traffic.readings()
    bad = [answer for answer in answers if answer.kind == "bad"]
    # Only a request without an answer may have no session: on a busy machine some are given up.
    answered = sum(answer.status is not None for answer in bad)
    assert behind.client.bad == len(bad)
    assert 0 < answered <= behind.sessions.bad <= len(bad)
    assert behind.metric.total == 0
    # What never reaches it, nobody on the other side can count.
    breakable._system.servers["gateway"].stop()
    # Counts are kept by second: one in which both began would be that of both.
    until(lambda: time.time() >= int(traffic.ended_at or 0) + 1)
    answers = play(traffic, 1)
    down = traffic.readings()
    assert (down.client.good, down.client.bad) == (0, len(answers))
    assert (down.sessions.total, down.sessions.bad, down.sessions.percentage) == (0, 0, "–")
    assert not breakable.store.items(type="event", project="frontend")
    breakable.stop()
    assert not traffic.is_running


@pytest.mark.slow
def test_a_failure_that_is_passed_on_is_a_healthy_session_of_the_gateway(
    breakable: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo_services.game_engine.cashier.RETRY_S", 0.1)
    breakable._system.servers["payment"].stop()
    traffic = breakable.traffic(rate=10)
    answers = play(traffic, 1)
    readings = traffic.readings()
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) == readings.client.bad > 0
    assert (readings.sessions.total, readings.sessions.bad) == (len(answers), 0)


@pytest.mark.slow
def test_two_seconds_of_a_blocked_engine_are_in_the_99th_percentile(breakable: Workshop) -> None:
    """A generator that waits for its answers would see the block in one request."""
    loop = breakable._system.servers["game-engine"]._loop  # type: ignore[attr-defined]
    traffic = breakable.traffic(rate=10, sampled=0)
    due = [each.due_s for each in TrafficPlan(rate=10) if each.route == "spin"]
    with traffic.running():
        until(lambda: traffic.counts.good >= 20)
        assert traffic.began_at
        passed = time.time() - traffic.began_at
        # Just before a spin: else the first one that is blocked may be due a while later.
        next_s = next(each for each in due if each > passed + 0.1)
        time.sleep(traffic.began_at + next_s - 0.02 - time.time())
        blocked_at = time.time()
        loop.call_soon_threadsafe(time.sleep, 2.0)
        until(lambda: traffic.outcomes.between(blocked_at + 2.2, blocked_at + 9).good >= 5)
    during = traffic.outcomes.between(blocked_at, blocked_at + 2, route="spin")
    assert during.p99 >= 1.9
    # From two seconds down to none: the open model saw all that were due meanwhile.
    assert during.p50 >= 0.5
    assert traffic.counts.p99 >= 1.9


PROGRAM = """
import sys, time
from pathlib import Path
from kit import Workshop
workshop = Workshop.start(home=Path(sys.argv[1]), report=lambda line: None)
traffic = workshop.traffic(rate=10).start()
while traffic.counts.good < 5:
    time.sleep(0.01)
print("running", flush=True)
"""


@pytest.mark.slow
def test_it_ends_with_the_kernel(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (ended.returncode, ended.stdout) == (0, "running\n")
    assert "Traceback" not in ended.stderr
