"""The routes for repairs: breakers and decisions."""

from demo_services.game_engine.breakers import known_upstream, read_breaker_order
from demo_services.game_engine.handler import Handler
from demo_services.services import GAME_ENGINE


class BreakersRoute(Handler):
    """The circuit breakers of the game engine."""

    route = f"{GAME_ENGINE.debug_base}/breakers"

    def get(self) -> None:
        """Return which are on, and their state."""
        self.finish(self.breakers.states())

    async def post(self) -> None:
        """Turn one on: open at once, or after failures."""
        status = await self.breakers.begin(read_breaker_order(self.json_object()))
        self.set_status(201)
        self.finish(dict(status))

    def delete(self) -> None:
        """Turn one off, or all."""
        given = self.get_query_argument("service", None)
        name = None if given is None else known_upstream(given)
        self.finish({"ended": self.breakers.clear(name)})


class DecisionsRoute(Handler):
    """Decisions about the game engine."""

    route = f"{GAME_ENGINE.debug_base}/decisions"

    def get(self) -> None:
        """Return the decisions in events."""
        self.finish({"service": GAME_ENGINE.name, "decisions": self.decisions.states()})

    def post(self) -> None:
        """Add a decision to events for a while."""
        state = self.decisions.note(self.json_object())
        self.set_status(201)
        self.finish(state)

    def delete(self) -> None:
        """Remove all decisions from events."""
        self.finish({"ended": self.decisions.clear()})
