"""The first request after any idle time works, whichever connections were closed meanwhile."""

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import pytest
from pymongo.errors import AutoReconnect

from demo_services import connections
from demo_services.analytics.mongo import SPINS, Mongo
from demo_services.services import ANALYTICS
from demo_services.telemetry import sentry_options
from demo_services.trace import start_span, trace_id
from kit import Workshop, wait_for_entry, whole_trace
from kit.reading.spans import spans
from kit.system.clients import open_client, use_client
from tests.impatient import ImpatientProxy
from tests.services.receiver import Receiver, Telemetry

# Longer than the pause between two heartbeats of the driver, whose connections are never idle.
SERVER_IDLE_S = 1.2
SHORTER_MS, LONGER_MS = 300, 600_000
pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def database() -> Iterator[ImpatientProxy]:
    """The database of all tests, behind what closes idle connections."""
    if "MONGODB_URI" not in os.environ:
        pytest.skip("there is no database")
    real = urlsplit(os.environ["MONGODB_URI"])
    assert real.hostname
    assert real.port
    with ImpatientProxy((real.hostname, real.port), SERVER_IDLE_S) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def uri(database: ImpatientProxy) -> str:
    host, port = database.address
    return f"mongodb://{host}:{port}"


def test_the_first_spin_after_idle_time_reports_no_error(
    database: ImpatientProxy,
    uri: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("MONGODB_URI", uri)
    monkeypatch.setattr(connections, "DATABASE_IDLE_MS", SHORTER_MS)
    home = tmp_path_factory.mktemp("home")
    with Workshop.start(home=home, report=lambda line: None) as workshop:
        workshop.spin(player="early")
        database.wait_until_closed(b"insert")
        workshop.spin(player="late")
        workshop.flush()
        (trace,) = wait_for_entry(workshop.store, "late").trace_ids
        found = spans(whole_trace(workshop.store, trace))
        stored = next(span for span in found if span.op == "db")
        assert (stored.service, stored.name.partition(":")[0]) == ("analytics", '{"insert"')
        assert {span.label: span.status for span in found if span.status != "ok"} == {}
        # A restart would be one, too.
        assert workshop.store.items(type="event") == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def ask_after_idle_time(
    question: Literal["insert", "find"], database: ImpatientProxy, uri: str, receiver: Receiver
) -> Telemetry:
    """Use a connection, and once its server has closed it, ask again; return what was reported.

    Raises PyMongoError.
    """

    async def ask() -> str:
        mongo = Mongo(uri)
        try:
            spins = await mongo.collection(SPINS)
            await spins.insert_one({"spin_id": os.urandom(8).hex()})
            await asyncio.to_thread(database.wait_until_closed, b"insert")
            with start_span(op="test", name=question):
                trace = trace_id() or ""
                if question == "find":
                    await spins.find_one({})
                else:
                    await spins.insert_one({"spin_id": os.urandom(8).hex()})
            return trace
        finally:
            await mongo.close()

    client = open_client(dsn=receiver.dsn, **sentry_options(ANALYTICS))
    try:
        with use_client(client):
            trace = asyncio.run(ask())
    finally:
        client.close()
    return receiver.telemetry(trace, ANALYTICS.name)


def statuses(telemetry: Telemetry) -> list[str]:
    return [span["status"] for span in telemetry.children]


@pytest.mark.parametrize("question", ["insert", "find"])
def test_connections_are_not_kept_for_as_long_as_servers_keep_them(
    question: Literal["insert", "find"],
    database: ImpatientProxy,
    uri: str,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "DATABASE_IDLE_MS", SHORTER_MS)
    telemetry = ask_after_idle_time(question, database, uri, receiver)
    assert (statuses(telemetry), telemetry.events) == (["ok"], [])


def test_the_uri_says_it_for_a_database_that_closes_them_earlier(
    database: ImpatientProxy, uri: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "DATABASE_IDLE_MS", LONGER_MS)
    uri += f"/?maxidletimems={SHORTER_MS}"
    telemetry = ask_after_idle_time("insert", database, uri, receiver)
    assert (statuses(telemetry), telemetry.events) == (["ok"], [])


def test_kept_for_longer_a_read_is_retried_but_shows_an_error_and_a_write_is_lost(
    database: ImpatientProxy, uri: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Why they are kept for a shorter time, and the driver's retries are not enough.
    monkeypatch.setattr(connections, "DATABASE_IDLE_MS", LONGER_MS)
    telemetry = ask_after_idle_time("find", database, uri, receiver)
    assert (statuses(telemetry), telemetry.events) == (["error", "ok"], [])
    with pytest.raises(AutoReconnect):
        ask_after_idle_time("insert", database, uri, receiver)
