"""The slot machine: its strip, its paytable, its players and their spins."""

import random
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import sentry_sdk
from sentry_sdk import logger

from demo_services.game_engine.cashier import Cashier
from demo_services.players import START_BALANCE, Player, checked_name
from demo_services.trace import start_span

STRIP = (
    *("cherry",) * 6,
    *("lemon",) * 5,
    *("bell",) * 4,
    *("clover",) * 3,
    *("seven",) * 2,
)
PAYTABLE = {"cherry": 3, "lemon": 6, "bell": 12, "clover": 30, "seven": 77}
PAIR_PAYS = 1
TABLE_LIMIT = 500
MAX_PLAYERS = 10_000


@dataclass
class Spin:
    """One round: ``stage`` says how far it got."""

    player: str
    bet: int
    spin_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    reels: list[str] = field(default_factory=list)
    win: int = 0
    balance: int = 0
    stage: str = "placed"

    def result(self) -> dict[str, Any]:
        """The result for the player and the other services."""
        return {name: value for name, value in asdict(self).items() if name != "stage"}

    def reach(self, stage: str) -> None:
        """Record how far the spin got; every later event has it."""
        self.stage = stage
        sentry_sdk.set_context("spin", asdict(self))


class Reels:
    """Spins reels and keeps the balance of every player in memory."""

    def __init__(self) -> None:
        self._players: OrderedDict[str, Player] = OrderedDict()

    def seat(self, name: object) -> Player:
        """Return the player of that name, a new one with the start balance if unknown.

        Raises ``Refused`` (422) when the name is invalid.
        """
        name = checked_name(name)
        player = self._players.setdefault(name, Player(name))
        self._players.move_to_end(name)
        if len(self._players) > MAX_PLAYERS:
            self._players.popitem(last=False)
        sentry_sdk.set_user({"id": player.id, "username": player.name})
        sentry_sdk.set_tag("player.tier", player.tier)
        sentry_sdk.add_breadcrumb(
            category="player",
            message=f"{player.name} sits down",
            data={"balance": player.balance, "tier": player.tier},
        )
        return player

    def lend(self, player: Player, bet: int) -> None:
        """Lend the player what is missing for a bet, so that debug routes always work."""
        if player.balance < bet:
            player.balance = START_BALANCE
            sentry_sdk.add_breadcrumb(
                category="player", message=f"the house lends {player.name} {START_BALANCE}"
            )

    async def play(
        self, player: Player, bet: int, cashier: Cashier, pays: "Pays | None" = None
    ) -> Spin:
        """Play one round and return it settled; ``pays`` computes what the reels pay.

        Raises ``Refused`` when the cashier does not charge the bet or does not pay the win.
        """
        spin = Spin(player.name, bet)
        logger.info(
            "{player} bets {bet}",
            player=player.name,
            bet=bet,
            attributes={"spin.id": spin.spin_id, "player.tier": player.tier},
        )
        with start_span(op="game.spin", name="play one round"):
            await self._charge(player, spin, cashier)
            self._turn(spin)
            await self._pay(player, spin, cashier, pays or pay_by_table)
        return spin

    async def _charge(self, player: Player, spin: Spin, cashier: Cashier) -> None:
        with start_span(op="game.charge", name="charge the bet"):
            spin.balance = await cashier.charge(player, spin.bet, spin.spin_id)
            player.balance = spin.balance
            spin.reach("charged")
            sentry_sdk.set_tag("bet.size", "high" if spin.bet > TABLE_LIMIT // 2 else "small")
            sentry_sdk.add_breadcrumb(
                category="spin", message=f"bet of {spin.bet} charged", data={"spin": spin.spin_id}
            )
            logger.info(
                "bet of {bet} charged, balance {balance}",
                bet=spin.bet,
                balance=spin.balance,
                attributes={"spin.id": spin.spin_id},
            )

    def _turn(self, spin: Spin) -> None:
        with start_span(op="game.reels", name="turn the reels") as span:
            spin.reels = [random.choice(STRIP) for _ in range(3)]  # noqa: S311 - play money
            spin.reach("turned")
            span.set_attribute("game.reels", spin.reels)
            sentry_sdk.add_breadcrumb(
                category="spin", message=f"reels stopped at {' '.join(spin.reels)}"
            )

    async def _pay(self, player: Player, spin: Spin, cashier: Cashier, pays: "Pays") -> None:
        with start_span(op="game.payout", name="pay the win"):
            spin.win = spin.bet * pays(player, spin.reels)
            if spin.win:
                spin.balance = await cashier.pay(player, spin.win, spin.spin_id)
                player.balance = spin.balance
            spin.reach("paid")
            sentry_sdk.add_breadcrumb(
                category="spin", message=f"win of {spin.win} paid, balance {spin.balance}"
            )
        log_result(spin, player.tier)


def log_result(spin: Spin, tier: str) -> None:
    """Log how a spin ended, and count it."""
    logger.info(
        "reels stopped at {reels}, win {win}",
        reels=" ".join(spin.reels),
        win=spin.win,
        attributes={"spin.id": spin.spin_id, "player.tier": tier},
    )
    result = "win" if spin.win else "loss"
    sentry_sdk.metrics.count("game.spins", 1, attributes={"result": result, "player.tier": tier})
    if spin.win:
        sentry_sdk.metrics.distribution("game.win", spin.win, attributes={"player.tier": tier})


# What the reels pay a player per unit of the bet.
Pays = Callable[[Player, list[str]], int]


def pay_by_table(player: Player, reels: list[str]) -> int:
    """Return what the reels pay: the same for everyone."""
    return multiplier(reels)


def multiplier(reels: list[str]) -> int:
    """Return what the reels pay per unit of the bet."""
    kinds = set(reels)
    if len(kinds) == 1:
        return PAYTABLE[reels[0]]
    return PAIR_PAYS if len(kinds) == 2 else 0
