"""Nine ways in which settling a spin goes wrong, each with its own level and fingerprint.

Four are handled: reported, recovered from, and the player never notices. Five are not.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import sentry_sdk
from sentry_sdk import logger

from demo_services.game_engine.reels import PAYTABLE, STRIP, Spin
from demo_services.players import Player

JACKPOT_FILE = Path(__file__).with_name("jackpot.json")
JACKPOT_SEED = 10_000


class SettlementError(Exception):
    """A spin that was played could not be settled."""


def redeem_coupon(spin: Spin) -> str:
    """``value``: someone typed the letter O for a zero."""
    coupon = "LUCKY-1O"
    try:
        percent = coupon_percent(coupon)
    except ValueError as error:
        with sentry_sdk.new_scope() as scope:
            scope.set_level("info")
            scope.fingerprint = ["game-engine", "bad-coupon"]
            sentry_sdk.capture_exception(error)
        logger.info("coupon {coupon} ignored", coupon=coupon, attributes={"spin.id": spin.spin_id})
        sentry_sdk.metrics.count("game.coupons_ignored", 1, attributes={"reason": "no-number"})
        percent = 0
    return f"Coupon {coupon} was ignored; the win stays {spin.win * (100 + percent) // 100}."


def coupon_percent(coupon: str) -> int:
    """Return the bonus that a coupon like ``LUCKY-15`` is worth."""
    digits = coupon.removeprefix("LUCKY-")
    return int(digits)


def add_promotion(spin: Spin) -> str:
    """``type``: a number that arrives as text."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["game-engine", "promotion-type"]
    promotion = json.loads('{"name": "happy hour", "bonus": "25"}')
    total = spin.win + promotion["bonus"]
    return f"The win with {promotion['name']} is {total}."


def pay_seasonal_symbol(spin: Spin) -> str:
    """``key``: a symbol that is on the reels but not in the paytable."""
    symbols = [*spin.reels[:2], "pumpkin"]
    try:
        pays = sum_of_pays(symbols)
    except KeyError as error:
        with sentry_sdk.new_scope() as scope:
            scope.set_level("warning")
            scope.fingerprint = ["game-engine", "symbol-without-pay"]
            sentry_sdk.capture_exception(error)
        pays = sum_of_pays(symbols[:2])
    return f"The unknown symbol pays nothing; the others pay {pays}."


def sum_of_pays(symbols: list[str]) -> int:
    """Add up what each symbol pays."""
    pays = 0
    for symbol in symbols:
        pays += PAYTABLE[symbol]
    return pays


def show_window(spin: Spin) -> str:
    """``index``: the window over the strip runs past its end."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["game-engine", "reel-window"]
    top = len(STRIP) - 2
    window = []
    for row in range(len(spin.reels)):
        window.append(STRIP[top + row])
    return f"The window shows {window}."


def add_loyalty_points(spin: Spin) -> str:
    """``attribute``: the code does not check whether the look-up found anything."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["game-engine", "loyalty-card"]
    cards = {"card-1": Player("grace"), "card-2": Player("alan")}
    holder = cards.get(f"card-of-{spin.player}")
    holder.balance += spin.bet  # type: ignore[union-attr]
    return "Points were added."


def show_hit_rate(spin: Spin) -> str:
    """``zero-division``: statistics of a machine that has not been played today."""
    wins_today, spins_today = int(spin.win > 0), 0
    try:
        rate = hit_rate(wins_today, spins_today)
    except ZeroDivisionError as error:
        with sentry_sdk.new_scope() as scope:
            scope.set_level("warning")
            scope.fingerprint = ["game-engine", "hit-rate"]
            sentry_sdk.capture_exception(error)
        rate = 0.0
    return f"The hit rate is shown as {rate:.0%}."


def hit_rate(wins: int, spins: int) -> float:
    """Return the share of spins that won something."""
    return wins / spins


def balance_ledger(spin: Spin) -> str:
    """``assertion``: an invariant that must never break has broken."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("fatal")
    scope.fingerprint = ["game-engine", "ledger-off-balance"]
    entries = {"player": spin.win - spin.bet, "house": spin.bet - spin.win, "commission": 1}
    difference = sum(entries.values())
    if difference != 0:
        # Python removes assert statements when it runs with -O.
        raise AssertionError(f"the ledger is off by {difference}")
    return "The ledger balances."


def show_jackpot(spin: Spin) -> str:
    """``os``: the file with the jackpot is missing."""
    try:
        jackpot = read_jackpot(JACKPOT_FILE)
    except OSError as error:
        with sentry_sdk.new_scope() as scope:
            scope.set_level("warning")
            scope.fingerprint = ["game-engine", "jackpot-file"]
            sentry_sdk.capture_exception(error)
        jackpot = JACKPOT_SEED
    return f"The jackpot for {spin.player} starts again at {jackpot}."


def read_jackpot(file: Path) -> int:
    """Return the jackpot that the last spin left."""
    text = file.read_text(encoding="utf-8")
    return int(json.loads(text)["jackpot"])


def confirm_payout(spin: Spin) -> str:
    """``custom``: our own exception, raised from its cause."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["game-engine", "settlement"]
    receipt = "<html><h1>502 Bad Gateway</h1></html>"
    try:
        confirmed = confirmed_amount(receipt)
    except ValueError as error:
        raise SettlementError(f"payout of {spin.win} for {spin.player} not confirmed") from error
    return f"The bank confirmed {confirmed}."


def confirmed_amount(receipt: str) -> Decimal:
    """Return the amount that the bank's receipt confirms."""
    return Decimal(json.loads(receipt)["amount"])


ERRORS: dict[str, Callable[[Spin], str]] = {
    "value": redeem_coupon,
    "type": add_promotion,
    "key": pay_seasonal_symbol,
    "index": show_window,
    "attribute": add_loyalty_points,
    "zero-division": show_hit_rate,
    "assertion": balance_ledger,
    "os": show_jackpot,
    "custom": confirm_payout,
}
ERROR_TYPES = tuple(ERRORS)
