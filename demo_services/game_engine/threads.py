"""Work done off the event loop, in a separate thread and in a pool."""

import asyncio
import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

import sentry_sdk

from demo_services.game_engine.reels import Spin
from demo_services.trace import start_span


async def report_round(spin: Spin) -> None:
    """Audit the spin in a thread, then compute statistics in a pool.

    Only the pool's failure reaches the caller: it raises StatisticsError. Only Sentry sees the
    thread's failure.
    """
    spin.reach("auditing")
    await audit_in_thread(spin)
    spin.reach("statistics")
    await average_in_pool(spin)


async def audit_in_thread(spin: Spin) -> None:
    """Run the audit in a raw thread and wait until it is over."""
    sentry_sdk.add_breadcrumb(category="thread", message="audit handed to a thread")
    thread = threading.Thread(target=audit, args=(spin,), name="game-engine-audit")
    thread.start()
    await asyncio.to_thread(thread.join)


def audit(spin: Spin) -> None:
    """Find the spin in the audit log."""
    # Threads start with a copy of the scope: this tag stays inside.
    sentry_sdk.set_tag("thread.name", threading.current_thread().name)
    audit_log = ["0f3a", "1b77", "2c08"]
    position = audit_log.index(spin.spin_id)
    sentry_sdk.add_breadcrumb(category="thread", message=f"spin is number {position} today")


async def average_in_pool(spin: Spin) -> float:
    """Compute the player's average win in a pool."""
    sentry_sdk.add_breadcrumb(category="thread", message="statistics handed to a pool")
    with ThreadPoolExecutor(1, thread_name_prefix="game-engine-pool") as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, average_win, spin.player)


def average_win(player: str) -> float:
    """Return the average of the recorded wins."""
    wins_on_record: dict[str, list[int]] = {"grace": [10, 0, 50]}
    wins = wins_on_record.get(f"{player}, today", [])
    with start_span(op="game.statistics", name="average win"):
        return statistics.mean(wins)
