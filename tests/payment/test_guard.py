"""What the payment service reports of its guard; test_routes.py of the services knocks at it."""

from .conftest import TOKEN, Payment


def test_no_telemetry_holds_the_token(payment: Payment) -> None:
    for route in ("/debug/error/type", "/debug/async-error"):
        payment.trace(payment.call(route), events=1)
    assert payment.receiver.bodies
    assert not [body for body in payment.receiver.bodies if TOKEN.encode() in body]
