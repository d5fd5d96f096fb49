"""What the payment service does all day."""

import socket
import uuid
from typing import Any

import pytest

from demo_services.payment import START_BALANCE, VIP_BALANCE
from demo_services.players import START_BALANCE as ENGINE_START_BALANCE
from demo_services.players import VIP_BALANCE as ENGINE_VIP_BALANCE
from demo_services.players import Player

from .conftest import TOKEN, WAIT_S, Payment
from .receiver import Receiver, attribute


@pytest.fixture
def player() -> str:
    return f"player-{uuid.uuid4().hex[:8]}"


def order(player: str, amount: Any = 10, spin: str | None = None) -> dict[str, Any]:
    return {"player": player, "amount": amount, "spin_id": spin or uuid.uuid4().hex[:12]}


def balance(payment: Payment, player: str) -> int:
    return payment.call(f"/api/v1/balance/{player}").json()["balance"]


def test_money_moves(payment: Payment, player: str) -> None:
    charge = order(player, 30)
    response = payment.call("/api/v1/charge", "POST", json=charge)
    assert response.status_code == 200
    answer = response.json()
    assert answer.pop("id")
    assert answer == {**charge, "kind": "charge", "balance": START_BALANCE - 30}
    payout = payment.call("/api/v1/payout", "POST", json=order(player, 77)).json()
    assert payout["balance"] == balance(payment, player) == START_BALANCE - 30 + 77


def test_the_services_agree_on_players(payment: Payment, player: str) -> None:
    assert (START_BALANCE, VIP_BALANCE) == (ENGINE_START_BALANCE, ENGINE_VIP_BALANCE)
    response = payment.call("/api/v1/charge", "POST", json=order(player))
    segment = payment.trace(response).segment
    assert segment is not None
    assert attribute(segment, "user.id") == Player(player).id
    poor = payment.call(f"/api/v1/balance/{player}").json()
    payment.call("/api/v1/payout", "POST", json=order(player, VIP_BALANCE))
    rich = payment.call(f"/api/v1/balance/{player}").json()
    assert [poor["tier"], rich["tier"]] == ["regular", "vip"]


@pytest.mark.parametrize("has_key", [False, True])
def test_a_repeated_payment_moves_nothing(payment: Payment, player: str, has_key: bool) -> None:
    headers = {"Idempotency-Key": player} if has_key else {}
    body = order(player)
    first = payment.call("/api/v1/charge", "POST", json=body, headers=headers)
    again = payment.call("/api/v1/charge", "POST", json=body, headers=headers)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert balance(payment, player) == START_BALANCE - 10


def test_a_spin_is_charged_once_and_pays_once(payment: Payment, player: str) -> None:
    body = order(player)
    for path in ("/api/v1/charge", "/api/v1/payout"):
        assert payment.call(path, "POST", json=body).status_code == 200
    changed = payment.call("/api/v1/charge", "POST", json={**body, "amount": 11})
    assert (changed.status_code, changed.json()["error"]) == (409, "idempotency-key-reused")
    assert balance(payment, player) == START_BALANCE


def test_a_key_stands_for_one_payment(payment: Payment, player: str) -> None:
    headers = {"Idempotency-Key": player}
    body = order(player)
    payment.call("/api/v1/charge", "POST", json=body, headers=headers)
    for path, other in (("/api/v1/charge", order(player)), ("/api/v1/payout", body)):
        assert payment.call(path, "POST", json=other, headers=headers).status_code == 409
    assert balance(payment, player) == START_BALANCE - 10


def test_who_cannot_pay_is_refused_and_not_reported(payment: Payment, player: str) -> None:
    response = payment.call("/api/v1/charge", "POST", json=order(player, START_BALANCE + 1))
    assert response.status_code == 402
    assert response.json() == {
        "error": "balance-too-low",
        "detail": f"The amount is {START_BALANCE + 1}, the balance {START_BALANCE}.",
    }
    assert payment.trace(response).events == []
    assert balance(payment, player) == START_BALANCE


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"player": "<b>"}, "bad-player"),
        ({"player": None}, "bad-player"),
        ({"amount": 0}, "bad-amount"),
        ({"amount": -5}, "bad-amount"),
        ({"amount": 1.5}, "bad-amount"),
        ({"amount": "10"}, "bad-amount"),
        ({"amount": True}, "bad-amount"),
        ({"amount": 1_000_001}, "bad-amount"),
        ({"spin_id": ""}, "bad-spin-id"),
        ({"spin_id": 7}, "bad-spin-id"),
        ({"spin_id": "a/b"}, "bad-spin-id"),
    ],
)
def test_bad_input_is_refused(
    payment: Payment, player: str, change: dict[str, Any], error: str
) -> None:
    response = payment.call("/api/v1/charge", "POST", json={**order(player), **change})
    assert (response.status_code, response.json()["error"]) == (422, error)
    assert payment.trace(response).events == []
    assert balance(payment, player) == START_BALANCE


