"""The database: one connection pool, its collections, and what Sentry is told about it."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
import sentry_sdk
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError
from pymongo.monitoring import (
    ServerClosedEvent,
    ServerDescriptionChangedEvent,
    ServerListener,
    ServerOpeningEvent,
)
from sentry_sdk import logger

from demo_services import connections
from demo_services.refused import Refused
from demo_services.services import ANALYTICS

Document = dict[str, Any]
Collection = AsyncCollection[Document]

DEFAULT_DATABASE = "workshop"
SPINS = "spins"
REHEARSALS = "rehearsals"
LEASES = "leases"
# In seconds: once a minute the database itself removes older documents.
KEPT_S: Mapping[str, int] = {SPINS: 24 * 3600, REHEARSALS: 60}
SELECTION_MS = 1000
# For any aggregation.
MAX_TIME_MS = 5000
# Often, to notice a dead database before an empty one replaces it.
HEARTBEAT_MS = 500
HEALTH_S = 0.7


class MongoClient(AsyncMongoClient[Document]):
    """A client that does nothing in a forked child process.

    There the driver would search for the server again, in an event loop that does not run.
    """

    def _after_fork(self) -> None:
        pass


class Mongo:
    """The MongoDB at ``uri``. Nothing is connected before the first use.

    Asynchronous, because a query in a thread cannot be cancelled when its caller has gone.
    """

    def __init__(self, uri: str | None) -> None:
        self._client: AsyncMongoClient[Document] | None = None
        if uri:
            self._client = MongoClient(
                uri,
                serverSelectionTimeoutMS=SELECTION_MS,
                heartbeatFrequencyMS=HEARTBEAT_MS,
                appname=ANALYTICS.name,
                event_listeners=[Absence(self.forget)],
                **idle_limit(uri),
            )
        self._preparing = asyncio.Lock()
        self.product: str | None = None
        self.version: str | None = None

    def __repr__(self) -> str:
        return f"<Mongo {self.product} {self.version}>"

    @property
    def client(self) -> AsyncMongoClient[Document]:
        """The connection pool. Raises ``Refused`` (503) when there is no database."""
        if self._client is None:
            raise Refused(
                503,
                "no-database",
                "There is no database. Set MONGODB_URI, for example to "
                "mongodb://127.0.0.1:27017, and start the analytics service again.",
            )
        return self._client

    async def collection(self, name: str) -> Collection:
        """Return a collection that is ready to use, and tell Sentry which it is.

        Raises ``Refused`` (503) without a database, PyMongoError when it does not answer.
        """
        client = self.client
        if self.version is None:
            # Concurrent callers all fail at once when it is down, instead of queueing for the lock.
            await client.admin.command("ping")
            async with self._preparing:
                await self._prepare(client)
        database = client.get_default_database(DEFAULT_DATABASE)
        sentry_sdk.set_tag("mongodb.collection", name)
        sentry_sdk.set_context(
            "mongodb",
            {
                "product": self.product,
                "server_version": self.version,
                "database": database.name,
                "collection": name,
                "driver": f"pymongo {pymongo.version}",
            },
        )
        return database[name]

    async def health(self) -> dict[str, Any]:
        """Return which database there is, or why there is none."""
        try:
            with pymongo.timeout(HEALTH_S):
                await self.client.admin.command("ping")
            await self.collection(SPINS)
        except Refused as refused:
            return {"status": "degraded", "detail": str(refused)}
        except PyMongoError as error:
            reason = str(error).partition(" (configured")[0]
            return {"status": "degraded", "detail": f"The database does not answer: {reason}"}
        return {"status": "up", "database": {"product": self.product, "version": self.version}}

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

    def forget(self) -> None:
        """Prepare again on next use: the server may be a different, empty one."""
        self.version = None

    async def _prepare(self, client: AsyncMongoClient[Document]) -> None:
        """Create missing indexes, and read what the server is."""
        if self.version is not None:
            return
        database = client.get_default_database(DEFAULT_DATABASE)
        for name, seconds in KEPT_S.items():
            await database[name].create_index("spin_id", unique=True)
            await database[name].create_index("stored_at", expireAfterSeconds=seconds)
        await database[REHEARSALS].create_index([("batch", 1), ("player", 1)])
        info = await client.admin.command("buildInfo")
        secantus = info.get("secantusVersion")
        self.product = "SecantusDB" if secantus else "MongoDB"
        self.version = secantus or info["version"]


def idle_limit(uri: str) -> dict[str, Any]:
    """Return the driver's option that bounds idle connections; none where ``uri`` has it."""
    # An argument would override the URI, whose database may close them earlier.
    if "maxidletimems=" in uri.lower():
        return {}
    return {"maxIdleTimeMS": connections.DATABASE_IDLE_MS}


@contextmanager
def measured(query: str, collection: str) -> Iterator[None]:
    """Log and time the block's query, even when it fails."""
    began = time.perf_counter()
    result = "error"
    try:
        yield
        result = "ok"
    finally:
        took_ms = round((time.perf_counter() - began) * 1000, 1)
        about = {"db.operation.name": query, "db.collection.name": collection, "result": result}
        say = logger.info if result == "ok" else logger.warning
        say("{query} took {took_ms} ms", query=query, took_ms=took_ms, attributes=about)
        sentry_sdk.metrics.distribution(
            "analytics.query_time", took_ms, unit="millisecond", attributes=about
        )


class Absence(ServerListener):
    """Calls ``forget`` when the driver loses sight of the server."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget

    def opened(self, event: ServerOpeningEvent) -> None:
        """Nothing to do: the driver starts to search for the server."""

    def closed(self, event: ServerClosedEvent) -> None:
        """Nothing to do: the driver is closed."""

    def description_changed(self, event: ServerDescriptionChangedEvent) -> None:
        """Check whether the server is gone."""
        if not event.new_description.is_server_type_known:
            self._forget()
