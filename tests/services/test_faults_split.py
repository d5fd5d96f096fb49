"""Which requests a fault hits, and that it ends: without a service around it."""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sentry_sdk
from openfeature import api
from sentry_sdk.integrations.openfeature import OpenFeatureHook

from demo_services.faults import hits
from demo_services.faults.leases import KEPT_ENDED, Effects, Faults
from demo_services.faults.names import NO_OP, faults_of, numbers_of, read_flags
from demo_services.faults.order import Order, read_order
from demo_services.faults.split import is_hit
from demo_services.refused import Refused
from demo_services.services import GAME_ENGINE, SERVICES
from tests.payment.conftest import run

KEYS = [f"{number:032x}" for number in range(10_000)]
SHARES = [0.01, 0.1, 0.25, 0.5, 1.0]
IN_NODE = """
const { isHit } = require('./src/faults/split');
const keys = Array.from({ length: 10_000 }, (_, n) => n.toString(16).padStart(32, '0'));
const bits = ([flag, seed, share]) =>
  keys.map((key) => Number(isHit(seed, flag, key, share))).join('');
console.log(JSON.stringify(JSON.parse(process.argv[1]).map(bits)));
"""


def three_deviations(share: float) -> float:
    return 3 * math.sqrt(len(KEYS) * share * (1 - share))


def test_python_and_node_hit_the_same_requests() -> None:
    flags = [("payment-fails", 7), ("checkout-v2", 2**53 - 1)]
    splits = [(flag, seed, share) for flag, seed in flags for share in SHARES]
    done = run("-e", IN_NODE, json.dumps(splits))
    here = [
        "".join(str(int(is_hit(seed, flag, key, share))) for key in KEYS)
        for flag, seed, share in splits
    ]
    assert json.loads(done.stdout) == here, done.stderr


@pytest.mark.parametrize("share", SHARES)
def test_a_fault_hits_its_share(share: float) -> None:
    count = sum(is_hit(7, "payment-fails", key, share) for key in KEYS)
    assert abs(count - len(KEYS) * share) <= three_deviations(share)


def test_two_faults_hit_independently() -> None:
    both = [
        is_hit(7, "payment-fails", key, 0.25) and is_hit(7, "ledger-down", key, 0.25)
        for key in KEYS
    ]
    assert abs(sum(both) - len(KEYS) * 0.25**2) <= three_deviations(0.25**2)


def test_each_flag_is_a_boolean_of_a_service() -> None:
    assert len(read_flags()) == 16
    for name, flag in read_flags().items():
        assert set(flag) == {"state", "variants", "defaultVariant", "metadata"}
        assert flag["variants"] == {"on": True, "off": False}
        assert (flag["state"], flag["defaultVariant"]) == ("ENABLED", "off")
        assert numbers_of(name)["service"] in {*SERVICES, "every"}


GOOD: dict[str, Any] = {"fault": "ledger-down", "share": 0.25, "seconds": 60, "seed": 7}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(("share", value) for value in (-0.1, 1.1, "1", None, True, math.nan)),
        *(("seconds", value) for value in (0, -1, 601, "60", None, math.inf)),
        *(("seed", value) for value in (-1, 1.5, "7", None, False, 2**53)),
        *(("flag", value) for value in ("", "two words", "x" * 65, 7, None, "é", "a\n")),
    ],
)
def test_an_order_has_bounds(field: str, wrong: object) -> None:
    with pytest.raises(Refused) as refused:
        read_order(GAME_ENGINE.name, GOOD | {field: wrong})
    assert refused.value.status == 422
    assert field in refused.value.detail


@pytest.mark.parametrize("fault", ["mongo-down", "", None, 7, ["ledger-down"]])
def test_an_unknown_fault_is_answered_with_those_that_there_are(fault: object) -> None:
    with pytest.raises(Refused, match=", ".join(faults_of(GAME_ENGINE.name))) as refused:
        read_order(GAME_ENGINE.name, GOOD | {"fault": fault})
    assert refused.value.status == 404


@pytest.mark.slow
def test_no_service_loads_openfeature_by_itself() -> None:
    services = "analytics, game_engine, gateway"
    code = f"import sys; from demo_services import {services}; print('openfeature' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture(autouse=True)
def in_a_scope_of_its_own() -> Iterator[None]:
    with sentry_sdk.isolation_scope():
        yield


def order(fault: str = NO_OP, **given: Any) -> Order:
    return Order(**{"fault": fault, "flag": fault, "share": 1.0, "seconds": 60, "seed": 7, **given})


def flags_of_this_request() -> list[dict[str, Any]]:
    return [dict(flag) for flag in sentry_sdk.get_isolation_scope().flags.get()]


