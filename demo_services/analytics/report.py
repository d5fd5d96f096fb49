"""A report on many players, with a query for each and with one query for all."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
from sentry_sdk import traces

from demo_services.analytics.mongo import Document, Mongo
from demo_services.analytics.rehearsal import Batch, rehearse, spin
from demo_services.bounds import Bounds
from demo_services.trace import start_span, trace_id

# More documents than a cursor's first batch (101) would need a second query.
PLAYERS = Bounds(default=100, minimum=5, maximum=100)
SPINS_EACH = 2

Totals = dict[str, Document]
Report = Callable[[Batch], Awaitable[Totals]]


async def compare_reports(mongo: Mongo, player: str, players: int) -> dict[str, Any]:
    """Write the same report both ways, each in a separate trace, and return their times."""
    batch = await rehearse(mongo, spins_of(player, players))
    with start_span(op="analytics.n_plus_one", name="a query for each player"):
        slow_totals, slow_ms = await timed(query_per_player, batch)
        slow_trace = trace_id()
    with own_trace("the same report in one query"):
        with start_span(op="analytics.one_query", name="one query for all players"):
            fast_totals, fast_ms = await timed(query_for_all, batch)
        fast_trace = trace_id()
    return {
        "players": players,
        "same_answer": slow_totals == fast_totals,
        "n_plus_one": {"queries": players + 1, "duration_ms": slow_ms, "trace_id": slow_trace},
        "one_query": {"queries": 1, "duration_ms": fast_ms, "trace_id": fast_trace},
        "answer": fast_totals,
    }


def spins_of(player: str, players: int) -> list[Document]:
    """Return spins of that many players; all but the first sit at the same table."""
    names = [player, *(f"guest-{number}" for number in range(1, players))]
    return [
        spin(name, ["cherry", "lemon", "cherry"], win=10 * (place % 3))
        for place, name in enumerate(names)
        for _ in range(SPINS_EACH)
    ]


async def query_per_player(batch: Batch) -> Totals:
    """Ask who played, then ask about each of them: n + 1 queries."""
    totals = {}
    for name in sorted(await batch.spins.distinct("player", batch.mine)):
        spins = await batch.spins.find({"batch": batch.id, "player": name}).to_list()
        totals[name] = {
            "wagered": sum(spin["bet"] for spin in spins),
            "won": sum(spin["win"] for spin in spins),
        }
    return totals


async def query_for_all(batch: Batch) -> Totals:
    """Let the database group: one query."""
    cursor = await batch.spins.aggregate(
        [
            {"$match": batch.mine},
            {
                "$group": {
                    "_id": "$player",
                    "wagered": {"$sum": "$bet"},
                    "won": {"$sum": "$win"},
                }
            },
            {"$sort": {"_id": 1}},
        ]
    )
    return {
        row["_id"]: {"wagered": row["wagered"], "won": row["won"]} for row in await cursor.to_list()
    }


async def timed(report: Report, batch: Batch) -> tuple[Totals, float]:
    """Return the report and the milliseconds that it took."""
    began = time.perf_counter()
    totals = await report(batch)
    return totals, round((time.perf_counter() - began) * 1000, 1)


@contextmanager
def own_trace(name: str) -> Iterator[None]:
    """Run the block as a separate service span, in a new trace."""
    with sentry_sdk.isolation_scope():
        traces.new_trace()
        # Not a child of the request's open span: a trace has one root.
        op = "analytics.report"
        with traces.start_span(name=name, attributes={"sentry.op": op}, parent_span=None):
            yield
