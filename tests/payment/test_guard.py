"""Who may crash the payment service."""

import pytest

from kit.crashes.payment import PAYMENT_CRASHES

from .conftest import TOKEN, Payment, Start

ROUTES = sorted({crash.route for crash in PAYMENT_CRASHES})
WRONG = ["", "wrong", TOKEN + "x", TOKEN[:-1], "wörng".encode()]


@pytest.mark.parametrize("route", ROUTES)
def test_every_debug_route_wants_the_token(payment: Payment, route: str) -> None:
    for token in WRONG:
        response = payment.call(route, headers={"X-Debug-Token": token})
        assert (response.status_code, response.json()["error"]) == (401, "debug-token")
        assert payment.trace(response).events == []


def test_without_a_token_configured_nothing_is_there(start: Start) -> None:
    closed = start(DEBUG_TOKEN="")
    unknown = closed.call("/debug/nothing").json()
    for route in ROUTES:
        for token in ["", TOKEN]:
            response = closed.call(route, headers={"X-Debug-Token": token})
            assert response.status_code == 404
            detail = unknown["detail"].replace("/debug/nothing", route)
            assert response.json() == {**unknown, "detail": detail}


def test_guessing_and_crashing_too_fast_is_refused(start: Start) -> None:
    slow = start(DEBUG_RATE="2/minute")
    assert slow.call("/debug/error/type", headers={"X-Debug-Token": "guess"}).status_code == 401
    assert slow.call("/debug/error/type").status_code == 500
    response = slow.call("/debug/error/range")
    assert (response.status_code, response.json()["error"]) == (429, "too-fast")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert slow.trace(response).events == []
    assert slow.call("/health").status_code == 200


def test_no_telemetry_holds_the_token(payment: Payment) -> None:
    for route in ("/debug/error/type", "/debug/async-error"):
        payment.trace(payment.call(route), events=1)
    assert payment.receiver.bodies
    assert not [body for body in payment.receiver.bodies if TOKEN.encode() in body]
