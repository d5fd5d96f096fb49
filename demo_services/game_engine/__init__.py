"""The game engine (Tornado): spins the reels, and breaks in six ways."""

from demo_services.game_engine.app import make_app

__all__ = ["make_app"]
