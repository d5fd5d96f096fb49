"""What each crash route of the game engine does, and exactly what Sentry gets to see."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from demo_services.game_engine.debug import LEAK_MB, LOOP_SECONDS
from demo_services.game_engine.errors import ERROR_TYPES
from kit.crashes.game_engine import GAME_ENGINE_CRASHES

from .conftest import TOKEN, Running
from .receiver import Receiver

Event = dict[str, Any]

ERRORS = {
    "value": (200, ["ValueError"], "generic", True, "info", "bad-coupon"),
    "type": (500, ["TypeError"], "tornado", False, "error", "promotion-type"),
    "key": (200, ["KeyError"], "generic", True, "warning", "symbol-without-pay"),
    "index": (500, ["IndexError"], "tornado", False, "error", "reel-window"),
    "attribute": (500, ["AttributeError"], "tornado", False, "error", "loyalty-card"),
    "zero-division": (200, ["ZeroDivisionError"], "generic", True, "warning", "hit-rate"),
    "assertion": (500, ["AssertionError"], "tornado", False, "fatal", "ledger-off-balance"),
    "os": (200, ["FileNotFoundError"], "generic", True, "warning", "jackpot-file"),
    "custom": (
        500,
        ["SettlementError", "JSONDecodeError"],
        "tornado",
        False,
        "error",
        "settlement",
    ),
}
SPIN_SPANS = ["game.spin", "game.charge", "game.reels", "game.payout"]


def summary(event: Event) -> tuple[list[str], str, bool, str, list[str] | None]:
    """The exception types, outermost first, and what decides alerting and grouping."""
    values = event["exception"]["values"][::-1]
    mechanism = values[0]["mechanism"]
    return (
        [value["type"] for value in values],
        mechanism["type"],
        mechanism["handled"],
        event["level"],
        event.get("fingerprint"),
    )


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from leaves(child)
    elif value is not None:
        yield value


def context_fields(event: Event) -> int:
    parts = [event.get(part) for part in ("contexts", "user", "tags", "request")]
    return sum(1 for _ in leaves(parts))


def frames(event: Event) -> list[Event]:
    """The frames of our own code, of the exception that was raised last."""
    return [f for f in event["exception"]["values"][-1]["stacktrace"]["frames"] if f.get("in_app")]


def assert_tells_the_spin(event: Event, player: str) -> None:
    assert context_fields(event) >= 20
    contexts = event["contexts"]
    assert set(contexts["process"]) == {
        "memory_mb",
        "cpu_percent",
        "threads",
        "open_files",
        "uptime_s",
    }
    assert contexts["tornado"]["handler"] in event["transaction"]
    assert contexts["spin"]["bet"] == 10
    assert len(contexts["spin"]["reels"]) == 3
    assert event["user"]["username"] == contexts["spin"]["player"] == player
    assert event["tags"]["service"] == "game-engine"
    assert event["request"]["headers"]["X-Debug-Token"] == "[Filtered]"
    messages = [crumb["message"] for crumb in event["breadcrumbs"]["values"]]
    assert "bet of 10 charged" in messages


def test_crash(engine: Running) -> None:
    response = engine.call("/debug/crash?player=hopper")
    telemetry = engine.telemetry(response)
    assert response.status_code == 500
    assert set(response.json()) == {"error", "detail", "trace_id"}
    event = telemetry.event
    assert summary(event) == (["RuntimeError"], "tornado", False, "error", None)
    assert response.json()["trace_id"] == event["contexts"]["trace"]["trace_id"]
    assert [frame["function"] for frame in frames(event)] == [
        "get",
        "settle_side_bets",
        "pay_open_bets",
    ]
    assert frames(event)[-1]["vars"]["open_bets"] == {
        "three-of-a-kind": "1",
        "first-is-cherry": "2",
    }
    assert_tells_the_spin(event, "hopper")
    assert telemetry.spans == [*SPIN_SPANS, "game.settle"]


@pytest.mark.parametrize("kind", ERROR_TYPES)
def test_error(engine: Running, kind: str) -> None:
    status, chain, mechanism, handled, level, fingerprint = ERRORS[kind]
    response = engine.call(f"/debug/error/{kind}")
    event = engine.telemetry(response).event
    assert response.status_code == status
    assert response.json().get("recovered", False) is handled
    assert summary(event) == (chain, mechanism, handled, level, ["game-engine", fingerprint])
    assert_tells_the_spin(event, "ada")


def test_error_of_unknown_type(engine: Running) -> None:
    response = engine.call("/debug/error/nothing")
    assert response.status_code == 404
    assert all(kind in response.json()["detail"] for kind in ERROR_TYPES)
    assert engine.telemetry(response).events == []


@pytest.mark.slow
def test_memory_leak(engine: Running) -> None:
    process = psutil.Process(engine.process.pid)
    engine.call("/debug/memory-leak?mb=256")
    before = process.memory_info().rss
    for _ in range(3):
        response = engine.call("/debug/memory-leak?mb=256")
    after = process.memory_info().rss
    assert after - before < 64 * 2**20

    telemetry = engine.telemetry(response)
    event = telemetry.event
    assert response.status_code == 500
    assert summary(event) == (
        ["MemoryError"],
        "tornado",
        False,
        "fatal",
        ["game-engine", "out-of-memory"],
    )
    memory = event["contexts"]["memory"]
    assert memory["peak_rss_mb"] - memory["start_rss_mb"] > 200
    assert (memory["held_mb"], memory["cap_mb"]) == (256, 256)
    grown = [c for c in event["breadcrumbs"]["values"] if c["category"] == "memory"]
    assert [crumb["data"]["held_mb"] for crumb in grown] == list(range(8, 257, 8))
    assert_tells_the_spin(event, "ada")
    assert telemetry.spans == [*SPIN_SPANS, "game.replay"]


@pytest.mark.slow
def test_leaks_at_the_same_time_take_turns(engine: Running) -> None:
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(engine.call, ["/debug/memory-leak?mb=256"] * 3))
    for response in responses:
        memory = engine.telemetry(response).event["contexts"]["memory"]
        assert memory["peak_rss_mb"] - memory["start_rss_mb"] < 300


@pytest.mark.slow
def test_others_are_served_while_memory_grows(engine: Running) -> None:
    with ThreadPoolExecutor() as pool:
        leak = pool.submit(engine.call, "/debug/memory-leak?mb=256")
        served = 0
        while not leak.done():
            assert engine.call("/health").status_code == 200
            served += not leak.done()
    assert served >= 2


def test_infinite_loop(engine: Running) -> None:
    response = engine.call("/debug/infinite-loop")
    telemetry = engine.telemetry(response)
    event = telemetry.event
    assert response.status_code == 500
    assert summary(event) == (
        ["WatchdogTimeout"],
        "tornado",
        False,
        "error",
        ["game-engine", "watchdog", "respin_until_jackpot"],
    )
    assert event["exception"]["values"][-1]["value"] == "still running after 1 s"
    assert [frame["function"] for frame in frames(event)] == [
        "get",
        "grant_jackpot",
        "respin_until_jackpot",
    ]
    assert_tells_the_spin(event, "ada")
    assert telemetry.spans == [*SPIN_SPANS, "game.respin"]
    profile = engine.receiver.profile("game-engine", telemetry.attribute("sentry.profiler_id"))
    profiled = {frame["function"] for frame in profile["profile"]["frames"]}
    assert "respin_until_jackpot" in profiled


def test_async_error(engine: Running) -> None:
    response = engine.call("/debug/async-error")
    telemetry = engine.telemetry(response)
    assert response.status_code == 500
    assert [summary(event) for event in telemetry.events] == [
        (["ValueError"], "asyncio", False, "error", None),
        (
            ["TimeoutError", "CancelledError"],
            "generic",
            True,
            "warning",
            ["game-engine", "bonus-timeout"],
        ),
        (["KeyError"], "asyncio", False, "error", None),
        (["ZeroDivisionError"], "asyncio", False, "error", None),
        (["ExceptionGroup", "KeyError", "ZeroDivisionError"], "tornado", False, "error", None),
    ]
    for event in telemetry.events:
        assert_tells_the_spin(event, "ada")
    assert telemetry.spans == [*SPIN_SPANS, "game.bonus", "game.settle"]


@pytest.mark.slow
def test_async_error_reports_the_same_each_time(engine: Running) -> None:
    with ThreadPoolExecutor(5) as pool:
        responses = list(pool.map(engine.call, ["/debug/async-error"] * 50))
    reports = {
        tuple(tuple(summary(event)[0]) for event in engine.telemetry(response).events)
        for response in responses
    }
    assert len(reports) == 1


def test_threading_error(engine: Running) -> None:
    response = engine.call("/debug/threading-error?player=lovelace")
    telemetry = engine.telemetry(response)
    assert response.status_code == 500
    assert [summary(event) for event in telemetry.events] == [
        (["ValueError"], "threading", False, "error", None),
        (["StatisticsError"], "tornado", False, "error", None),
    ]
    thread, pool = telemetry.events
    assert thread["contexts"]["trace"]["trace_id"] == pool["contexts"]["trace"]["trace_id"]
    assert thread["tags"]["thread.name"] == "game-engine-audit"
    assert "thread.name" not in pool["tags"]
    assert frames(pool)[-1]["function"] == "average_win"
    for event in telemetry.events:
        assert_tells_the_spin(event, "lovelace")
    assert telemetry.spans == [*SPIN_SPANS, "game.statistics"]


@pytest.mark.parametrize(
    ("path", "bounds"),
    [("/debug/memory-leak?mb={}", LEAK_MB), ("/debug/infinite-loop?seconds={}", LOOP_SECONDS)],
)
def test_parameters_are_bounded(engine: Running, path: str, bounds: Any) -> None:
    for value in (bounds.minimum - 1, bounds.maximum + 1, -1, "", "x", "1.5", "1e1", "9" * 5000):
        response = engine.call(path.format(value))
        assert (response.status_code, response.json()["error"]) == (422, "out-of-bounds")
        assert f"from {bounds.minimum} to {bounds.maximum}" in response.json()["detail"]
        assert engine.telemetry(response).events == []


@pytest.mark.slow
def test_the_service_works_after_every_crash(engine: Running) -> None:
    for crash in GAME_ENGINE_CRASHES:
        engine.call(f"{crash.route}?player=tester", crash.method)
        spin = engine.call("/api/v1/spin", "POST", json={"player": "tester", "bet": 1})
        assert spin.status_code == 200


def test_a_bad_player_is_refused(engine: Running) -> None:
    response = engine.call("/debug/crash?player=%3Cb%3E")
    assert (response.status_code, response.json()["error"]) == (422, "bad-player")
    assert engine.telemetry(response).events == []


def test_no_telemetry_holds_the_token(engine: Running, receiver: Receiver) -> None:
    engine.telemetry(engine.call("/debug/crash"))
    assert receiver.bodies
    assert not [body for body in receiver.bodies if TOKEN.encode() in body]
