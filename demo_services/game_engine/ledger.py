"""Tells the analytics service of every spin. The game goes on without it."""

import httpx
import sentry_sdk
from sentry_sdk import logger

from demo_services.connections import ONE_REQUEST
from demo_services.game_engine.reels import Spin
from demo_services.trace import start_span

DEADLINE_S = 1.0


class Ledger:
    """The analytics service at ``url``, as the game engine sees it; none without a ``url``."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._http = httpx.AsyncClient(timeout=DEADLINE_S, limits=ONE_REQUEST, trust_env=False)

    async def enter(self, spin: Spin) -> None:
        """Store a spin that was played. A spin that cannot be stored leaves a breadcrumb only."""
        if self._url is None:
            return
        with start_span(op="game.ledger", name="enter the spin"):
            try:
                answer = await self._http.post(f"{self._url}/api/v1/events", json=spin.result())
                answer.raise_for_status()
            except httpx.HTTPError as error:
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
