"""Sends a few spins, each in its own trace, to see what a fault does to them."""

import asyncio
import json
import math
import time
import uuid
from contextlib import suppress

import httpx

from demo_services.connections import ONE_REQUEST
from demo_services.services import GAME_ENGINE
from kit.reliability.traffic.outcomes import Answer, judge_answer
from kit.system.clients import sentry_off, trace_header

PATIENCE_S = 20.0
BET = 1
# Enough that no player's balance runs out.
PLAYERS = 50


class Probe:
    """Sends spins to the gateway at ``url``.

    The spins are not sampled, and this process reports nothing about them.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1/{GAME_ENGINE.prefix}/spin"

    def play(self, count: int, *, every_s: float = 0.0) -> list[Answer]:
        """Send ``count`` spins, one every ``every_s`` seconds; return the answers in that order."""
        # Call it in a thread without a running event loop: a notebook's own thread has one.
        with sentry_off(), asyncio.Runner() as runner:
            return runner.run(self._play(count, every_s))

    async def _play(self, count: int, every_s: float) -> list[Answer]:
        began = time.time()
        async with httpx.AsyncClient(
            trust_env=False, limits=ONE_REQUEST, timeout=PATIENCE_S
        ) as http:
            spins = (self._spin(http, number, began + number * every_s) for number in range(count))
            return list(await asyncio.gather(*spins))

    async def _spin(self, http: httpx.AsyncClient, number: int, due: float) -> Answer:
        await asyncio.sleep(due - time.time())
        trace_id, player = uuid.uuid4().hex, f"probe-{number % PLAYERS}"
        status = None
        with suppress(httpx.HTTPError, ValueError):
            answer = await http.post(
                self._url,
                json={"player": player, "bet": BET},
                headers=trace_header(trace_id),
            )
            json.loads(answer.content)
            status = answer.status_code
        took_s = time.time() - due
        # Without a threshold: ``took_s`` shows that an answer is slow.
        kind = judge_answer(status, took_s, threshold_s=math.inf)
        return Answer(due, trace_id, "spin", player, status, took_s, kind)
