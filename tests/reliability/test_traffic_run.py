"""The traffic against a gateway that answers well, badly, late or not at all."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kit.hosting.child import free_port
from kit.ingest.store import Store
from kit.reliability.traffic import run as run_module
from kit.reliability.traffic.outcomes import Answer, Outcomes, judge_answer
from kit.reliability.traffic.plan import Arrival, Route, TrafficPlan
from kit.reliability.traffic.run import MOST_IN_FLIGHT, THREAD, TrafficRun
from kit.reliability.traffic.traffic import Traffic
from tests.waiting import wait_until

from .gateway import Answering, Request, stand_in

DEADLINE_S = 30.0
STOPPED_S = 1.0
TRACE = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})-([01])")


def arrivals(count: int, every_s: float = 0.0, route: Route = "spin") -> list[Arrival]:
    return [Arrival(every_s * n, route, f"p{n}", 3, is_sampled=n == 0) for n in range(count)]


class Sent:
    """What became of some requests."""

    def __init__(self, url: str, plan: Sequence[Arrival], threshold_s: float = 2.0) -> None:
        self.outcomes, self.answers = Outcomes(), list[Answer]()
        self.run = TrafficRun(
            plan,
            lambda: url,
            self.outcomes,
            threshold_s=threshold_s,
            on_answer=self.answers.append,
            on_tick=lambda: None,
        )

    def finish(self) -> "Sent":
        self.run.start()
        assert self.run.wait(DEADLINE_S)
        return self

    @property
    def kinds(self) -> list[tuple[int | None, str]]:
        return [(answer.status, answer.kind) for answer in self.answers]


def send(answering: Answering, *plan: Arrival, **options: Any) -> Sent:
    with stand_in(answering) as gateway:
        return Sent(gateway.url, plan or arrivals(1), **options).finish()


def answer_with(status: int, body: str = "{}", **options: Any) -> Answering:
    return lambda request: request.answer(status, body, **options)


@pytest.mark.parametrize("status", [200, 404])
def test_a_readable_answer_below_500_in_time_is_good(status: int) -> None:
    assert send(answer_with(status, '{"win": 0}')).kinds == [(status, "good")]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_of_the_system_is_bad(status: int) -> None:
    assert send(answer_with(status)).kinds == [(status, "bad")]


@pytest.mark.parametrize("status", [402, 409, 422, 429])
def test_what_the_player_is_refused_is_not_valid(status: int) -> None:
    assert send(answer_with(status)).kinds == [(status, "not valid")]


@pytest.mark.parametrize(
    "answering",
    [
        answer_with(200, '{"reels": ["bell", '),
        answer_with(200, '{"reels": ["bell", ', length=500),
        answer_with(200, "[" * 100_000),
        answer_with(200, ""),
        lambda request: request.connection.close(),
    ],
    ids=["half a JSON", "half a body", "no end of it", "nothing", "no answer"],
)
def test_what_cannot_be_read_is_bad(answering: Answering) -> None:
    assert send(answering).kinds == [(None, "bad")]


def test_without_a_gateway_all_is_bad() -> None:
    sent = Sent(f"http://127.0.0.1:{free_port()}", arrivals(3)).finish()
    assert sent.kinds == [(None, "bad")] * 3


def test_a_late_answer_is_bad() -> None:
    def answer_late(request: Request) -> None:
        time.sleep(0.1)
        request.answer()

    sent = send(answer_late, threshold_s=0.05)
    assert sent.kinds == [(200, "bad")]
    assert sent.answers[0].took_s >= 0.1


def test_no_answer_is_waited_for_longer_than_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "PATIENCE_S", 0.2)
    with held() as (hold, _):
        sent = send(hold)
    assert sent.kinds == [(None, "bad")]
    assert 0.2 <= sent.answers[0].took_s < 1


def test_the_threshold_is_still_in_time() -> None:
    assert judge_answer(200, 2.0, 2.0) == "good"
    assert judge_answer(200, 2.001, 2.0) == "bad"
    # Whatever it took: it says nothing of the system.
    assert judge_answer(409, 9.0, 2.0) == "not valid"


def test_what_is_sent() -> None:
    plan = [
        Arrival(0, "spin", "p7", 4, is_sampled=True),
        Arrival(0.01, "stats", "p8", 1, is_sampled=False),
        Arrival(0.02, "health", "p9", 1, is_sampled=False),
    ]
    with stand_in() as gateway:
        sent = Sent(gateway.url, plan).finish()
        requests = sorted(gateway.requests, key=lambda each: each.command != "POST")
    assert {(each.command, each.path) for each in requests} == {
        ("POST", "/api/v1/game/spin"),
        ("GET", "/api/v1/analytics/stats"),
        ("GET", "/health"),
    }
    assert requests[0].json_body == {"player": "p7", "bet": 4}
    assert {(answer.route, answer.player) for answer in sent.answers} == {
        ("spin", "p7"),
        ("stats", "p8"),
        ("health", "p9"),
    }
    traces = [TRACE.fullmatch(each.headers["sentry-trace"]) for each in requests]
    assert [trace and trace[3] for trace in traces] == ["1", "0", "0"]
    assert {trace[1] for trace in traces if trace} == {each.trace_id for each in sent.answers}
    # Neither the SDK's integration for httpx, nor a scope of the notebook, adds anything.
    assert not any(each.headers["baggage"] for each in requests)
    assert all(len(each.headers.get_all("sentry-trace") or []) == 1 for each in requests)


def test_trace_ids_are_of_one_run_each() -> None:
    with stand_in() as gateway:
        sent = [Sent(gateway.url, arrivals(20)).finish() for _ in range(2)]
    assert len({answer.trace_id for each in sent for answer in each.answers}) == 40


@contextmanager
def held() -> Iterator[tuple[Answering, threading.Event]]:
    """Hold all answers back until the event is set."""
    go_on = threading.Event()

    def hold(request: Request) -> None:
        go_on.wait(DEADLINE_S)
        request.answer()

    try:
        yield hold, go_on
    finally:
        go_on.set()


def test_the_time_counts_from_when_a_request_was_due() -> None:
    """A gateway that stands still for a second keeps all waiting that are due meanwhile."""
    turn, began = threading.Lock(), list[float]()

    def stand_still(request: Request) -> None:
        with turn:
            began.append(time.monotonic())
            time.sleep(max(0.0, began[0] + 1 - time.monotonic()))
        request.answer()

    with stand_in(stand_still) as gateway:
        sent = Sent(gateway.url, arrivals(20, every_s=0.05)).finish()
    late = sorted(answer.took_s for answer in sent.answers)
    # A client that waits for each answer before it sends the next would see it once.
    assert sum(took_s > 0.45 for took_s in late) >= 11
    assert late[-1] >= 1


def test_at_most_fifty_are_in_flight_and_the_others_are_shed() -> None:
    with held() as (hold, go_on), stand_in(hold) as gateway:
        sent = Sent(gateway.url, arrivals(MOST_IN_FLIGHT + 7))
        sent.run.start()
        until(lambda: sent.outcomes.between(0, 1e12).shed == 7)
        assert sent.run.in_flight == MOST_IN_FLIGHT
        go_on.set()
        assert sent.run.wait(DEADLINE_S)
    counts = sent.outcomes.between(0, 1e12)
    assert (counts.good, counts.shed, counts.total) == (MOST_IN_FLIGHT, 7, MOST_IN_FLIGHT + 7)


until = partial(wait_until, seconds=DEADLINE_S)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD]


@contextmanager
def ends_soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < STOPPED_S
    until(lambda: not threads())


def test_stop_waits_a_moment_for_answers_and_counts_what_is_late_already() -> None:
    with held() as (hold, _), stand_in(hold) as gateway:
        sent = Sent(gateway.url, [*arrivals(1), *arrivals(2, 0.25)[1:]], threshold_s=0.5)
        sent.run.start()
        until(lambda: sent.run.in_flight == 2)
        with ends_soon():
            sent.run.stop()
    assert not sent.run.is_running
    # The first was due 0.65 s ago; the second might still have been in time.
    assert sent.kinds == [(None, "bad")]
    assert sent.run.unfinished == 1


def test_it_is_stopped_while_it_waits_for_the_last_answers() -> None:
    with held() as (hold, _), stand_in(hold) as gateway:
        sent = Sent(gateway.url, arrivals(3))
        sent.run.start()
        until(lambda: sent.run.in_flight == 3)
        with ends_soon():
            sent.run.stop()
        sent.run.stop()
    assert sent.run.unfinished == 3


@pytest.fixture
def traffic(store: Store) -> Iterator[Traffic]:
    with stand_in() as gateway:
        found = Traffic(TrafficPlan(rate=10), lambda: gateway.url, store, lambda: None)
        yield found
        found.stop()
    assert threads() == []


def test_it_starts_once_and_stops(traffic: Traffic) -> None:
    assert traffic.began_at is None
    assert not traffic.is_running
    assert traffic.start() is traffic.start()
    assert len(threads()) == 1
    until(lambda: traffic.outcomes.last(10).good)
    assert traffic.is_running
    with ends_soon():
        traffic.stop()
    assert not traffic.is_running
    assert traffic.counts.good
    assert traffic.ended_at is not None


def test_it_ends_by_itself_and_begins_again(traffic: Traffic) -> None:
    traffic.plan = TrafficPlan(rate=10, minutes=0.3 / 60)
    first = traffic.start().wait().counts
    before = traffic.began_at
    assert not traffic.is_running
    traffic.start().wait()
    assert traffic.began_at != before
    assert traffic.outcomes.last(10).good == 2 * first.good


def test_it_runs_as_long_as_a_block_does(traffic: Traffic) -> None:
    with traffic.running(minutes=5) as running:
        assert running is traffic
        until(lambda: traffic.counts.good)
    assert not traffic.is_running
    with traffic.running(seconds=0.2):
        traffic.wait()
    assert traffic.ended_at
    assert traffic.began_at
    assert traffic.ended_at - traffic.began_at < 1


def test_traffic_that_ran_before_a_block_goes_on_after_it(traffic: Traffic) -> None:
    traffic.start()
    with traffic.running(seconds=0.1):
        pass
    assert traffic.is_running


def test_its_button_starts_and_stops_it(traffic: Traffic) -> None:
    traffic._ipython_display_()
    face = traffic._face
    assert face
    assert face.button.description == "Start"
    face.button.click()
    assert traffic.is_running
    assert face.button.description == "Stop"
    until(lambda: traffic.counts.good)
    face.button.click()
    assert not traffic.is_running
    assert face.button.description == "Start"
    # What stays when the kernel has gone.
    assert 'Traffic <span class="cw-remark">ended' in face._picture._html


def interrupt_soon() -> None:
    main = threading.main_thread().ident
    assert main
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()


@pytest.mark.skipif(sys.platform == "win32", reason="no signal reaches a thread")
def test_an_interrupt_ends_it_with_its_block(traffic: Traffic) -> None:
    interrupt_soon()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), traffic.running(minutes=5):
        time.sleep(DEADLINE_S)
    until(lambda: not threads())
    assert time.monotonic() - began < 0.1 + STOPPED_S


@pytest.mark.skipif(sys.platform == "win32", reason="no signal reaches a thread")
def test_an_interrupt_ends_what_is_waited_for(traffic: Traffic) -> None:
    traffic.start()
    interrupt_soon()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        traffic.wait()
    until(lambda: not threads())
    assert time.monotonic() - began < 0.1 + STOPPED_S


def test_each_answer_is_observed_until_one_has_enough(traffic: Traffic) -> None:
    seen: list[Answer] = []
    others: list[Answer] = []
    forget = traffic.observe(seen.append)
    traffic.observe(others.append)
    traffic.start()
    until(lambda: len(seen) >= 2)
    forget()
    forget()
    count = len(seen)
    until(lambda: len(others) >= count + 2)
    assert seen == others[:count]
    assert seen[0].due == pytest.approx(time.time(), abs=DEADLINE_S)


def test_an_observer_that_fails_is_reported_and_left_out(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    traffic.observe(lambda answer: 1 / 0)
    traffic.start()
    until(lambda: traffic.counts.good >= 3)
    assert [args.exc_type for args in failed] == [ZeroDivisionError]


def test_what_fails_in_the_traffic_itself_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)

    def plan() -> Iterator[Arrival]:
        yield from arrivals(1)
        raise LookupError("on purpose")

    with stand_in() as gateway:
        sent = Sent(gateway.url, plan())  # type: ignore[arg-type]
        sent.finish()
    assert [args.exc_type for args in failed] == [LookupError]
    assert sent.run.ended_at is not None


PROGRAM = """
import sys
from kit.reliability.traffic.plan import TrafficPlan
from kit.reliability.traffic.traffic import Traffic
from tests.waiting import wait_until
traffic = Traffic(TrafficPlan(rate=10), lambda: sys.argv[1], None, lambda: None).start()
while not traffic.counts.good:
    pass
print("running", flush=True)
"""


@pytest.mark.slow
def test_it_ends_with_its_process() -> None:
    root = Path(__file__).parents[2]
    with stand_in() as gateway:
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, gateway.url],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        sent_at_end = len(gateway.requests)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "running\n", "")
    assert time.monotonic() - began < DEADLINE_S
    assert sent_at_end < 50
