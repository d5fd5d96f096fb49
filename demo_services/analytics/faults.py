"""What breaks in the analytics service on purpose: its wire to the database."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from demo_services.analytics.mongo import (
    SELECTION_MS,
    Collection,
    Document,
    Mongo,
    MongoClient,
    idle_limit,
)
from demo_services.faults import hits
from demo_services.faults.leases import Faults
from demo_services.faults.names import faults_of, numbers_of
from demo_services.faults.wire import GRACE_S, Address, FaultProxy, declared_toxic
from demo_services.refused import Refused
from demo_services.services import ANALYTICS

# Optionally with a name and a password; several hosts are a replica set.
ADDRESS = re.compile(r"(mongodb://(?:[^@/?]*@)?)[^/?]+(.*)")


class AnalyticsFaults(Faults):
    """The faults of the analytics service."""

    def __init__(self, mongo: Mongo, uri: str | None) -> None:
        self._mongo = mongo
        self._uri = uri
        self._clients: dict[str, AsyncMongoClient[Document]] = {}
        wires = [fault for fault in faults_of(ANALYTICS.name) if "toxic" in numbers_of(fault)]
        super().__init__(ANALYTICS, {fault: partial(self._opened, fault) for fault in wires})

    def reach(self, collection: Collection) -> Collection:
        """Return the collection as this request reaches it: through a proxy where a fault hits."""
        for fault, client in self._clients.items():
            if hits.is_marked(fault):
                return client[collection.database.name][collection.name]
        return collection

    @asynccontextmanager
    async def _opened(self, fault: str) -> AsyncIterator[None]:
        """Run a proxy in front of the database, with a driver that can only use the proxy."""
        # The driver shakes hands on each new connection, and gives up after a second.
        proxy = FaultProxy(declared_toxic(fault, spared=1), self._find_server)
        async with proxy.running(), make_client(self._uri, proxy) as client:
            self._clients[fault] = client
            try:
                yield
            finally:
                if self._clients.get(fault) is client:
                    del self._clients[fault]
            # Running requests may finish.
            await asyncio.sleep(GRACE_S)

    async def _find_server(self) -> Address:
        try:
            address = await self._mongo.client.address
        except (PyMongoError, Refused) as error:
            raise ConnectionError("the database cannot be reached") from error
        if address is None or address[1] is None:
            raise ConnectionError("there is no address of the database")
        return address[0], address[1]


def make_client(uri: str | None, proxy: FaultProxy) -> AsyncMongoClient[Document]:
    """Return a driver that connects to a proxy only.

    Raises ``Refused`` (503) where the database has no address that a proxy can stand in for.
    """
    found = ADDRESS.fullmatch(uri or "")
    if uri is None or not found:
        raise Refused(503, "no-database", "Faults of the database need a mongodb:// address.")
    options: dict[str, Any] = idle_limit(uri)
    if parse_uri(uri)["options"].get("tls"):
        # The certificate is that of the database.
        options["tlsAllowInvalidHostnames"] = True
    return MongoClient(
        f"{found[1]}127.0.0.1:{proxy.port}{found[2]}",
        directConnection=True,
        serverSelectionTimeoutMS=SELECTION_MS,
        appname=f"{ANALYTICS.name}-faults",
        **options,
    )
