"""Each fault in the running system: it hits the requests that it is to hit, and no other."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import psutil
import pytest

from demo_services.connections import ONE_REQUEST
from demo_services.faults.names import NO_OP, faults_of, numbers_of, read_flags
from demo_services.faults.split import is_hit
from demo_services.game_engine.cashier import DEADLINE_S, RETRY_S
from demo_services.players import START_BALANCE
from demo_services.services import GATEWAY, PAYMENT, SERVICES
from kit.ingest.store import StoredItem
from kit.workshop import Workshop
from tests.memory import resident_mb
from tests.waiting import wait_until

# A crash of each service that leaves it alive.
CRASHES = {
    "gateway": "/debug/panic",
    "game-engine": "/api/v1/game/debug/error/type",
    "analytics": "/api/v1/analytics/debug/crash",
    "payment": "/api/v1/payment/debug/error/type",
}
WAIT_S = 60
SEED = 7
SHARE = 0.5
SLOW = pytest.mark.slow


def path_of(service: str) -> str:
    """Return where the faults of a service are, at the gateway."""
    prefix = SERVICES[service].prefix
    return f"/api/v1/{prefix}/debug/faults" if prefix else f"{GATEWAY.debug_base}/faults"


@dataclass
class Played:
    """A spin, and what came of it."""

    trace: str
    status: int
    body: str
    took_s: float

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Player:
    """Plays at the workshop, and sets its faults."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self._http = httpx.Client(
            base_url=workshop.url(), timeout=WAIT_S, trust_env=False, limits=ONE_REQUEST
        )

    def ask(self, method: str, service: str, **options: Any) -> httpx.Response:
        headers = {"X-Debug-Token": self.workshop.token}
        return self._http.request(method, path_of(service), headers=headers, **options)

    def states(self, service: str) -> dict[str, Any]:
        states: dict[str, Any] = self.ask("GET", service).raise_for_status().json()
        return states

    def begin(self, fault: str, service: str, **given: Any) -> dict[str, Any]:
        order = {"fault": fault, "share": SHARE, "seconds": 300, "seed": SEED, **given}
        answer = self.ask("POST", service, json=order)
        assert answer.status_code == 201, answer.text
        state: dict[str, Any] = answer.json()
        return state

    @contextmanager
    def leased(self, fault: str, service: str, **given: Any) -> Iterator[dict[str, Any]]:
        state = self.begin(fault, service, **given)
        try:
            yield state
        finally:
            self.ask("DELETE", service, params={"fault": fault}).raise_for_status()

    def call(
        self, path: str, trace: str, method: str = "POST", *, sampled: int = 0, **options: Any
    ) -> httpx.Response:
        # Not sampled, as background traffic is; errors are captured all the same.
        headers = {
            "sentry-trace": f"{trace}-{uuid.uuid4().hex[:16]}-{sampled}",
            "X-Debug-Token": self.workshop.token,
        }
        return self._http.request(method, path, headers=headers, **options)

    def spin(self, trace: str) -> Played:
        began = time.perf_counter()
        # A player of its own, so that the balance says what was charged.
        body = {"player": f"p{trace[:12]}", "bet": 1}
        answer = self.call("/api/v1/game/spin", trace, json=body)
        return Played(trace, answer.status_code, answer.text, time.perf_counter() - began)

    def event(self, trace: str, service: str) -> dict[str, Any]:
        """Wait for the error event of a service in a trace."""
        found = self.workshop.store.wait_for(
            trace, lambda item: item.project == service, WAIT_S, type="event"
        )
        event: dict[str, Any] = found.payload
        return event

    def log(self, trace: str, start: str) -> dict[str, Any]:
        """Wait for a log of a trace."""
        # Logs wait for more of them, for seconds.
        self.workshop.flush()

        def wanted(entry: dict[str, Any]) -> bool:
            return entry["trace_id"] == trace and entry["body"].startswith(start)

        found = self.workshop.store.wait_for(
            trace, lambda item: any(map(wanted, item.payload["items"])), WAIT_S, type="log"
        )
        return next(filter(wanted, found.payload["items"]))


def flags_of(event: dict[str, Any]) -> dict[str, bool]:
    return {flag["flag"]: flag["result"] for flag in event["contexts"]["flags"]["values"]}


def traces(fault: str, count: int = 2) -> tuple[list[str], list[str]]:
    """Return ids of traces that a fault hits, and of as many that it does not hit."""
    found: dict[bool, list[str]] = {True: [], False: []}
    while min(map(len, found.values())) < count:
        trace = uuid.uuid4().hex
        found[is_hit(SEED, fault, trace, SHARE)].append(trace)
    return found[True][:count], found[False][:count]


