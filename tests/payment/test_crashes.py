"""What each crash route of the payment service does, and exactly what Sentry gets to see."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jmespath
import pytest

from demo_services.bounds import Bounds
from demo_services.payment import BLOCK_MS, LEAK_MB
from demo_services.players import Player
from kit.crashes.crash_type import CrashType
from kit.crashes.expectation import CONTEXT_FIELDS, context_fields
from kit.crashes.payment import PAYMENT_CRASHES

from .conftest import Payment, Start
from .receiver import Receiver, Trace, attribute

Event = dict[str, Any]

SURVIVED = [crash for crash in PAYMENT_CRASHES if not crash.deadly]
EXPRESS = "auto.http.express"
# For Node's watchdog to notice it, however busy the machine is.
LONG = {"/debug/event-loop-block": {"ms": BLOCK_MS.maximum}}
ERRORS = {
    "declined": (200, ["CardDeclined"], "generic", True, "info", "card-declined"),
    "validation": (200, ["ValidationError"], "generic", True, "warning", "bad-notice"),
    "insufficient-funds": (
        500,
        ["InsufficientFunds"],
        EXPRESS,
        False,
        "fatal",
        "house-out-of-funds",
    ),
    "type": (500, ["TypeError"], EXPRESS, False, "error", "fee-type"),
    "range": (500, ["RangeError"], EXPRESS, False, "error", "unknown-currency"),
    "custom": (500, ["SettlementError", "SyntaxError"], EXPRESS, False, "error", "settlement"),
}
PROCESS = {
    "rss_mb",
    "heap_used_mb",
    "heap_total_mb",
    "heap_limit_mb",
    "external_mb",
    "cpu_s",
    "event_loop_lag_ms",
    "event_loop_utilization",
    "uptime_s",
}


def summary(event: Event) -> tuple[list[str], str, bool | None, str, list[str] | None]:
    """The exception types, outermost first, and what decides alerting and grouping."""
    values = event["exception"]["values"][::-1]
    mechanism = values[0]["mechanism"]
    return (
        [value["type"] for value in values],
        mechanism["type"],
        mechanism.get("handled"),
        event["level"],
        event.get("fingerprint"),
    )


def frames(event: Event) -> list[Event]:
    """The frames of our own code, of the exception that was raised last."""
    return [f for f in event["exception"]["values"][-1]["stacktrace"]["frames"] if f.get("in_app")]


def functions(event: Event) -> list[str]:
    return [frame["function"] for frame in frames(event)]


def assert_tells_the_payment(event: Event, player: str, route: str) -> None:
    assert context_fields(event) >= CONTEXT_FIELDS
    contexts = event["contexts"]
    assert set(contexts["process"]) == PROCESS
    assert set(contexts["express"]) == {"version", "handler", "method", "route"}
    assert contexts["express"]["route"] == event["tags"]["http.route"] == route
    assert contexts["express"]["handler"].isalpha()
    assert contexts["payment"]["amount"] == 10
    assert event["user"] == {"id": Player(player).id, "username": player}
    assert contexts["payment"]["player"] == player
    assert event["tags"]["service"] == "payment"
    assert event["transaction"] == f"GET {route}"
    messages = [crumb["message"] for crumb in event["breadcrumbs"]]
    assert f"charge of 10 booked, balance {contexts['payment']['balance']}" in messages


def assert_tells_the_request(event: Event) -> None:
    assert event["server_name"] == "payment"
    assert event["request"]["method"] == "GET"
    assert event["request"]["headers"]["x-debug-token"] == "[Filtered]"


def row(crash: CrashType) -> str:
    return crash.full_id


@pytest.mark.parametrize("crash", SURVIVED, ids=row)
def test_what_is_declared_is_true(payment: Payment, crash: CrashType) -> None:
    response = payment.call(crash.route, params=LONG.get(crash.route))
    assert response.status_code == crash.status
    trace = payment.trace(response, events=1)
    assert_declared(crash, trace)
    assert payment.call("/api/v1/balance/ada").status_code == 200


def assert_declared(crash: CrashType, trace: Trace) -> None:
    error = crash.errors[0]  # the others of a death come from outside
    fingerprint = list(error.fingerprint) if error.fingerprint else None
    event = trace.event
    assert summary(event) == (
        list(error.chain),
        error.mechanism,
        error.handled,
        error.level,
        fingerprint,
    )
    assert set(crash.contexts) <= set(event["contexts"])
    assert set(crash.spans) <= trace.operations
    assert [c.path for c in crash.captured if jmespath.search(c.path, event) is None] == []
    absent = [c.path for c in crash.not_captured if c.path]
    assert [path for path in absent if jmespath.search(path, event) is not None] == []


def test_crash(start: Start, receiver: Receiver) -> None:
    payment = start()
    trace_id = payment.dies_of("/debug/crash?player=hopper")
    assert payment.process.returncode == 1
    (crash,) = (crash for crash in PAYMENT_CRASHES if crash.id == "payment/crash")
    trace = receiver.wait(trace_id, lambda trace: trace.events and trace.spans)
    assert_declared(crash, trace)
    assert_tells_the_payment(trace.event, "hopper", "/debug/crash")
    assert_tells_the_request(trace.event)
    assert functions(trace.event)[-1] == "readApproval"
    request = payment.said("request")
    assert (request["path"], request["trace_id"]) == ("/debug/crash", trace_id)
    assert trace.segment is None
    assert attribute(trace.spans[0], "sentry.segment.id") == request["span_id"]
    payment.stop()
    stderr_tail = "".join(payment.errors)
    assert "TypeError: Cannot read properties of undefined" in stderr_tail
    assert "LOCAL_VARIABLES" not in stderr_tail


def test_heap_exhaustion(start: Start, receiver: Receiver) -> None:
    payment = start()
    trace_id = payment.dies_of("/debug/heap-exhaustion")
    # SIGABRT. Windows has no signals, and an exit code of its own for this.
    assert payment.process.returncode in (-6, 134)
    assert payment.said("request")["trace_id"] == trace_id
    assert receiver.traces[trace_id].events == []
    payment.stop()
    stderr_tail = "".join(payment.errors)
    assert "FATAL ERROR" in stderr_tail
    assert "JavaScript heap out of memory" in stderr_tail


@pytest.mark.parametrize("kind", ERRORS)
def test_error(payment: Payment, kind: str) -> None:
    status, chain, mechanism, handled, level, fingerprint = ERRORS[kind]
    response = payment.call(f"/debug/error/{kind}?player=lovelace")
    event = payment.trace(response, events=1).event
    assert response.status_code == status
    assert response.json().get("recovered", False) is handled
    assert response.json()["trace_id"] == event["contexts"]["trace"]["trace_id"]
    assert summary(event) == (chain, mechanism, handled, level, ["payment", fingerprint])
    assert event["contexts"]["payment"]["stage"] == kind
    assert_tells_the_payment(event, "lovelace", "/debug/error/:type")
    assert_tells_the_request(event)


@pytest.mark.parametrize("kind", ["nothing", "constructor", "__proto__"])
def test_error_of_unknown_type(payment: Payment, kind: str) -> None:
    response = payment.call(f"/debug/error/{kind}")
    assert (response.status_code, response.json()["error"]) == (404, "unknown-error-type")
    assert all(known in response.json()["detail"] for known in ERRORS)
    assert payment.trace(response).events == []


def test_promise_rejection(payment: Payment) -> None:
    response = payment.call("/debug/promise-rejection")
    event = payment.trace(response, events=1).event
    assert response.json()["accepted"] is True
    assert functions(event) == ["mailReceipt", "deliver"]
    assert event["contexts"]["response"]["status_code"] == 202
    assert_tells_the_payment(event, "ada", "/debug/promise-rejection")
    assert_tells_the_request(event)


def test_async_error(payment: Payment) -> None:
    response = payment.call("/debug/async-error")
    event = payment.trace(response, events=1).event
    assert set(response.json()) == {"error", "detail", "trace_id"}
    assert functions(event)[0] == "asyncError"
    assert functions(event)[-1] == "highest"
    assert_tells_the_payment(event, "ada", "/debug/async-error")
    assert_tells_the_request(event)


@pytest.mark.slow
def test_memory_leak(payment: Payment) -> None:
    # The limit would end the process if anything of these stayed behind.
    responses = [payment.call(f"/debug/memory-leak?mb={LEAK_MB.maximum}") for _ in range(3)]
    event = payment.trace(responses[-1], events=1).event
    assert event["exception"]["values"][0]["value"] == "the archive needs 68 MB, the cap is 64 MB"
    memory = event["contexts"]["memory"]
    # The heap also holds garbage: of one leak, but not of two.
    grown_mb = memory["peak_heap_mb"] - memory["start_heap_mb"]
    assert 60 <= grown_mb < 2 * memory["cap_mb"]
    assert (memory["held_mb"], memory["cap_mb"]) == (64, 64)
    steps = [c for c in event["breadcrumbs"] if c["category"] == "memory"]
    assert [crumb["data"]["held_mb"] for crumb in steps] == list(range(4, 65, 4))
    health = payment.call("/health").json()["process"]
    assert health["heap_used_mb"] < memory["start_heap_mb"] + 10
    assert_tells_the_payment(event, "ada", "/debug/memory-leak")
    assert_tells_the_request(event)


@pytest.mark.slow
def test_leaks_at_the_same_time_take_turns(payment: Payment) -> None:
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(payment.call, ["/debug/memory-leak?mb=64"] * 3))
    for response in responses:
        memory = payment.trace(response, events=1).event["contexts"]["memory"]
        assert memory["peak_heap_mb"] < 110


@pytest.mark.slow
def test_others_are_served_while_memory_grows(payment: Payment) -> None:
    seen = []
    with ThreadPoolExecutor() as pool:
        # They take turns: of one, somebody slow might see only the beginning.
        leaks = [pool.submit(payment.call, "/debug/memory-leak?mb=64") for _ in range(3)]
        while not all(leak.done() for leak in leaks):
            seen.append(payment.call("/health").json()["process"]["heap_used_mb"])
    assert max(seen) - min(seen) > 16


def test_event_loop_block(payment: Payment) -> None:
    payment.call("/health")
    with ThreadPoolExecutor() as pool:
        block = pool.submit(payment.call, f"/debug/event-loop-block?ms={BLOCK_MS.maximum}")
        response = block.result()
    lag = payment.call("/health").json()["process"]["event_loop_lag_ms"]
    assert lag >= BLOCK_MS.maximum / 2
    trace = payment.trace(response, events=1)
    assert functions(trace.event) == ["compareBooks", "countUnmatched"]
    assert_tells_the_payment(trace.event, "ada", "/debug/event-loop-block")
    (span,) = [s for s in trace.spans if attribute(s, "sentry.op") == "payment.reconcile"]
    assert span["end_timestamp"] - span["start_timestamp"] >= BLOCK_MS.maximum / 1000


def test_stack_overflow(payment: Payment) -> None:
    response = payment.call("/debug/stack-overflow")
    event = payment.trace(response, events=1).event
    assert event["exception"]["values"][0]["value"] == "Maximum call stack size exceeded"
    assert set(functions(event)) == {"followRefunds"}
    assert_tells_the_payment(event, "ada", "/debug/stack-overflow")
    assert_tells_the_request(event)


@pytest.mark.parametrize("path", ["error/type", "error/declined", "async-error", "stack-overflow"])
def test_ten_presses_are_ten_events(payment: Payment, path: str) -> None:
    responses = [payment.call(f"/debug/{path}") for _ in range(10)]
    events = {payment.trace(r, events=1).event["event_id"] for r in responses}
    assert len(events) == 10


@pytest.mark.parametrize(
    ("path", "bounds"),
    [("/debug/memory-leak?mb={}", LEAK_MB), ("/debug/event-loop-block?ms={}", BLOCK_MS)],
)
def test_parameters_are_bounded(payment: Payment, path: str, bounds: Bounds) -> None:
    for value in (bounds.minimum - 1, bounds.maximum + 1, -1, "", "x", "1.5", "1e1", "9" * 5000):
        response = payment.call(path.format(value))
        assert (response.status_code, response.json()["error"]) == (422, "out-of-bounds")
        assert f"from {bounds.minimum} to {bounds.maximum}" in response.json()["detail"]
        assert payment.trace(response).events == []


@pytest.fixture(params=[crash.route for crash in SURVIVED])
def route(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param


def test_a_bad_player_is_refused(payment: Payment, route: str) -> None:
    response = payment.call(f"{route}?player=%3Cb%3E")
    assert (response.status_code, response.json()["error"]) == (422, "bad-player")
    assert payment.trace(response).events == []
