"""Side bets on a spin, and the bug that breaks paying them."""

import sentry_sdk

from demo_services.game_engine.reels import Spin
from demo_services.trace import start_span

ODDS = {"two-of-a-kind": 2, "three-of-a-kind": 12, "first-is-cherry": 3}


def settle_side_bets(spin: Spin) -> int:
    """Pay the side bets that every spin comes with, and return what they won."""
    spin.reach("side-bets")
    side_bets = {"two-of-a-kind": 5, "three-of-a-kind": 1, "first-is-cherry": 2}
    sentry_sdk.add_breadcrumb(
        category="spin", message=f"settling {len(side_bets)} side bets", data=side_bets
    )
    with start_span(op="game.settle", name="settle the side bets"):
        return pay_open_bets(spin.reels, side_bets)


def pay_open_bets(reels: list[str], open_bets: dict[str, int]) -> int:
    """Pay the bets that won and close all of them."""
    paid = 0
    for name, stake in open_bets.items():
        won = is_won(name, reels)
        if won:
            paid += stake * ODDS[name]
        # A settled bet is closed.
        del open_bets[name]
    return paid


def is_won(name: str, reels: list[str]) -> bool:
    """Return whether the reels win that side bet."""
    kinds = len(set(reels))
    if name == "first-is-cherry":
        return reels[0] == "cherry"
    return kinds <= 2 if name == "two-of-a-kind" else kinds == 1