@pytest.fixture(scope="module")
def player(workshop: Workshop) -> Iterator[Player]:
    player = Player(workshop)
    yield player
    for service in CRASHES:
        player.ask("DELETE", service)


# What is seen of a spin that the fault hits.
Check = Callable[[Player, Played], None]


def fails_in_payment(player: Player, spin: Played) -> None:
    assert (spin.status, spin.result["error"]) == (503, "payment-failed")
    event = player.event(spin.trace, "payment")
    (error,) = event["exception"]["values"]
    assert (error["type"], flags_of(event)) == ("TypeError", {"payment-fails": True})
    assert error["stacktrace"]["frames"][-1]["function"] == "authorize"


def is_slow(fault: str) -> Check:
    def check(player: Player, spin: Played) -> None:
        assert spin.status == 200
        assert spin.took_s >= numbers_of(fault)["ms"] / 1000

    return check


def is_booked_once(player: Player, spin: Played) -> None:
    assert spin.status == 200
    player.log(spin.trace, "payment did not answer, attempt 1")
    player.log(spin.trace, "charge repeated, nothing moved")
    assert spin.result["balance"] == START_BALANCE - 1 + spin.result["win"]


def finds_no_payment(player: Player, spin: Played) -> None:
    assert (spin.status, spin.result["error"]) == (503, "payment-failed")
    event = player.event(spin.trace, "game-engine")
    assert event["exception"]["values"][-1]["type"] == "ConnectError"
    assert flags_of(event) == {"payment-down": True}


def is_not_stored(reason: str, at_least_s: float = 0.0) -> Check:
    def check(player: Player, spin: Played) -> None:
        assert spin.status == 200
        assert spin.took_s >= at_least_s
        assert reason in player.log(spin.trace, "spin was not stored")["body"]

    return check


def finds_no_database(player: Player, spin: Played) -> None:
    # The ledger gives up just when the driver does.
    is_not_stored("", at_least_s=0.9)(player, spin)
    event = player.event(spin.trace, "analytics")
    assert event["exception"]["values"][-1]["type"] == "ServerSelectionTimeoutError"
    assert flags_of(event) == {"mongo-down": True}


def outlasts_the_deadline(player: Player, spin: Played) -> None:
    assert spin.status == 503
    assert spin.took_s >= DEADLINE_S
    event = player.event(spin.trace, "game-engine")
    assert event["exception"]["values"][-1]["type"] == "ReadTimeout"


def leaks(player: Player, spin: Played) -> None:
    assert spin.status == 200


def fails_in_the_new_release(player: Player, spin: Played) -> None:
    assert (spin.status, spin.result["error"]) == (500, "internal-error")
    event = player.event(spin.trace, "game-engine")
    assert event["release"] == "game-engine@1.1.0"
    assert event["exception"]["values"][-1]["type"] == "KeyError"
    assert flags_of(event) == {"bad-release": True}


def cannot_be_read(player: Player, spin: Played) -> None:
    assert spin.status == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(spin.body)


CHECKS: dict[str, Check] = {
    "payment-fails": fails_in_payment,
    "payment-slow": is_slow("payment-slow"),
    "payment-hangs": outlasts_the_deadline,
    "payment-resets": is_booked_once,
    "payment-down": finds_no_payment,
    "ledger-slow": is_slow("ledger-slow"),
    "ledger-down": is_not_stored("ConnectError"),
    "mongo-slow": is_not_stored("ReadTimeout", at_least_s=0.9),
    "mongo-down": finds_no_database,
    "engine-blocks": is_slow("engine-blocks"),
    "engine-leaks": leaks,
    "bad-release": fails_in_the_new_release,
    "clock-skew": is_not_stored("422"),
    "gateway-truncates": cannot_be_read,
}
LONG = {
    "payment-slow",
    "payment-hangs",
    "payment-down",
    "engine-blocks",
    "mongo-down",
    "mongo-slow",
}


