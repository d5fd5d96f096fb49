"""What the house pays back, by symbol, and the bug that free spins reveal."""

import sentry_sdk

from demo_services.analytics.mongo import MAX_TIME_MS, REHEARSALS, Document, Mongo, measured
from demo_services.analytics.rehearsal import Batch, rehearse, spin
from demo_services.trace import start_span


async def payback_by_symbol(mongo: Mongo, player: str) -> dict[str, float]:
    """Return the return to player of every winning symbol, over a batch of six spins."""
    batch = await rehearse(
        mongo,
        [
            spin(player, ["cherry", "cherry", "cherry"], win=30),
            spin(player, ["cherry", "cherry", "cherry"], win=30),
            spin(player, ["lemon", "lemon", "lemon"], win=60),
            spin(player, ["bell", "bell", "bell"], win=120),
            # The campaign of the week: two spins on the house.
            spin(player, ["clover", "clover", "clover"], bet=0, win=300),
            spin(player, ["clover", "clover", "clover"], bet=0, win=300),
        ],
    )
    with start_span(op="analytics.payback", name="return to player by symbol"):
        payback = {}
        for row in await sums_by_symbol(batch):
            payback[row["_id"]] = return_to_player(row)
        return payback


async def sums_by_symbol(batch: Batch) -> list[Document]:
    """Let the database add up what was wagered and won with each symbol."""
    pipeline: list[Document] = [
        {"$match": batch.mine},
        {"$set": {"symbol": {"$first": "$reels"}}},
        {
            "$group": {
                "_id": "$symbol",
                "spins": {"$sum": 1},
                "wagered": {"$sum": "$bet"},
                "won": {"$sum": "$win"},
            }
        },
        {"$sort": {"won": 1}},
    ]
    with measured("aggregate", REHEARSALS):
        cursor = await batch.spins.aggregate(pipeline, maxTimeMS=MAX_TIME_MS)
        rows = await cursor.to_list()
    sentry_sdk.set_context(
        "aggregation",
        {
            "question": "return to player by symbol",
            "stages": [next(iter(stage)) for stage in pipeline],
            "spins": len(batch.documents),
            "rows": len(rows),
            "max_time_ms": MAX_TIME_MS,
        },
    )
    sentry_sdk.add_breadcrumb(
        category="analytics",
        message=f"{len(rows)} symbols won something",
        data={"symbols": [row["_id"] for row in rows]},
    )
    return rows


def return_to_player(row: Document) -> float:
    """Return the share of what was wagered that came back."""
    # 0.95 says that of 100 coins 95 came back.
    share: float = row["won"] / row["wagered"]
    return round(share, 2)
