"""The breakers of the game engine: what is told while they change, and what a spin meets."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from demo_services.game_engine import breakers as module
from demo_services.game_engine.breakers import (
    Breakers,
    CircuitOpen,
    known_upstream,
    read_breaker_order,
)
from demo_services.refused import Refused
from kit.hosting.supervisor import Supervisor

from .conftest import TOKEN, Running
from .receiver import Receiver

PAUSE_S = 0.05
Test = Callable[[Breakers], Awaitable[None]]


def with_breakers(test: Test, *, is_on: bool = True, **order: Any) -> None:
    async def run() -> None:
        found = Breakers()
        if is_on:
            given = {"service": "payment", "seconds": 60, "pause_s": PAUSE_S, **order}
            await found.begin(read_breaker_order(given))
        await test(found)

    asyncio.run(run())


def state(breakers: Breakers) -> str:
    return breakers.status("payment")["state"]


async def call(breakers: Breakers, error: Exception | None = None) -> str:
    """Make a call that fails so; return what came of it."""
    try:
        async with breakers.around("payment"):
            if error:
                raise error
    except CircuitOpen:
        return "not made"
    except (Refused, httpx.HTTPError):
        return "failed"
    return "good"


def failure(status: int = 503) -> Refused:
    return Refused(status, "payment-failed", "no answer")


def test_without_a_lease_no_failure_opens_it() -> None:
    async def test(breakers: Breakers) -> None:
        for _ in range(100):
            assert await call(breakers, failure()) == "failed"
        assert state(breakers) == "off"

    with_breakers(test, is_on=False)


def test_one_that_is_opened_by_hand_lets_nothing_through() -> None:
    async def test(breakers: Breakers) -> None:
        assert await call(breakers) == "not made"
        status = breakers.status("payment")
        assert (status["state"], status["calls"], status["refused"]) == ("opened", 0, 1)

    with_breakers(test, pause_s=60)


def test_so_many_failures_in_a_row_open_it() -> None:
    async def test(breakers: Breakers) -> None:
        ended = [None, failure(), failure(), None, failure(), failure(), failure(), None]
        found = [await call(breakers, error) for error in ended]
        assert found == ["good", *["failed"] * 2, "good", *["failed"] * 3, "not made"]

    with_breakers(test, open=False, threshold=3, pause_s=60)


@pytest.mark.parametrize(
    "error",
    [
        failure(409),
        httpx.HTTPStatusError("", request=httpx.Request("GET", "/"), response=httpx.Response(422)),
    ],
    ids=["refused", "answered"],
)
def test_a_mistake_of_the_caller_is_no_failure(error: Exception) -> None:
    async def test(breakers: Breakers) -> None:
        for _ in range(5):
            await call(breakers, error)
        assert state(breakers) == "closed"

    with_breakers(test, open=False, threshold=1)


@pytest.mark.parametrize(("error", "then"), [(None, "closed"), (failure(), "opened")])
def test_after_a_pause_one_probe_decides(error: Exception | None, then: str) -> None:
    async def test(breakers: Breakers) -> None:
        assert await call(breakers) == "not made"
        await asyncio.sleep(PAUSE_S * 1.2)
        async with asyncio.TaskGroup() as group:
            answered = asyncio.Event()

            async def probe() -> str:
                try:
                    async with breakers.around("payment"):
                        await answered.wait()
                        if error:
                            raise error
                except Refused:
                    return "failed"
                return "good"

            probing = group.create_task(probe())
            await asyncio.sleep(0)
            assert state(breakers) == "half-opened"
            assert [await call(breakers) for _ in range(3)] == ["not made"] * 3
            answered.set()
            await probing
        assert state(breakers) == then
        assert breakers.status("payment")["calls"] == 1

    with_breakers(test)


def test_a_lease_ends_by_itself() -> None:
    async def test(breakers: Breakers) -> None:
        assert await call(breakers) == "not made"
        await asyncio.sleep(0.12)
        assert await call(breakers) == "good"
        assert state(breakers) == "off"

    with_breakers(test, seconds=0.1, pause_s=60)


def test_one_that_is_cleared_is_off() -> None:
    async def test(breakers: Breakers) -> None:
        (ended,) = breakers.clear()
        assert (ended["service"], ended["state"]) == ("payment", "opened")
        assert await call(breakers) == "good"
        assert breakers.clear() == []

    with_breakers(test, pause_s=60)


def test_changes_are_told_in_order_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        module.sentry_sdk, "add_breadcrumb", lambda **crumb: told.append(crumb["message"])
    )

    async def test(breakers: Breakers) -> None:
        await asyncio.sleep(PAUSE_S * 1.2)
        await call(breakers)
        breakers.clear()
        breakers.describe()
        states = ["opened", "half-opened", "closed", "off"]
        assert told == [f"breaker of payment: {state}" for state in states]
        monkeypatch.setattr(module, "TOLD_S", 0.0)
        told.clear()
        breakers.describe()
        assert told == []

    with_breakers(test)


BAD_ORDERS = [
    {"seconds": 601},
    {"seconds": True},
    {"seconds": None},
    {"open": 1},
    {"threshold": 0},
    {"threshold": 2.0},
    {"pause_s": 0},
    {"pause_s": float("nan")},
]


@pytest.mark.parametrize("wrong", BAD_ORDERS, ids=str)
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read_breaker_order({"service": "payment", "seconds": 60, **wrong})
    assert refused.value.status == 422
    assert next(iter(wrong)) in refused.value.detail


@pytest.mark.parametrize("name", ["", "gateway", None, ["payment"]])
def test_an_unknown_service_is_refused(name: object) -> None:
    with pytest.raises(Refused, match="known: payment, analytics") as refused:
        known_upstream(name)
    assert refused.value.status == 404


# In the running engine


@pytest.fixture(scope="module")
def playing(receiver: Receiver, payment: Supervisor, statistics: Running) -> Iterator[Running]:
    """A game engine whose bets the payment service charges."""
    environment = {
        "DEBUG_TOKEN": TOKEN,
        "ANALYTICS_URL": statistics.url,
        "PAYMENT_URL": payment.url,
    }
    with Running("game-engine", receiver, **environment) as running:
        yield running


@pytest.fixture
def engine(playing: Running) -> Iterator[Running]:
    yield playing
    playing.call("/debug/breakers", "DELETE")


def spin(engine: Running) -> httpx.Response:
    return engine.call("/api/v1/spin", "POST", json={"player": "ada", "bet": 1})


def begin(engine: Running, **order: Any) -> dict[str, Any]:
    given = {"service": "payment", "seconds": 60, "pause_s": 60, **order}
    answer = engine.call("/debug/breakers", "POST", json=given)
    assert answer.status_code == 201, answer.text
    status: dict[str, Any] = answer.json()
    return status


@pytest.mark.slow
@pytest.mark.system
def test_a_spin_fails_at_once_with_a_reason(engine: Running) -> None:
    assert spin(engine).status_code == 200
    assert begin(engine)["state"] == "opened"
    answers = [spin(engine) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["error"] == "payment-paused"
    assert int(answers[0].headers["Retry-After"]) in range(50, 61)
    assert engine.telemetry(answers[0]).events == []
    assert min(answer.elapsed.total_seconds() for answer in answers) < 0.05
    ended = engine.call("/debug/breakers", "DELETE", params={"service": "payment"}).json()
    assert [each["refused"] for each in ended["ended"]] == [5]
    assert spin(engine).status_code == 200


@pytest.mark.slow
@pytest.mark.system
def test_the_next_events_tell_of_its_changes(engine: Running) -> None:
    begin(engine)
    crashed = engine.call("/debug/crash")
    crumbs = engine.telemetry(crashed).event["breadcrumbs"]["values"]
    (told,) = [each for each in crumbs if each["category"] == "breaker"][-1:]
    assert (told["message"], told["level"]) == ("breaker of payment: opened", "warning")


@pytest.mark.slow
@pytest.mark.system
def test_a_probe_that_is_good_lets_all_through_again(engine: Running) -> None:
    # On a busy machine the first spin is the probe.
    assert begin(engine, pause_s=1)["state"] == "opened"
    until = time.monotonic() + 10
    while (answer := spin(engine)).status_code == 503:
        assert time.monotonic() < until
    assert answer.status_code == 200
    states = engine.call("/debug/breakers").json()["breakers"]
    assert [each["state"] for each in states] == ["closed", "off"]


@pytest.mark.slow
@pytest.mark.system
def test_with_the_ledgers_breaker_open_the_game_goes_on(engine: Running) -> None:
    begin(engine, service="analytics")
    played = spin(engine)
    assert played.status_code == 200
    (status,) = [
        each
        for each in engine.call("/debug/breakers").json()["breakers"]
        if each["service"] == "analytics"
    ]
    assert status["refused"] == 1


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize("order", [{"service": "bank", "seconds": 1}, {"service": "payment"}])
def test_a_bad_order_changes_nothing(engine: Running, order: dict[str, Any]) -> None:
    refused = engine.call("/debug/breakers", "POST", json=order)
    assert refused.status_code == (404 if order["service"] == "bank" else 422)
    states = engine.call("/debug/breakers").json()["breakers"]
    assert {each["state"] for each in states} == {"off"}