def test_each_fault_is_tried() -> None:
    # That the payment service dies is tried by itself: it ends the fault.
    assert {*CHECKS, "payment-dies", NO_OP} == set(read_flags())


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=SLOW if fault in LONG else ()) for fault in CHECKS]
)
def test_a_fault_hits_those_that_it_is_to_hit_and_no_others(player: Player, fault: str) -> None:
    service = numbers_of(fault)["service"]
    hit, spared = traces(fault)
    with player.leased(fault, service) as state, ThreadPoolExecutor(4) as pool:
        asked = {"fault": fault, "flag": fault, "share": SHARE, "seed": SEED}
        not_ended = {"ended_at": None, "ended_by": None}
        nothing_yet = {"evaluated": 0, "hit": 0, "hits": []}
        times = {"began_at": state["began_at"], "until": state["until"]}
        assert state == asked | not_ended | nothing_yet | times
        assert state["until"] - state["began_at"] == pytest.approx(300)
        played = {spin.trace: spin for spin in pool.map(player.spin, [*spared, *hit])}
        (state,) = player.states(service)["faults"]
    assert (state["evaluated"], state["hit"], set(state["hits"])) == (4, 2, set(hit))
    for trace in hit:
        CHECKS[fault](player, played[trace])
    player.workshop.flush()
    for trace in spared:
        assert played[trace].status == 200
        assert set(played[trace].result) >= {"spin_id", "reels", "balance"}
        assert player.workshop.store.items(trace_id=trace, type="event") == []


@SLOW
def test_payment_dies_once_and_the_spin_goes_through(player: Player) -> None:
    (hit, *_), spared = traces("payment-dies")
    supervisor = player.workshop._system.payment
    deaths, pid = len(supervisor.exits), supervisor.pid
    player.begin("payment-dies", PAYMENT.name)
    spins = [player.spin(trace) for trace in (*spared, hit)]
    until(lambda: len(supervisor.exits) > deaths and supervisor.pid is not None)
    assert len(supervisor.exits) == deaths + 1
    death = supervisor.exits[-1]
    assert (death.pid, death.signal) == (pid, "SIGKILL")
    assert [spin.status for spin in spins[:-1]] == [200, 200]
    # The game engine repeats its call until the service is back, but on a busy machine that may
    # take longer than it waits.
    if death.back_after_s is not None and death.back_after_s < RETRY_S / 2:
        assert spins[-1].result["balance"] == START_BALANCE - 1 + spins[-1].result["win"]
    assert player.states(PAYMENT.name) == {"service": "payment", "faults": [], "ended": []}


@SLOW
def test_a_leak_ends_in_a_memory_error_and_is_given_back(player: Player) -> None:
    numbers = numbers_of("engine-leaks")
    fitting = numbers["cap_mb"] // numbers["mb"]
    with player.leased("engine-leaks", "game-engine", share=1), ThreadPoolExecutor(4) as pool:
        before = [player.spin(uuid.uuid4().hex)]
        began_mb = resident_mb()
        before += pool.map(player.spin, [uuid.uuid4().hex for _ in range(fitting - 1)])
        grown_mb = resident_mb() - began_mb
        beyond = player.spin(uuid.uuid4().hex)
    assert {spin.status for spin in before} == {200}
    assert grown_mb > numbers["cap_mb"] * 0.8
    assert beyond.status == 500
    event = player.event(beyond.trace, "game-engine")
    assert event["exception"]["values"][-1]["type"] == "MemoryError"
    assert flags_of(event) == {"engine-leaks": True}
    # A leak is over with its fault.
    with player.leased("engine-leaks", "game-engine", share=1):
        assert player.spin(uuid.uuid4().hex).status == 200


@pytest.mark.parametrize("service", CRASHES)
def test_a_no_op_is_evaluated_for_work_and_does_nothing(player: Player, service: str) -> None:
    trace, debug = uuid.uuid4().hex, uuid.uuid4().hex
    with player.leased(NO_OP, service, share=1, flag="new-paytable"):
        assert player.spin(trace).status == 200
        player.call(CRASHES[service], debug, "GET")
        # A debug route behind the gateway is none of the gateway's work either.
        player.call(CRASHES["game-engine"], uuid.uuid4().hex, "GET")
        player.call("/health", uuid.uuid4().hex, "GET")
        (state,) = player.states(service)["faults"]
    # The payment service may have paid a win, too: in the same trace.
    assert (state["flag"], state["hits"]) == ("new-paytable", [trace])
    assert state["evaluated"] == state["hit"] <= 2
    assert "flags" not in player.event(debug, service)["contexts"]


def test_an_event_has_all_flags_that_were_evaluated(player: Player) -> None:
    hit, spared = traces("bad-release", 1)
    with (
        player.leased("bad-release", "game-engine", share=SHARE),
        player.leased(NO_OP, "game-engine", share=0),
    ):
        assert player.spin(spared[0]).status == 200
        assert player.spin(hit[0]).status == 500
    event = player.event(hit[0], "game-engine")
    assert flags_of(event) == {"bad-release": True, NO_OP: False}


