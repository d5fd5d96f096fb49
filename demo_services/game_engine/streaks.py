"""The payout of release 1.1.0, with the bug that came with it."""

import sentry_sdk
from sentry_sdk.types import Event, Hint

from demo_services.game_engine.reels import multiplier
from demo_services.players import Player
from demo_services.services import GAME_ENGINE


def pay_streaks(player: Player, reels: list[str]) -> int:
    """Return what the reels pay per unit of the bet: twice as much in a streak of wins."""
    pays = multiplier(reels)
    streaks = {player.name: 1 if pays else 0}
    # Stored by name, looked up by id.
    return pays * 2 if streaks[player.id] > 1 else pays


def report_release(version: str) -> None:
    """Give the events of this request another release of the service.

    In production a new release is a new process, and its SDK has the release from the start.
    """

    def set_release(event: Event, hint: Hint) -> Event:
        event["release"] = f"{GAME_ENGINE.name}@{version}"
        return event

    sentry_sdk.get_isolation_scope().add_event_processor(set_release)
