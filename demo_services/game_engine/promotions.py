"""Three promotions on trial, on a separate server: each fails for some players.

They are neither debug routes nor crash types, so that nobody knows beforehand what breaks.
"""

import asyncio
import json
import logging
import traceback
from decimal import Decimal
from types import TracebackType
from typing import Protocol

import sentry_sdk
import tornado.web

from demo_services.game_engine.cashback import Cashback
from demo_services.game_engine.voucher import Voucher
from demo_services.game_engine.welcome import Welcome
from demo_services.players import Player, checked_name
from demo_services.sdk import ignore_logger
from demo_services.trace import trace_id

LOOK_UP_S = 0.01

log = logging.getLogger("demo_services.promotions")
log.setLevel(logging.INFO)
# Sentry's Tornado integration has already captured the failures that it logs.
failures = log.getChild("failures")
ignore_logger(failures.name)


class Promotion(Protocol):
    """A player's request, with everything that it depends on."""

    @property
    def player(self) -> str:
        """The player who asks."""

    def facts(self) -> tuple[str, ...]:
        """Return the facts for the log, a line each."""

    def coins(self) -> int | Decimal:
        """Return what the player gets."""


PROMOTIONS: dict[str, type[Promotion]] = {
    "cashback": Cashback,
    "voucher": Voucher,
    "welcome": Welcome,
}


class Give(tornado.web.RequestHandler):
    """Gives a player the coins of a promotion."""

    async def post(self, name: str) -> None:
        """Accept the named promotion as a JSON object."""
        promotion = PROMOTIONS[name](**json.loads(self.request.body))
        player = Player(checked_name(promotion.player))
        sentry_sdk.set_user({"id": player.id, "username": player.name})
        sentry_sdk.set_tag("promotion", name)
        log.info("[%s] %s asks for %s", self.number, player.name, name)
        for fact in promotion.facts():
            await asyncio.sleep(LOOK_UP_S)
            log.info("[%s] %s", self.number, fact)
        coins = promotion.coins()
        log.info("[%s] coins given: %s", self.number, coins)
        self.finish({"coins": str(coins)})

    @property
    def number(self) -> str:
        """The id that all log lines of one request share."""
        return (trace_id() or "")[:6]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log the failure as one line, too."""
        super().log_exception(typ, value, tb)
        _, line, function, _ = traceback.extract_tb(tb)[-1]
        kind = typ.__name__ if typ else None
        failures.error("[%s] %s: %s in %s, line %d", self.number, kind, value, function, line)


def make_app() -> tornado.web.Application:
    """Return the server; call it inside the event loop that will serve it."""
    return tornado.web.Application([(f"/promotions/({'|'.join(PROMOTIONS)})", Give)])
