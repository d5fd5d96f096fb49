"""Concurrent work after a spin, and how each way of doing it can fail."""

import asyncio

import sentry_sdk
from sentry_sdk import logger

from demo_services.game_engine.reels import Spin
from demo_services.trace import start_span

BONUS_DEADLINE_S = 0.05
background: set[asyncio.Task[None]] = set()


async def finish_round(spin: Spin) -> None:
    """Publish, grant a bonus, settle. Raises ExceptionGroup when settling fails."""
    spin.reach("finishing")
    forget(spin)
    await grant_bonus(spin)
    await settle(spin)


def forget(spin: Spin) -> None:
    """Start a task that is never awaited."""
    sentry_sdk.add_breadcrumb(category="task", message="leaderboard left to a background task")
    task = asyncio.create_task(publish(spin.player))
    # The loop itself only has a weak reference, so the task could be garbage-collected.
    background.add(task)
    task.add_done_callback(drop)


def drop(task: asyncio.Task[None]) -> None:
    """Drop a task. Its exception is read, or asyncio would log it much later."""
    background.discard(task)
    task.exception()


async def publish(player: str) -> None:
    """Move the player to the top of the leaderboard."""
    leaderboard = ["grace", "alan", "edsger"]
    leaderboard.remove(f"{player}, yesterday")
    leaderboard.insert(0, player)


async def grant_bonus(spin: Spin) -> None:
    """Ask for a bonus; there is none unless the answer comes in time."""
    with start_span(op="game.bonus", name="ask for a bonus"):
        try:
            await ask_for_bonus(spin.player)
        except TimeoutError as error:
            with sentry_sdk.new_scope() as scope:
                scope.set_level("warning")
                scope.fingerprint = ["game-engine", "bonus-timeout"]
                sentry_sdk.capture_exception(error)
            logger.warning(
                "no bonus within {seconds} s",
                seconds=BONUS_DEADLINE_S,
                attributes={"spin.id": spin.spin_id},
            )
            sentry_sdk.metrics.count("game.bonus_timeouts", 1)
    sentry_sdk.add_breadcrumb(category="task", message="no bonus in time, going on without")


async def ask_for_bonus(player: str) -> None:
    """Wait for the bonus office, which never answers ``player``."""
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(BONUS_DEADLINE_S):
        await answer


async def settle(spin: Spin) -> None:
    """Credit the win, share the jackpot and print the receipt at the same time."""
    spin.reach("settling")
    sentry_sdk.add_breadcrumb(category="task", message="settling in three tasks")
    with start_span(op="game.settle", name="settle the round"):
        # Two fail at once, before the group notices the first; it cancels the third.
        async with asyncio.TaskGroup() as group:
            group.create_task(credit_win(spin))
            group.create_task(share_jackpot(spin))
            group.create_task(print_receipt(spin))


async def credit_win(spin: Spin) -> None:
    """Book the win."""
    accounts = {"house": 100_000}
    accounts[f"player:{spin.player}"] += spin.win


async def share_jackpot(spin: Spin) -> None:
    """Share the jackpot among the winners."""
    jackpot, winners = spin.bet * 100, 0
    jackpot //= winners


async def print_receipt(spin: Spin) -> None:
    """Wait for a printer that is out of paper; cancelled when the others fail."""
    printer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    receipt = await printer
    sentry_sdk.add_breadcrumb(category="task", message=f"printed {receipt} for {spin.spin_id}")
