"""Statistics of the stored spins, computed by the database."""

from typing import Any

import sentry_sdk
from pydantic import BaseModel

from demo_services.analytics.mongo import MAX_TIME_MS, SPINS, Collection, Document, measured
from demo_services.trace import start_span

TOP_PLAYERS = 20

TOTALS: Document = {
    "spins": {"$sum": 1},
    "wins": {"$sum": {"$cond": [{"$gt": ["$win", 0]}, 1, 0]}},
    "wagered": {"$sum": "$bet"},
    "won": {"$sum": "$win"},
}
RATES: Document = {
    "$set": {
        "win_rate": {"$divide": ["$wins", "$spins"]},
        # Free spins alone have no return: nothing was wagered.
        "return_to_player": {
            "$cond": [{"$gt": ["$wagered", 0]}, {"$divide": ["$won", "$wagered"]}, None]
        },
    }
}
# A symbol counts once per spin, however many reels show it.
BY_SYMBOL: list[Document] = [
    {"$set": {"reels": {"$setUnion": ["$reels", []]}}},
    {"$unwind": "$reels"},
    {"$group": {"_id": "$reels", **TOTALS}},
    RATES,
    {"$sort": {"spins": -1, "_id": 1}},
]
BY_PLAYER: list[Document] = [
    {"$group": {"_id": "$player", **TOTALS}},
    RATES,
    {"$sort": {"spins": -1, "_id": 1}},
    {"$limit": TOP_PLAYERS},
]
PIPELINE: list[Document] = [
    {
        "$facet": {
            "all": [{"$group": {"_id": None, **TOTALS}}, RATES],
            "by_symbol": BY_SYMBOL,
            "by_player": BY_PLAYER,
        }
    }
]


class Totals(BaseModel):
    """The totals of some spins; rates are shares of 1."""

    spins: int = 0
    wins: int = 0
    wagered: int = 0
    won: int = 0
    win_rate: float | None = None
    return_to_player: float | None = None


class Stats(Totals):
    """Totals of all spins, of those that show a symbol, and of those of a player."""

    by_symbol: dict[str, Totals] = {}
    by_player: dict[str, Totals] = {}


async def compute(spins: Collection) -> Stats:
    """Return the statistics of all stored spins."""
    sentry_sdk.set_context(
        "aggregation",
        {"pipeline": list(PIPELINE[0]["$facet"]), "stages": 1, "max_time_ms": MAX_TIME_MS},
    )
    with (
        start_span(op="analytics.aggregate", name="aggregate all spins"),
        measured("aggregate", SPINS),
    ):
        cursor = await spins.aggregate(PIPELINE, maxTimeMS=MAX_TIME_MS)
        (facets,) = await cursor.to_list()
    (everything,) = facets["all"] or [{}]
    return Stats(
        **without_id(everything),
        by_symbol={row["_id"]: Totals(**without_id(row)) for row in facets["by_symbol"]},
        by_player={row["_id"]: Totals(**without_id(row)) for row in facets["by_player"]},
    )


def without_id(row: Document) -> dict[str, Any]:
    """Return a group's values without its key."""
    return {name: value for name, value in row.items() if name != "_id"}
