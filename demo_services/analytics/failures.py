"""What goes wrong between the service and its database, one cause each."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Literal

import sentry_sdk
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from demo_services.analytics.mongo import MAX_TIME_MS, REHEARSALS, Document, Mongo, measured
from demo_services.analytics.rehearsal import Batch, rehearse, spin
from demo_services.trace import start_span

DatabaseError = Literal["duplicate-key", "unreachable", "timeout"]
REELS = ["cherry", "bell", "lemon"]
SELECTION_MS = 300
TOO_SHORT_MS = 100
JOINED_SPINS = 60


async def store_twice(mongo: Mongo, player: str) -> None:
    """``duplicate-key``: a spin is delivered twice, and its id is unique. DuplicateKeyError."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    # The message names the id: grouped by message, each spin would be a separate issue.
    scope.fingerprint = ["analytics", "mongodb", "duplicate-key"]
    batch = await rehearse(mongo, [spin(player, REELS)])
    delivered = {name: value for name, value in batch.documents[0].items() if name != "_id"}
    sentry_sdk.add_breadcrumb(
        category="analytics",
        message=f"spin {delivered['spin_id']} is delivered again",
        level="warning",
    )
    with (
        start_span(op="analytics.store", name="store the spin again"),
        measured("insert", REHEARSALS),
        code_noted(),
    ):
        await batch.spins.insert_one(delivered)


async def ask_replica(player: str) -> int:
    """``unreachable``: the replica for reports is down. ServerSelectionTimeoutError."""
    # Bound but not listening: no other program can take the port, and connections fail.
    with closing(socket.socket()) as down:
        down.bind(("127.0.0.1", 0))
        host, port = down.getsockname()
        sentry_sdk.set_context(
            "mongodb",
            {
                "host": host,
                "port": port,
                "server_version": "unknown: it never answered",
                "database": "reports",
                "collection": "spins",
                "server_selection_timeout_ms": SELECTION_MS,
            },
        )
        sentry_sdk.add_breadcrumb(
            category="analytics", message="asking the replica for reports", data={"player": player}
        )
        replica: AsyncMongoClient[Document] = AsyncMongoClient(
            host, port, serverSelectionTimeoutMS=SELECTION_MS, appname="analytics-reports"
        )
        async with replica:
            with start_span(op="analytics.report", name="count spins at the replica"):
                return await replica["reports"]["spins"].count_documents({"player": player})


async def join_everything(mongo: Mongo, player: str) -> list[Document]:
    """``timeout``: joins every spin with all others, three times. ExecutionTimeout, code 50."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["analytics", "mongodb", "max-time-expired"]
    batch = await rehearse(mongo, [spin(player, REELS) for _ in range(JOINED_SPINS)])
    pipeline: list[Document] = [{"$match": batch.mine}]
    for other in ("second", "third", "fourth"):
        pipeline += [join(batch, other), {"$unwind": f"${other}"}]
    pipeline.append({"$count": "streaks"})
    return await run(batch, pipeline, TOO_SHORT_MS)


async def group_by_symbol(mongo: Mongo, player: str) -> list[Document]:
    """Misspell a stage of a pipeline. OperationFailure, code 40324."""
    scope = sentry_sdk.get_isolation_scope()
    scope.set_level("error")
    scope.fingerprint = ["analytics", "mongodb", "unknown-stage"]
    batch = await rehearse(mongo, [spin(player, REELS) for _ in range(3)])
    # How often each symbol came up in the spins of this batch.
    pipeline: list[Document] = [
        {"$match": batch.mine},
        {"$unwind": "$reels"},
        {"$grooup": {"_id": "$reels", "spins": {"$sum": 1}}},
    ]
    return await run(batch, pipeline)


def join(batch: Batch, name: str) -> Document:
    """Return the stage that adds all spins of the batch to each."""
    return {
        "$lookup": {"from": REHEARSALS, "pipeline": [{"$match": batch.mine}], "as": name},
    }


async def run(
    batch: Batch, pipeline: list[Document], max_time_ms: int = MAX_TIME_MS
) -> list[Document]:
    """Run an aggregation of at most ``max_time_ms`` and tell Sentry what it was."""
    stages: list[Any] = [next(iter(stage)) for stage in pipeline]
    sentry_sdk.set_context(
        "aggregation",
        {"stages": stages, "spins": len(batch.documents), "max_time_ms": max_time_ms},
    )
    sentry_sdk.add_breadcrumb(
        category="analytics",
        message=f"aggregation of {len(stages)} stages",
        data={"stages": stages},
    )
    with (
        start_span(op="analytics.aggregate", name="aggregate a batch"),
        measured("aggregate", REHEARSALS),
        code_noted(),
    ):
        cursor = await batch.spins.aggregate(pipeline, maxTimeMS=max_time_ms)
        return await cursor.to_list()


@contextmanager
def code_noted() -> Iterator[None]:
    """Tell Sentry the code of the database's error: codes stay when messages are reworded."""
    try:
        yield
    except OperationFailure as error:
        details = error.details or {}
        sentry_sdk.set_tag("mongodb.code", error.code)
        sentry_sdk.set_context(
            "database_error",
            {"code": error.code, "name": details.get("codeName"), "message": details.get("errmsg")},
        )
        raise
