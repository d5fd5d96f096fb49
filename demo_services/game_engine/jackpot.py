"""The search for a jackpot that is not on the reels."""

import sentry_sdk

from demo_services.game_engine.reels import STRIP, Spin
from demo_services.game_engine.watchdog import Watchdog
from demo_services.trace import start_span


def grant_jackpot(spin: Spin, seconds: float) -> int:
    """Respin until the jackpot comes. Raises ``WatchdogTimeout`` after ``seconds``."""
    spin.reach("respin")
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    # The loop is cut at any of its lines: grouped by stack trace it could be several issues.
    scope.fingerprint = ["game-engine", "watchdog", "respin_until_jackpot"]
    sentry_sdk.add_breadcrumb(category="spin", message=f"respin, at most {seconds} s")
    with (
        start_span(op="game.respin", name="respin until the jackpot"),
        Watchdog(seconds),
    ):
        return respin_until_jackpot(spin.reels[0])


def respin_until_jackpot(symbol: str) -> int:
    """Return how many respins it took."""
    stop = respins = 0
    # Each respin turns the reel on by seven stops.
    while symbol != "diamond":
        stop = (stop + 7) % len(STRIP)
        symbol = STRIP[stop]
        respins += 1
    return respins
