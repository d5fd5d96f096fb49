"""The crash routes. Each first plays a real spin and then fails within that work."""

from demo_services.bounds import Bounds
from demo_services.game_engine.cashier import House
from demo_services.game_engine.errors import ERROR_TYPES, ERRORS
from demo_services.game_engine.handler import Handler
from demo_services.game_engine.jackpot import grant_jackpot
from demo_services.game_engine.memory import record_replays
from demo_services.game_engine.reels import Spin
from demo_services.game_engine.sidebets import settle_side_bets
from demo_services.game_engine.tasks import finish_round
from demo_services.game_engine.threads import report_round
from demo_services.refused import Refused
from demo_services.trace import trace_id

BET = 10
LEAK_MB = Bounds(default=64, minimum=16, maximum=256)
LOOP_SECONDS = Bounds(default=1, minimum=1, maximum=5)


class DebugHandler(Handler):
    """A crash route."""

    async def play(self) -> Spin:
        """Play the spin that will fail; for free, so that it works whichever service is down."""
        player = self.machine.seat(self.get_query_argument("player", "ada"))
        self.machine.lend(player, BET)
        return await self.machine.play(player, BET, House())

    def number(self, name: str, bounds: Bounds) -> int:
        """Return a number of the query. Raises ``Refused`` when out of bounds."""
        return bounds.read(name, self.get_query_argument(name, None))


class Crash(DebugHandler):
    """An unhandled exception in the middle of a spin."""

    route = "/debug/crash"

    async def get(self) -> None:
        """Fail with RuntimeError."""
        spin = await self.play()
        winnings = settle_side_bets(spin)
        self.finish({"spin_id": spin.spin_id, "winnings": winnings})


class ErrorOfType(DebugHandler):
    """One error of the type that the path names."""

    route = "/debug/error/{type}"

    async def get(self, kind: str) -> None:
        """Fail, or recover and report it."""
        settle = ERRORS.get(kind)
        if settle is None:
            known = ", ".join(ERROR_TYPES)
            raise Refused(404, "unknown-error-type", f"There is no type {kind!r}; known: {known}.")
        spin = await self.play()
        spin.reach(kind)
        detail = settle(spin)
        self.finish(
            {"recovered": True, "spin_id": spin.spin_id, "detail": detail, "trace_id": trace_id()}
        )


class MemoryLeak(DebugHandler):
    """Memory that grows until none is left."""

    route = "/debug/memory-leak"

    async def get(self) -> None:
        """Fail with MemoryError."""
        cap_mb = self.number("mb", LEAK_MB)
        spin = await self.play()
        spin.reach("recording")
        # One at a time: several at once would exceed the allowed memory.
        async with self.recording:
            await record_replays(cap_mb, self.gauge)


class InfiniteLoop(DebugHandler):
    """A loop that blocks the event loop, and so every other request."""

    route = "/debug/infinite-loop"

    async def get(self) -> None:
        """Fail with ``WatchdogTimeout``."""
        seconds = self.number("seconds", LOOP_SECONDS)
        spin = await self.play()
        self.finish({"respins": grant_jackpot(spin, seconds)})


class AsyncError(DebugHandler):
    """A forgotten task, an awaited error and a group of failing tasks."""

    route = "/debug/async-error"

    async def get(self) -> None:
        """Fail with ExceptionGroup."""
        await finish_round(await self.play())


class ThreadingError(DebugHandler):
    """A failing thread and a failing job in a pool."""

    route = "/debug/threading-error"

    async def get(self) -> None:
        """Fail with StatisticsError."""
        await report_round(await self.play())


DEBUG_HANDLERS = (Crash, ErrorOfType, MemoryLeak, InfiniteLoop, AsyncError, ThreadingError)
