"""One run of the traffic: sends due requests in its own thread, and judges the answers."""

import asyncio
import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Literal

import httpx

from demo_services.connections import ONE_REQUEST
from demo_services.services import ANALYTICS, GAME_ENGINE
from kit.reliability.traffic.outcomes import Answer, Outcomes, judge_answer
from kit.reliability.traffic.plan import Arrival
from kit.system.clients import sentry_off, trace_header
from kit.threads import report_thread_failure

THREAD = "workshop-traffic"
MOST_IN_FLIGHT = 50
# The gateway gives up after 15 seconds. At 4 a second, fewer than 50 are in flight after ten.
PATIENCE_S = 10.0
# How long a stop waits for answers in flight.
GRACE_S = 0.4
TICK_S = 1.0
_START_S = 5.0
_STOP_S = 5.0


class TrafficRun:
    """Sends a plan's requests to the gateway, each when it is due, however slow the answers.

    ``url`` returns the gateway's address. ``on_answer`` is called with each answer, ``on_tick``
    once a second and at the end, both in the run's thread. The run reports nothing to Sentry. An
    answer is bad when it takes longer than ``threshold_s``.
    """

    def __init__(
        self,
        plan: Iterable[Arrival],
        url: Callable[[], str],
        outcomes: Outcomes,
        *,
        threshold_s: float,
        on_answer: Callable[[Answer], object],
        on_tick: Callable[[], object],
    ) -> None:
        self._plan, self._url, self._outcomes = plan, url, outcomes
        self._threshold_s = threshold_s
        self._on_answer, self._on_tick = on_answer, on_tick
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop, self._is_stopping = asyncio.Event(), False
        self._in_flight: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        # An event, because Python 3.11 considers a thread ended after an interrupted join().
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
        self.began_at = 0.0
        self.ended_at: float | None = None
        # Requests that had no answer at the stop, but were not late yet.
        self.unfinished = 0

    @property
    def is_running(self) -> bool:
        """Whether it still sends requests or waits for answers."""
        return self._ready.is_set() and self.ended_at is None

    @property
    def in_flight(self) -> int:
        """How many requests are waiting for an answer."""
        return len(self._in_flight)

    def start(self) -> None:
        """Start sending; return once the first request is scheduled."""
        self._thread.start()
        try:
            self._ready.wait(_START_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop sending, and wait at most 0.4 seconds for answers in flight."""
        self._is_stopping = True
        with contextlib.suppress(RuntimeError):  # its loop has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not threading.current_thread() and self._over.wait(_STOP_S):
            self._thread.join(_STOP_S)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most ``seconds``; return whether it has ended."""
        return self._over.wait(seconds)

    def _run(self) -> None:
        try:
            with sentry_off(), asyncio.Runner(debug=False) as runner:
                runner.run(self._main())
        finally:
            self.ended_at = time.time()
            self._ready.set()
            self._tick()
            self._over.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._is_stopping:
            return
        # A proxy cannot reach this machine's loopback. Each request has its own deadline.
        async with httpx.AsyncClient(trust_env=False, limits=ONE_REQUEST, timeout=None) as http:  # noqa: S113
            ticking = asyncio.create_task(self._tick_on())
            sending = asyncio.create_task(self._send_all(http))
            stopping = asyncio.create_task(self._stop.wait())
            await _wait_for({sending}, stopping)
            await _wait_for(set(self._in_flight), stopping)
            for task in (sending, ticking, stopping):
                task.cancel()
            await self._end_requests()
            # If sending failed, raise its error here, in this thread.
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def _end_requests(self) -> None:
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send_all(self, http: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        began, self.began_at = loop.time(), time.time()
        self._ready.set()
        for arrival in self._plan:
            due = began + arrival.due_s
            # Sleep even when late, to let the event loop read answers.
            await asyncio.sleep(due - loop.time())
            if len(self._in_flight) >= MOST_IN_FLIGHT:
                self._outcomes.add_shed(self.began_at + arrival.due_s, arrival.route)
                continue
            task = asyncio.create_task(self._send(http, arrival, due))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def _send(self, http: httpx.AsyncClient, arrival: Arrival, due: float) -> None:
        """Send one request and count its outcome."""
        try:
            trace_id, status = uuid.uuid4().hex, None
            try:
                async with asyncio.timeout_at(due + PATIENCE_S):
                    status = await self._ask(http, arrival, trace_id)
            except (httpx.HTTPError, TimeoutError, ValueError, RecursionError):
                pass
            except asyncio.CancelledError:
                if asyncio.get_running_loop().time() - due <= self._threshold_s:
                    self.unfinished += 1
                    raise
            self._note(arrival, trace_id, status, asyncio.get_running_loop().time() - due)
        except Exception:
            report_thread_failure()

    async def _ask(self, http: httpx.AsyncClient, arrival: Arrival, trace_id: str) -> int:
        """Return the status of the answer. Raises ValueError if the body cannot be read."""
        headers = trace_header(trace_id, is_sampled=arrival.is_sampled)
        method, path, body = _request(arrival)
        answer = await http.request(method, self._url() + path, headers=headers, json=body)
        json.loads(answer.content)
        return answer.status_code

    def _note(self, arrival: Arrival, trace_id: str, status: int | None, took_s: float) -> None:
        answer = Answer(
            due=self.began_at + arrival.due_s,
            trace_id=trace_id,
            route=arrival.route,
            player=arrival.player,
            status=status,
            took_s=took_s,
            kind=judge_answer(status, took_s, self._threshold_s),
        )
        self._outcomes.add(answer)
        self._on_answer(answer)

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._tick()

    def _tick(self) -> None:
        try:
            self._on_tick()
        except Exception:
            # Requests continue; only the picture is stale.
            report_thread_failure()


async def _wait_for(tasks: set[asyncio.Task[None]], stopping: asyncio.Task[Literal[True]]) -> None:
    """Wait until all tasks are done or the stop has begun."""
    while tasks and not stopping.done():
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        tasks = {task for task in tasks if not task.done()}


def _request(arrival: Arrival) -> tuple[str, str, dict[str, object] | None]:
    """Return the method, the path at the gateway, and the JSON body of a request."""
    match arrival.route:
        case "spin":
            body: dict[str, object] = {"player": arrival.player, "bet": arrival.bet}
            return "POST", f"/api/v1/{GAME_ENGINE.prefix}/spin", body
        case "stats":
            return "GET", f"/api/v1/{ANALYTICS.prefix}/stats", None
        case "health":
            return "GET", "/health", None