def test_a_bad_key_is_refused(payment: Payment, player: str) -> None:
    headers = {"Idempotency-Key": "k" * 129}
    response = payment.call("/api/v1/charge", "POST", json=order(player), headers=headers)
    assert (response.status_code, response.json()["error"]) == (422, "bad-idempotency-key")


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"null", b"\xff", b"[" * 20_000])
def test_a_body_that_is_no_object_is_refused(payment: Payment, body: bytes) -> None:
    response = payment.call("/api/v1/charge", "POST", content=body)
    assert (response.status_code, response.json()["error"]) == (400, "bad-json")


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("GET", "/api/v1/balance/", 404, "not-found"),
        ("GET", "/api/v1/balance/%3Cb%3E", 422, "bad-player"),
        ("GET", "/api/v1/balance/%E0%A4%A", 400, "bad-request"),
        ("GET", "/api/v1/charge", 405, "method-not-allowed"),
        ("DELETE", "/api/v1/balance/ada", 405, "method-not-allowed"),
        ("POST", "/debug/crash", 405, "method-not-allowed"),
    ],
)
def test_what_is_not_there_is_refused(
    payment: Payment, method: str, path: str, status: int, error: str
) -> None:
    response = payment.call(path, method)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert set(response.json()) == {"error", "detail"}
    assert ("Allow" in response.headers) is (status == 405)


def test_a_large_body_is_refused(payment: Payment, player: str) -> None:
    response = payment.call("/api/v1/charge", "POST", json=order(player, "1" * 70_000))
    assert (response.status_code, response.json()["error"]) == (413, "body-too-large")
    assert payment.trace(response).events == []


def test_a_charge_is_a_part_of_its_callers_trace(payment: Payment, player: str) -> None:
    response = payment.call("/api/v1/charge", "POST", json=order(player))
    trace = payment.trace(response)
    segment = trace.segment
    assert segment is not None
    assert segment["name"] == "POST /api/v1/charge"
    assert segment["parent_span_id"] == response.request.headers["sentry-trace"].split("-")[1]
    assert attribute(segment, "http.response.status_code") == 200
    assert attribute(segment, "sentry.release") == "payment@1.0.0"
    (charge,) = [s for s in trace.spans if attribute(s, "sentry.op") == "payment.charge"]
    assert attribute(charge, "sentry.segment.id") == segment["span_id"]


def test_health_is_not_traced(payment: Payment, receiver: Receiver) -> None:
    response = payment.call("/health")
    health = response.json()
    assert {name: health[name] for name in ("status", "service", "release")} == {
        "status": "up",
        "service": "payment",
        "release": "payment@1.0.0",
    }
    assert health["process"]["heap_used_mb"] < health["process"]["heap_limit_mb"] < 150
    # Spans are sent in the order in which they end: this one would have been first.
    payment.trace(payment.call("/api/v1/balance/ada"))
    assert response.request.headers["sentry-trace"].partition("-")[0] not in receiver.traces


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer 7f3a-leak"},
        {"Cookie": "theme=7f3a-leak"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Api-Key": "7f3a-leak"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_secret_and_no_address_is_reported(payment: Payment, headers: dict[str, str]) -> None:
    response = payment.call("/debug/error/type?token=7f3a-leak", headers=headers)
    payment.trace(response, events=1)
    assert_reported_nowhere(payment.receiver, "7f3a-leak", "203.0.113.7")


def assert_reported_nowhere(receiver: Receiver, *secrets: str) -> None:
    assert receiver.bodies
    for secret in secrets:
        assert not [body for body in receiver.bodies if secret.encode() in body]


def test_callers_who_leave_do_no_harm(payment: Payment) -> None:
    request = (
        f"GET /debug/event-loop-block?ms=1000 HTTP/1.1\r\nHost: x\r\nX-Debug-Token: {TOKEN}\r\n"
    )
    with socket.create_connection(("127.0.0.1", payment.ready["port"]), WAIT_S) as caller:
        caller.sendall(f"{request}\r\n".encode())
    assert payment.call("/api/v1/balance/ada").status_code == 200
