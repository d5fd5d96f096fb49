"""The spins that an experiment plays all the time, so that there is a steady state to measure."""

import asyncio
import contextlib
import json
import threading
import time
import uuid
from dataclasses import dataclass

import httpx

from demo_services.connections import ONE_REQUEST
from demo_services.services import GAME_ENGINE
from kit.reliability.traffic.plan import Arrival, TrafficPlan
from kit.system.clients import sentry_off, trace_header
from kit.threads import report_thread_failure

# Few, so that the balance of each can be read; a balance lasts for an hour.
PLAYERS = 8
PATIENCE_S = 10.0
MOST_IN_FLIGHT = 100
MAX_MINUTES = 10.0
_STOP_S = 5.0


@dataclass
class PlayedSpin:
    """A spin of the experiment; ``took_s`` is None while in flight, ``due`` is since the epoch.

    ``status`` is None without a readable answer. ``win`` counts only for a spin that was played.
    """

    due: float
    trace_id: str
    player: str
    bet: int
    took_s: float | None = None
    status: int | None = None
    win: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it was answered or given up."""
        return self.took_s is not None

    @property
    def is_good(self) -> bool:
        """Whether it was played, however late."""
        return self.status == 200

    @property
    def ended_at(self) -> float:
        """When it ended, in seconds since the epoch; only for a spin that has ended."""
        return self.due + (self.took_s or 0.0)

    def waited_s(self, now: float) -> float:
        """Return how long its player waited for the answer, or has waited so far."""
        return now - self.due if self.took_s is None else self.took_s


class SpinLoad:
    """Plays ``rate`` spins a second in its own thread, until ``stop``.

    They arrive independently of the answers, and a spin's time counts from when it was due. The
    same ``seed`` gives the same players, bets and times; ``run`` makes the players' names new.
    """

    def __init__(self, url: str, *, rate: float, seed: int, run: str) -> None:
        self.spins: list[PlayedSpin] = []
        self._url = f"{url}/api/v1/{GAME_ENGINE.prefix}/spin"
        self._plan = TrafficPlan(rate=rate, seed=seed, minutes=MAX_MINUTES)
        self._run = run
        self._stopping, self._quitting = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._main, name="chaos-load", daemon=True)

    @property
    def players(self) -> list[str]:
        """All players who may spin."""
        return [self._name(number) for number in range(PLAYERS)]

    @property
    def in_flight(self) -> int:
        """How many spins have no answer yet."""
        return sum(not spin.is_over for spin in list(self.spins))

    def start(self) -> None:
        """Start playing."""
        self._thread.start()

    def drain(self, seconds: float) -> bool:
        """Play no more spins, and wait at most ``seconds`` for answers; return whether all came."""
        self._stopping.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it at once, whatever is in flight."""
        self._stopping.set()
        self._quitting.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _name(self, number: int) -> str:
        return f"x{self._run}-{number % PLAYERS}"

    def _main(self) -> None:
        try:
            with sentry_off(), asyncio.Runner(debug=False) as runner:
                runner.run(self._play_all())
        except Exception:
            report_thread_failure()

    async def _play_all(self) -> None:
        async with httpx.AsyncClient(
            trust_env=False, limits=ONE_REQUEST, timeout=PATIENCE_S
        ) as http:
            tasks: set[asyncio.Task[None]] = set()
            began = time.time()
            for number, arrival in enumerate(self._plan):
                await self._sleep_until(began + arrival.due_s)
                if self._stopping.is_set():
                    break
                if len(tasks) < MOST_IN_FLIGHT:
                    task = asyncio.create_task(self._play(http, number, began, arrival))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            while tasks and not self._quitting.is_set():
                await asyncio.wait(tasks, timeout=0.1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sleep_until(self, due: float) -> None:
        while not self._stopping.is_set() and (left := due - time.time()) > 0:
            await asyncio.sleep(min(left, 0.1))

    async def _play(
        self, http: httpx.AsyncClient, number: int, began: float, arrival: Arrival
    ) -> None:
        spin = PlayedSpin(began + arrival.due_s, uuid.uuid4().hex, self._name(number), arrival.bet)
        self.spins.append(spin)
        status, win = None, 0
        with contextlib.suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
            answer = await http.post(
                self._url,
                json={"player": spin.player, "bet": spin.bet},
                headers=trace_header(spin.trace_id),
            )
            body = json.loads(answer.content)
            win = int(body["win"]) if answer.status_code == 200 else 0
            status = answer.status_code
        # Last, because it marks the spin as over.
        spin.status, spin.win, spin.took_s = status, win, time.time() - spin.due
