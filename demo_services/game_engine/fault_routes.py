"""The route that turns faults on and off."""

from demo_services.faults.order import known_fault, read_order
from demo_services.game_engine.handler import Handler
from demo_services.services import GAME_ENGINE


class FaultsRoute(Handler):
    """The faults of the game engine."""

    route = f"{GAME_ENGINE.debug_base}/faults"

    def get(self) -> None:
        """Return which are on, and which were."""
        self.finish(self.faults.states())

    async def post(self) -> None:
        """Turn one on."""
        state = await self.faults.begin(read_order(GAME_ENGINE.name, self.json_object()))
        self.set_status(201)
        self.finish(state)

    def delete(self) -> None:
        """Turn one off, or all."""
        given = self.get_query_argument("fault", None)
        name = None if given is None else known_fault(GAME_ENGINE.name, given)
        self.finish({"ended": self.faults.clear(name)})
