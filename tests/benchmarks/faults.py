"""What faults cost a spin: python -m tests.benchmarks.faults [rounds].

CPU time of this process, in which the game engine and its caller run: with the check for faults
replaced by nothing, with the check and no fault on, and with one flag that is evaluated. The three
take turns after a few spins each, so that a busy machine slows all of them alike. The check is
also measured by itself, which is far more exact than the difference of two spins.
"""

import asyncio
import json
import random
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from http.client import HTTPConnection
from unittest.mock import patch

import sentry_sdk
from tornado.httpserver import HTTPServer

from demo_services import standalone
from demo_services.faults.leases import Faults
from demo_services.faults.names import NO_OP
from demo_services.faults.order import Order
from demo_services.game_engine.app import make_app
from demo_services.game_engine.faults import EngineFaults
from demo_services.services import GAME_ENGINE
from demo_services.settings import Settings
from demo_services.telemetry import sentry_options
from tests.benchmarks.goals import goal

SPINS, ROUNDS, CHECKS = 10, 60, 2000
TOKEN = "benchmark"
MOST_OFF_US, MOST_ON_US = 5.0, 300.0
# What a spin may cost more than without any check: as much as two halves of a run differ.
MOST_RATIO = 1.03
DEADLINE_S = 30


@contextmanager
def running() -> Iterator[int]:
    """Run the game engine in a thread of this process; give its port."""
    sock = standalone.bind(0)
    begun, end = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        server = HTTPServer(make_app(Settings(debug_token=TOKEN, debug_rate="1000000/second")))
        server.add_socket(sock)
        loops.append(asyncio.get_running_loop())
        begun.set()
        await end.wait()
        server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert begun.wait(DEADLINE_S)
    try:
        yield sock.getsockname()[1]
    finally:
        loops[0].call_soon_threadsafe(end.set)
        thread.join(DEADLINE_S)


def call(connection: HTTPConnection, method: str, path: str, body: object = None) -> int:
    headers = {
        "sentry-trace": f"{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-0",
        "X-Debug-Token": TOKEN,
    }
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def cpu_ms(connection: HTTPConnection, spins: int) -> float:
    """Return the CPU time of a spin."""
    began = time.process_time()
    for number in range(spins):
        # Players enough that none runs out of money.
        body = {"player": f"p{number}", "bet": 1}
        assert call(connection, "POST", "/api/v1/spin", body) in {200, 409}
    return (time.process_time() - began) / spins * 1000


def measure(port: int, rounds: int) -> dict[str, list[float]]:
    """Return the CPU time of a spin in each round, without a check, and with no or one flag."""
    found: dict[str, list[float]] = {"without": [], "off": [], "on": []}
    order = {"fault": NO_OP, "share": 0.25, "seconds": 600, "seed": 7}
    turns = list(found)
    shuffled = random.Random(7)
    with closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        cpu_ms(connection, 10 * SPINS)
        for _ in range(rounds):
            # None is always the one after another.
            shuffled.shuffle(turns)
            for turn in turns:
                if turn == "on":
                    assert call(connection, "POST", "/debug/faults", order) == 201
                with without_check() if turn == "without" else nullcontext():
                    cpu_ms(connection, 2)
                    found[turn].append(cpu_ms(connection, SPINS))
                assert call(connection, "DELETE", "/debug/faults") == 200
    return found


@contextmanager
def without_check() -> Iterator[None]:
    """Let the game engine have no check for faults inside the block."""
    with (
        patch.object(EngineFaults, "evaluate", lambda self: None),
        patch.object(EngineFaults, "strike_before", lambda self: None),
    ):
        yield


async def check_us(*, is_on: bool) -> float:
    """Return the CPU time of a check, in microseconds."""
    faults = Faults(GAME_ENGINE)
    if is_on:
        await faults.begin(Order(NO_OP, NO_OP, share=0.25, seconds=600, seed=7))
    with sentry_sdk.isolation_scope():
        began = time.process_time()
        for _ in range(CHECKS):
            faults.evaluate()
        return (time.process_time() - began) / CHECKS * 1e6


def main() -> int:
    """Print what was measured; return 1 if a goal was missed."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    # The profiler takes its samples by the clock, so a slow round would cost more.
    sentry_sdk.init(**sentry_options(GAME_ENGINE) | {"profile_session_sample_rate": 0.0})
    off_us, on_us = asyncio.run(check_us(is_on=False)), asyncio.run(check_us(is_on=True))
    print(f"  a check: {off_us:.2f} µs with no fault on, {on_us:.1f} µs with one flag evaluated")
    with running() as port:
        found = measure(port, rounds)
    base, off, on = (statistics.median(found[name]) for name in ("without", "off", "on"))
    print(f"  a spin: {base:.2f} ms without a check, {off:.2f} ms with it, {on:.2f} ms with a flag")
    reached = [
        goal(f"with no fault on a check takes at most {MOST_OFF_US:g} µs", off_us <= MOST_OFF_US),
        goal(f"a flag takes at most {MOST_ON_US:g} µs", on_us <= MOST_ON_US),
        goal(
            f"with no fault on a spin costs at most {MOST_RATIO:g} times as much"
            f" ({off / base:.3f})",
            off / base <= MOST_RATIO,
        ),
    ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
