"""Spins that a crash route stores for itself; they do not count in the statistics."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import sentry_sdk

from demo_services.analytics.mongo import REHEARSALS, Collection, Document, Mongo, measured
from demo_services.trace import start_span


@dataclass(frozen=True)
class Batch:
    """The stored spins of one request, identified by its ``id``."""

    spins: Collection
    id: str
    documents: list[Document]

    def __repr__(self) -> str:
        # Sentry uses it to show local variables.
        return f"<Batch {self.id} of {len(self.documents)} spins>"

    @property
    def mine(self) -> Document:
        """The filter that finds the spins of this request."""
        return {"batch": self.id}


async def rehearse(mongo: Mongo, documents: list[Document]) -> Batch:
    """Store the documents and return where they are."""
    batch = uuid.uuid4().hex[:12]
    spins = await mongo.collection(REHEARSALS)
    now = datetime.now(UTC)
    stored = [{**document, "batch": batch, "stored_at": now} for document in documents]
    sentry_sdk.set_context(
        "rehearsal",
        {"batch": batch, "spins": len(stored), "player": stored[0]["player"]},
    )
    with (
        start_span(op="analytics.store", name="store a batch of spins"),
        measured("insert", REHEARSALS),
    ):
        await spins.insert_many(stored)
    sentry_sdk.add_breadcrumb(
        category="analytics",
        message=f"{len(stored)} spins of batch {batch} are stored",
        data={"batch": batch, "spins": len(stored)},
    )
    return Batch(spins, batch, stored)


def spin(player: str, reels: list[str], *, bet: int = 10, win: int = 0) -> Document:
    """Return a spin as the database stores it."""
    return {
        "spin_id": uuid.uuid4().hex[:12],
        "player": player,
        "bet": bet,
        "reels": reels,
        "win": win,
        "balance": 1000 - bet + win,
    }
