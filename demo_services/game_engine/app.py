"""The routes of the game engine."""

import asyncio

import tornado.web
from sentry_sdk.integrations.asyncio import enable_asyncio_integration

from demo_services.faults import hits
from demo_services.faults.names import numbers_of
from demo_services.game_engine.breakers import Breakers
from demo_services.game_engine.cashier import House, PaymentService
from demo_services.game_engine.debug import DEBUG_HANDLERS
from demo_services.game_engine.fault_routes import FaultsRoute
from demo_services.game_engine.faults import BAD_RELEASE, EngineFaults
from demo_services.game_engine.handler import Handler, NotFound
from demo_services.game_engine.ledger import Ledger
from demo_services.game_engine.reels import TABLE_LIMIT, Pays, Reels, pay_by_table
from demo_services.game_engine.repair_routes import BreakersRoute, DecisionsRoute
from demo_services.game_engine.streaks import pay_streaks, report_release
from demo_services.guard import Guard
from demo_services.process import ProcessGauge
from demo_services.refused import Refused
from demo_services.remediation.decisions import Decisions
from demo_services.services import GAME_ENGINE, PAYMENT
from demo_services.settings import Settings

MAX_BODY_BYTES = 64 * 1024


class Health(Handler):
    """Reports that the service is up."""

    route = "/health"

    def get(self) -> None:
        """Answer at once."""
        self.finish({"status": "up", "service": GAME_ENGINE.name, "release": GAME_ENGINE.release})


class SpinReels(Handler):
    """The real work: one round at the slot machine."""

    route = "/api/v1/spin"

    async def post(self) -> None:
        """Play ``{"player": name, "bet": number}``."""
        body = self.json_object()
        player = self.machine.seat(body.get("player"))
        bet = checked_bet(body.get("bet"))
        self.faults.evaluate()
        self.faults.strike_before()
        spin = await self.machine.play(player, bet, self.cashier, payout())
        await self.ledger.enter(spin)
        self.finish(spin.result())


def payout() -> Pays:
    """Return the payout function of the release that serves this spin."""
    if not hits.is_marked(BAD_RELEASE):
        return pay_by_table
    report_release(numbers_of(BAD_RELEASE)["release"])
    return pay_streaks


def checked_bet(bet: object) -> int:
    """Return the bet. Raises ``Refused`` (422) when the table does not accept it."""
    # True is an int in Python, but not a bet.
    if not isinstance(bet, int) or isinstance(bet, bool):
        raise Refused(422, "bad-bet", "bet must be a whole number.")
    if bet <= 0:
        raise Refused(422, "bet-too-low", "bet must be at least 1.")
    if bet > TABLE_LIMIT:
        raise Refused(422, "bet-too-high", f"The table limit is {TABLE_LIMIT}.")
    return bet


def make_app(settings: Settings) -> tornado.web.Application:
    """Return the game engine; call it inside the event loop that will serve it."""
    # Without spans per task: Tornado runs each request as one.
    enable_asyncio_integration(task_spans=False)
    faults = EngineFaults(settings.upstreams)
    upstreams = faults.upstreams
    breakers = Breakers()
    takes_money = PAYMENT.name in upstreams
    shared = {
        "machine": Reels(),
        "gauge": ProcessGauge(),
        "guard": Guard(settings),
        "recording": asyncio.Lock(),
        "ledger": Ledger(upstreams, breakers),
        "cashier": PaymentService(upstreams, breakers) if takes_money else House(),
        "faults": faults,
        "breakers": breakers,
        "decisions": Decisions(),
    }
    handlers = (Health, SpinReels, FaultsRoute, BreakersRoute, DecisionsRoute, *DEBUG_HANDLERS)
    routes = [(handler.route.replace("{type}", "([^/]+)"), handler, shared) for handler in handlers]
    return tornado.web.Application(
        routes, default_handler_class=NotFound, default_handler_args=shared
    )
