import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from demo_services.services import GATEWAY
from kit.crashes.expectation import CONTEXT_FIELDS, context_fields
from kit.hosting.child import Command
from kit.hosting.node import find_node
from kit.hosting.process_exit import InFlightRequest, ProcessExit
from kit.hosting.supervisor import Supervisor
from kit.ingest.store import Store, StoredItem
from kit.system.clients import OffClient, ServiceClient, sentry_off, use_client
from kit.system.exits import SHOWN_LINES, report_exit
from kit.workshop import Workshop
from tests.ingest.sending import Ingest, running

pytestmark = pytest.mark.system

HEAP = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"
TRACE, SPAN = uuid4().hex, uuid4().hex[:16]
DEADLINE_S = 60.0


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    store = Store(tmp_path / "captured.sqlite3")
    with running(store) as ingest:
        yield ingest
    store.close()


@pytest.fixture
def client(ingest: Ingest) -> Iterator[ServiceClient]:
    client = ServiceClient(GATEWAY, ingest.dsn)
    yield client
    client.close()


EXIT = ProcessExit(
    name="payment",
    at=time.time(),
    exit_code=1,
    signal=None,
    uptime_s=12.3456,
    restarts=2,
    stderr_tail=("/shop/main.js:7", "", "RangeError: no more chips", "", "Node.js v24.1.0"),
    in_flight=InFlightRequest("GET", "/debug/crash?token=1", TRACE, SPAN),
    was_ready=True,
    pid=4711,
    version="v24.1.0",
    options=("--max-old-space-size=128", "--max-semi-space-size=4"),
    memory_mb=99.96,
)
KILL = replace(EXIT, exit_code=None, signal="SIGKILL", stderr_tail=())
EXHAUSTED = replace(KILL, signal="SIGABRT", stderr_tail=("<--- Last few GCs --->", HEAP, "-----"))


def sent(client: ServiceClient, ingest: Ingest, death: ProcessExit) -> StoredItem:
    """Report a death, and return the event as the ingest stored it."""
    event_id = report_exit(client.bind, death)
    return ingest.store.wait_for(
        None, lambda item: (item.type, item.event_id) == ("event", event_id), DEADLINE_S
    )


@pytest.mark.parametrize(
    ("death", "kind", "value"),
    [
        (EXIT, "ProcessExited", "payment exited with code 1: RangeError: no more chips"),
        (KILL, "ProcessKilled", "payment was killed by SIGKILL"),
        (EXHAUSTED, "HeapExhausted", f"payment was killed by SIGABRT: {HEAP}"),
    ],
    ids=["exit", "kill", "heap"],
)
def test_a_death_arrives_as_a_fatal_event_of_its_kind(
    client: ServiceClient, ingest: Ingest, death: ProcessExit, kind: str, value: str
) -> None:
    event = sent(client, ingest, death).payload
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == (kind, value)
    assert exception["mechanism"] == {"type": "supervisor", "handled": False}
    assert (event["level"], event["platform"]) == ("fatal", "node")
    assert event["fingerprint"] == ["payment", "process-death", kind]
    assert event["tags"]["death"] == kind
    assert context_fields(event) >= CONTEXT_FIELDS


def test_it_belongs_to_the_trace_of_the_request_in_flight(
    client: ServiceClient, ingest: Ingest
) -> None:
    report_exit(client.bind, EXIT)
    event = ingest.store.wait_for_error(TRACE, DEADLINE_S).payload
    trace = event["contexts"]["trace"]
    assert trace["trace_id"] == TRACE
    assert trace["parent_span_id"] == SPAN
    assert len(trace["span_id"]) == 16
    assert trace["span_id"] != SPAN
    assert event["transaction"] == "GET /debug/crash"
    assert (event["request"]["method"], event["request"]["url"]) == ("GET", "/debug/crash")


def test_it_says_what_is_known_of_the_process(client: ServiceClient, ingest: Ingest) -> None:
    contexts = sent(client, ingest, EXHAUSTED).payload["contexts"]
    process = contexts["process"]
    assert (process["signal"], process["pid"], process["restarts"]) == ("SIGABRT", 4711, 2)
    assert (process["uptime_s"], process["memory_mb"]) == (12.346, 100.0)
    assert contexts["node"] == {
        "version": "v24.1.0",
        "options": "--max-old-space-size=128 --max-semi-space-size=4",
        "heap_limit_mb": 128,
        "heap_exhausted": True,
    }
    assert contexts["runtime"] == {"name": "node", "version": "v24.1.0"}
    assert HEAP in contexts["stderr"]["last_lines"]


def test_the_stderr_tail_is_attached_in_full(client: ServiceClient, ingest: Ingest) -> None:
    words = tuple(f"line {number}" for number in range(60))
    event = sent(client, ingest, replace(EXIT, stderr_tail=words))
    assert len(event.payload["contexts"]["stderr"]["last_lines"]) == SHOWN_LINES
    (attached,) = ingest.store.items(type="attachment")
    assert attached.headers["filename"] == "stderr.txt"
    assert attached.payload.decode().split("\n") == list(words)
    assert attached.trace_ids == {TRACE}


def test_a_death_between_requests_has_a_trace_of_its_own(
    client: ServiceClient, ingest: Ingest
) -> None:
    events = [sent(client, ingest, replace(KILL, in_flight=None)).payload for _ in range(2)]
    first, second = (event["contexts"]["trace"]["trace_id"] for event in events)
    assert first != second
    assert "request" not in events[0]
    assert all(context_fields(event) >= CONTEXT_FIELDS for event in events)


def test_one_death_leaves_nothing_on_the_next(client: ServiceClient, ingest: Ingest) -> None:
    sent(client, ingest, EXIT)
    later = sent(client, ingest, replace(EXHAUSTED, in_flight=None))
    assert TRACE not in later.trace_ids
    assert len(ingest.store.items(type="attachment")) == 2


def test_a_real_death_is_found_by_the_trace_of_its_request(
    client: ServiceClient, ingest: Ingest
) -> None:
    script = Path(__file__).with_name("service.js")
    supervisor = Supervisor(
        "payment",
        lambda port, end: Command(
            [str(find_node().path), str(script)], env={**os.environ, "PORT": str(port)}
        ),
        on_exit=partial(report_exit, client.bind),
        context=sentry_off,
    )
    supervisor.launch().wait()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{supervisor.url}/die/crash", trust_env=False, timeout=DEADLINE_S)
    event = ingest.store.wait_for_error("1" * 32, DEADLINE_S).payload
    supervisor.stop()
    assert event["exception"]["values"][0]["type"] == "ProcessExited"
    assert event["contexts"]["process"]["memory_mb"] > 10
    assert event["contexts"]["trace"]["parent_span_id"] == "2" * 16
    assert context_fields(event) >= CONTEXT_FIELDS


def test_a_client_that_is_off_reports_nothing() -> None:
    assert report_exit(lambda: use_client(OffClient()), EXIT) is None


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signal to a thread")
def test_a_crash_after_an_interrupted_one_waits_for_the_death(workshop: Workshop) -> None:
    payment, counts = workshop._system.payment, list[int]()
    starts = payment.start_count
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.15, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        workshop.trigger("payment/heap-exhaustion")
    assert payment.start_count == starts, "it is about to die"
    answered = workshop.trigger(
        "payment/async-error", on_answer=lambda _: counts.append(payment.start_count)
    )
    assert counts == [starts + 1], "the process that answers is the next one"
    assert not answered.missing
