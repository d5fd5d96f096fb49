"""The desk that settles side bets, as a separate server: one route, which always fails.

It sets no user, tag or context itself. Apart from what the SDK collects, its events only have what
``describe`` adds about the order.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import sentry_sdk
import tornado.web

from demo_services.game_engine.sidebets import ODDS, pay_open_bets

ROUTE = "/api/v1/side-bets"


@dataclass(frozen=True)
class Order:
    """A player, the side bets to settle, and the card to pay the win to."""

    order_id: str
    player: str
    tier: str
    table: int
    bet: int
    reels: list[str]
    side_bets: dict[str, int]
    card_number: str
    note: str = ""


Describe = Callable[[Order], object]


class Settle(tornado.web.RequestHandler):
    """Settles the side bets of an order."""

    def initialize(self, describe: Describe) -> None:
        """Receive the function that tells Sentry about an order."""
        self.describe = describe

    def post(self) -> None:
        """Accept an order as a JSON object."""
        order = Order(**json.loads(self.request.body))
        sentry_sdk.add_breadcrumb(category="desk", message=f"order of {order.player} read")
        self.describe(order)
        self.finish({"coins": settle(order)})


def settle(order: Order) -> int:
    """Look up the odds, then pay. Fails: paying iterates over a dict while removing from it."""
    open_bets = dict(order.side_bets)
    for name, stake in open_bets.items():
        sentry_sdk.add_breadcrumb(
            category="desk", message=f"{name} pays {ODDS[name]} to 1", data={"stake": stake}
        )
    sentry_sdk.add_breadcrumb(category="desk", message=f"paying {len(open_bets)} bets")
    return pay_open_bets(order.reels, open_bets)


def make_app(describe: Describe) -> tornado.web.Application:
    """Return the server; call it inside the event loop that will serve it."""
    return tornado.web.Application([(ROUTE, Settle, {"describe": describe})])