def in_loop(effects: Effects | None = None) -> Faults:
    return Faults(GAME_ENGINE, effects)


def test_what_is_evaluated_is_recorded_by_the_hook_of_sentry_once() -> None:
    async def evaluate() -> None:
        faults = in_loop()
        faults.evaluate()
        assert flags_of_this_request() == []
        await faults.begin(order(flag="checkout-v2"))
        await faults.begin(order("ledger-down", share=0.0))
        faults.evaluate()
        expected = {("checkout-v2", True), ("ledger-down", False)}
        assert {(flag["flag"], flag["result"]) for flag in flags_of_this_request()} == expected
        assert hits.is_marked(NO_OP)
        assert not hits.is_marked("ledger-down")

    asyncio.run(evaluate())
    assert len([hook for hook in api.get_hooks() if isinstance(hook, OpenFeatureHook)]) == 1


def test_only_the_faults_of_a_route_are_evaluated() -> None:
    async def evaluate() -> dict[str, Any]:
        faults = in_loop()
        await faults.begin(order())
        await faults.begin(order("ledger-down"))
        faults.evaluate({NO_OP})
        return faults.states()

    counts = {state["fault"]: state["evaluated"] for state in asyncio.run(evaluate())["faults"]}
    assert counts == {NO_OP: 1, "ledger-down": 0}


def test_two_services_of_a_name_have_flags_of_their_own() -> None:
    async def evaluate() -> list[dict[str, Any]]:
        services = [in_loop(), in_loop()]
        for number, faults in enumerate(services):
            await faults.begin(order(flag=f"flag-{number}", share=1 - number))
        for faults in services:
            faults.evaluate()
        return [state for faults in services for state in faults.states()["faults"]]

    assert [(state["evaluated"], state["hit"]) for state in asyncio.run(evaluate())] == [
        (1, 1),
        (1, 0),
    ]


def test_a_fault_ends_by_itself() -> None:
    async def wait() -> dict[str, Any]:
        faults = in_loop()
        await faults.begin(order(seconds=0.05))
        await asyncio.gather(*faults._holders)
        faults.evaluate()
        return faults.states()

    states = asyncio.run(wait())
    (ended,) = states["ended"]
    assert (states["faults"], ended["ended_by"], ended["evaluated"]) == ([], "lease", 0)
    assert 0 <= ended["ended_at"] - ended["until"] < 1


def test_a_blocked_loop_does_not_prolong_a_fault() -> None:
    async def block() -> tuple[bool, dict[str, Any]]:
        faults = in_loop()
        await faults.begin(order(seconds=0.05))
        time.sleep(0.06)
        faults.evaluate()
        return hits.is_marked(NO_OP), faults.states()["ended"][0]

    is_hit_late, ended = asyncio.run(block())
    assert not is_hit_late
    assert ended["ended_by"] == "lease"


def test_the_same_fault_again_replaces_it() -> None:
    async def replace() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        faults = in_loop()
        for _ in range(KEPT_ENDED + 3):
            await faults.begin(order())
        return faults.states(), faults.clear("ledger-down") + faults.clear(NO_OP)

    states, cleared = asyncio.run(replace())
    assert len(states["faults"]) == 1
    assert [state["ended_by"] for state in states["ended"]] == ["replaced"] * KEPT_ENDED
    assert [state["ended_by"] for state in cleared] == ["cleared"]


def test_two_faults_cannot_have_one_flag() -> None:
    async def begin() -> None:
        faults = in_loop()
        await faults.begin(order(flag="release"))
        with pytest.raises(Refused, match="that of another fault"):
            await faults.begin(order("ledger-down", flag="release"))

    asyncio.run(begin())


def test_what_a_fault_needs_is_there_before_it_is_on_and_closed_after_it() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def effect() -> AsyncIterator[None]:
        log.append("opened")
        try:
            yield
        finally:
            log.append("closed")

    async def begin(end: str) -> None:
        faults = in_loop({NO_OP: effect})
        await faults.begin(order())
        assert log.pop() == "opened"
        if end == "cleared":
            faults.clear()
            await asyncio.gather(*faults._holders)
            assert log.pop() == "closed"

    asyncio.run(begin("cleared"))
    # The end of the loop ends it, too.
    asyncio.run(begin("by the loop"))
    assert log == ["closed"]


def test_a_fault_that_cannot_begin_says_why_and_is_not_on() -> None:
    @asynccontextmanager
    async def effect() -> AsyncIterator[None]:
        raise OSError("no port")
        yield

    async def begin() -> dict[str, Any]:
        faults = in_loop({NO_OP: effect})
        with pytest.raises(OSError, match="no port"):
            await faults.begin(order())
        return faults.states()

    assert asyncio.run(begin()) == {"service": "game-engine", "faults": [], "ended": []}