def test_two_services_hit_the_same_spins_under_one_flag(player: Player) -> None:
    ids = [uuid.uuid4().hex for _ in range(6)]
    with (
        player.leased(NO_OP, "payment", flag="rollout"),
        player.leased(NO_OP, "game-engine", flag="rollout"),
        player.leased(NO_OP, "gateway", flag="rollout"),
    ):
        for trace in ids:
            player.spin(trace)
        found = [
            set(player.states(service)["faults"][0]["hits"])
            for service in ("payment", "game-engine", "gateway")
        ]
    expected = {trace for trace in ids if is_hit(SEED, "rollout", trace, SHARE)}
    assert found == [expected] * 3


def test_a_span_has_the_flag_where_the_trace_is_sampled(player: Player) -> None:
    trace = uuid.uuid4().hex

    def has_flag(item: StoredItem) -> bool:
        spans = item.payload["items"]
        flags = [span["attributes"].get("flag.evaluation.rollout") for span in spans]
        return any(flag and flag["value"] is True for flag in flags)

    with (
        player.leased(NO_OP, "payment", share=1, flag="rollout"),
        player.leased(NO_OP, "game-engine", share=1, flag="rollout"),
    ):
        player.call("/api/v1/game/spin", trace, json={"player": "ada", "bet": 1}, sampled=1)
    player.workshop.flush()
    for service in ("payment", "game-engine"):
        player.workshop.store.wait_for(trace, has_flag, WAIT_S, type="span", project=service)


@SLOW
def test_statistics_are_refused_while_the_database_is_down(player: Player) -> None:
    (hit, *_), (spared, *_) = traces("mongo-down")
    with player.leased("mongo-down", "analytics"):
        answers = [player.call("/api/v1/analytics/stats", each, "GET") for each in (spared, hit)]
    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[1].json()["error"] == "database-unreachable"
    assert flags_of(player.event(hit, "analytics")) == {"mongo-down": True}


@pytest.mark.parametrize("service", CRASHES)
def test_nothing_is_evaluated_while_no_fault_is_on(player: Player, service: str) -> None:
    trace = uuid.uuid4().hex
    assert player.states(service)["faults"] == []
    assert player.spin(trace).status == 200
    player.call(CRASHES[service], trace, "GET")
    assert "flags" not in player.event(trace, service)["contexts"]


until = partial(wait_until, seconds=WAIT_S)


@pytest.mark.parametrize("service", CRASHES)
def test_a_lease_ends_by_itself(player: Player, service: str) -> None:
    state = player.begin(NO_OP, service, share=1, seconds=0.2)
    assert state["until"] - state["began_at"] == pytest.approx(0.2)
    until(lambda: not player.states(service)["faults"])
    trace = uuid.uuid4().hex
    assert player.spin(trace).status == 200
    ended = player.states(service)["ended"][-1]
    assert (ended["fault"], ended["ended_by"]) == (NO_OP, "lease")
    assert -0.01 <= ended["ended_at"] - ended["until"] < 1
    assert trace not in ended["hits"]


@SLOW
def test_a_fault_does_not_outlive_a_killed_process(player: Player) -> None:
    supervisor = player.workshop._system.payment
    player.begin("payment-fails", PAYMENT.name, share=1)
    assert player.spin(uuid.uuid4().hex).status == 503
    pid, deaths = supervisor.pid, len(supervisor.exits)
    assert pid is not None
    psutil.Process(pid).kill()
    until(lambda: len(supervisor.exits) > deaths and supervisor.pid is not None)
    assert player.spin(uuid.uuid4().hex).status == 200
    assert player.states(PAYMENT.name)["faults"] == []


@pytest.mark.parametrize("service", CRASHES)
def test_an_order_that_cannot_be_is_refused(player: Player, service: str) -> None:
    good = {"fault": NO_OP, "share": 1, "seconds": 1, "seed": 1}
    known = ", ".join(faults_of(service))
    for change, status, said in [
        ({"fault": "nothing"}, 404, f"known: {known}."),
        ({"share": 1.1}, 422, "share must be a number from 0 to 1."),
        ({"seconds": 601}, 422, "seconds must be a number above 0, at most 600."),
        ({"seed": -1}, 422, "seed must be a whole number from 0 to 9007199254740991."),
        ({"flag": "a b"}, 422, "flag must be 1 to 64 letters, digits or dashes."),
    ]:
        answer = player.ask("POST", service, json=good | change)
        assert answer.status_code == status, answer.text
        assert said in answer.json()["detail"]
    assert player.ask("POST", service, content=b"[]").status_code == 400
    assert player.ask("DELETE", service, params={"fault": "nothing"}).status_code == 404
    assert player.ask("PUT", service, json=good).status_code == 405
    assert player.states(service)["faults"] == []
