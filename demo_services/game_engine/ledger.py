"""Reports every spin to the analytics service. The game continues without it."""

import time
from collections.abc import Mapping

import httpx
import sentry_sdk
from sentry_sdk import logger

from demo_services.connections import ONE_REQUEST
from demo_services.faults import hits
from demo_services.faults.names import numbers_of
from demo_services.game_engine.breakers import Breakers, CircuitOpen
from demo_services.game_engine.faults import CLOCK_SKEW
from demo_services.game_engine.reels import Spin
from demo_services.services import ANALYTICS
from demo_services.trace import start_span

DEADLINE_S = 1.0


class Ledger:
    """The analytics service, at its address in ``upstreams``, if it has one."""

    def __init__(self, upstreams: Mapping[str, str], breakers: Breakers) -> None:
        self._breakers = breakers
        self._upstreams = upstreams
        self._http = httpx.AsyncClient(timeout=DEADLINE_S, limits=ONE_REQUEST, trust_env=False)

    async def enter(self, spin: Spin) -> None:
        """Store a spin that was played. A spin that cannot be stored leaves a breadcrumb only."""
        if ANALYTICS.name not in self._upstreams:
            return
        with start_span(op="game.ledger", name="enter the spin"):
            try:
                async with self._breakers.around(ANALYTICS.name):
                    answer = await self._http.post(
                        f"{self._upstreams[ANALYTICS.name]}/api/v1/events",
                        json={**spin.result(), "played_at": clock()},
                    )
                    answer.raise_for_status()
            except (httpx.HTTPError, CircuitOpen) as error:
                # The player has been paid: a hole in the statistics is no reason to fail.
                sentry_sdk.add_breadcrumb(
                    category="ledger",
                    message=f"spin was not stored: {error or type(error).__name__}",
                    level="warning",
                )
                logger.warning(
                    "spin was not stored: {reason}",
                    reason=repr(error),
                    attributes={"spin.id": spin.spin_id},
                )
                sentry_sdk.metrics.count("game.spins_not_stored", 1)


def clock() -> float:
    """Return the time in seconds since the epoch, by this service's clock."""
    ahead: int = numbers_of(CLOCK_SKEW)["seconds"] if hits.is_marked(CLOCK_SKEW) else 0
    return time.time() + ahead
