"""Webhooks: who may send them, what is done with them, and where they go."""

import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kit.actionable import WorkshopError
from kit.reliability.alerts.evaluate import replay
from kit.reliability.alerts.firings import AlertFiring
from kit.reliability.alerts.occurrences import Occurrence, issue_number
from kit.reliability.alerts.rule import make_rule
from kit.reliability.alerts.webhooks.receiver import MAX_BODY_BYTES, AlertReceiver
from kit.reliability.alerts.webhooks.webhook import (
    EVENT_ALERT,
    REQUEST_ID,
    RESOURCE,
    SIGNATURE,
    TIMESTAMP,
    Webhook,
    alert_body,
    is_signed,
    sign_body,
)
from tests.ingest.sending import client

SECRET = "not-a-secret"
EVENT = {"message": "no coins", "level": "error"}
MUTATIONS = 10_000


def firing(number: int = 0) -> AlertFiring:
    rule = make_rule("every event", name="No coins")
    (fired,) = replay(
        [rule], [Occurrence(float(number), ("payment", "i"), EVENT, f"{number:032x}")]
    )
    return fired


def headers(body: bytes, **more: str) -> dict[str, str]:
    signed = {SIGNATURE: sign_body(body, SECRET), RESOURCE: EVENT_ALERT, REQUEST_ID: "1"}
    return signed | more


@pytest.fixture
def receiver() -> AlertReceiver:
    return AlertReceiver(secret=SECRET)


@pytest.fixture(scope="module")
def serving() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver(secret=SECRET)
    receiver.launch().wait()
    yield receiver
    receiver.stop()


def test_the_signature_is_that_of_the_documentation() -> None:
    # Of RFC 4231, test case 2.
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sign_body(b"what do ya want for nothing?", "Jefe") == digest


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Return something else: with a bit, a byte or a part changed, cut, doubled or moved."""
    place = chance.randrange(len(data))
    end = chance.randrange(place, len(data)) + 1
    changed = bytes([data[place] ^ (1 << chance.randrange(8))])
    choices = (
        data[:place] + changed + data[place + 1 :],
        data[:place] + data[end:],
        data[:end] + data[place:],
        data[place:] + data[:place],
        data[:place] + chance.randbytes(3) + data[place:],
        data.swapcase(),
        data + b" ",
    )
    return chance.choice([each for each in choices if each != data])


def test_nothing_that_was_changed_is_accepted(receiver: AlertReceiver) -> None:
    chance = random.Random(15)
    body = alert_body(firing(), EVENT)
    signature = sign_body(body, SECRET)
    accepted = 0
    for number in range(MUTATIONS):
        if number % 2:
            sent, signed = mutated(chance, body), signature
        else:
            sent, signed = body, mutated(chance, signature.encode()).decode("latin-1")
        accepted += receiver.accept(sent, headers(sent) | {SIGNATURE: signed}) == 200
    assert (accepted, receiver.alerts) == (0, ())
    assert receiver.refused == {"signature": MUTATIONS}
    assert receiver.accept(body, headers(body)) == 200
    assert len(receiver.alerts) == 1


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "é" * 64, "sha256=", "\ud800"])
def test_no_signature_is_none(signature: str | None) -> None:
    assert not is_signed(b"{}", signature, SECRET)


def test_a_signature_with_another_secret_is_refused(receiver: AlertReceiver) -> None:
    body = alert_body(firing(), EVENT)
    other = headers(body) | {SIGNATURE: sign_body(body, SECRET + " ")}
    assert receiver.accept(body, other) == 401


def test_what_is_replayed_does_nothing(receiver: AlertReceiver) -> None:
    body, second = alert_body(firing(), EVENT), alert_body(firing(1), EVENT)
    assert receiver.accept(body, headers(body)) == 200
    # The same id, with whatever body; and the same body, with whatever id, which nothing signs.
    assert receiver.accept(second, headers(second)) == 200
    assert receiver.accept(body, headers(body) | {REQUEST_ID: "2"}) == 200
    assert len(receiver.alerts) == 1
    assert receiver.refused == {"repeated": 2}


@pytest.mark.parametrize(
    ("body", "more", "status", "reason"),
    [
        (b"{", {}, 400, "no JSON"),
        (b"[]", {}, 400, "no event"),
        (b'{"data": {"event": []}}', {}, 400, "no event"),
        (b'{"data": {"event": {"a": 1}}}', {REQUEST_ID: ""}, 400, "no Request-ID"),
        (b"{}", {RESOURCE: "installation"}, 200, "other resource"),
    ],
)
def test_what_is_signed_and_no_alert_is_not_taken_for_one(
    receiver: AlertReceiver, body: bytes, more: dict[str, str], status: int, reason: str
) -> None:
    assert receiver.accept(body, headers(body) | more) == status
    assert (receiver.refused, receiver.alerts) == ({reason: 1}, ())


def test_a_webhook_arrives(serving: AlertReceiver) -> None:
    sent = Webhook(serving.address, SECRET).post(firing(7), EVENT)
    assert (sent.status, sent.is_accepted, sent.reason) == (200, True, "")
    alert = serving.wait_for_alerts()[-1]
    assert (alert.request_id, alert.rule) == (sent.request_id, "No coins")
    assert alert.payload["action"] == "triggered"
    assert alert.issue_id == issue_number(("payment", "i"))
    assert alert.event["message"] == "no coins"
    assert alert.event["event_id"] == f"{7:032x}"


def test_the_headers_are_those_that_sentry_documents(serving: AlertReceiver) -> None:
    seen: list[dict[str, str]] = []
    accept = serving.accept
    serving.accept = lambda body, sent: (seen.append(dict(sent)), accept(body, sent))[1]  # type: ignore[method-assign, assignment, func-returns-value]
    try:
        Webhook(serving.address, SECRET).post(firing(8), EVENT)
    finally:
        del serving.accept
    (sent,) = seen
    assert sent["content-type"] == "application/json"
    assert {each.lower() for each in (REQUEST_ID, RESOURCE, TIMESTAMP, SIGNATURE)} <= sent.keys()


def test_forged_and_large_requests_are_refused_over_http(serving: AlertReceiver) -> None:
    body = alert_body(firing(9), EVENT)
    before = len(serving.alerts)
    with client() as http:

        def status(content: bytes, **more: str) -> int:
            return http.post(serving.address, content=content, headers=more).status_code

        assert status(body) == 401
        assert status(body + b" ", **headers(body)) == 401
        assert status(b" " * (MAX_BODY_BYTES + 1), **headers(body)) == 413
        assert http.get(serving.address).status_code == 405
    assert len(serving.alerts) == before


def test_the_answer_does_not_wait_for_what_is_done() -> None:
    may_go, done, running = threading.Event(), [], set(threading.enumerate())

    def handle(alert: Any) -> None:
        may_go.wait(30)
        done.append(alert.rule)
        raise RuntimeError("of the learner's own")

    failed: list[Any] = []
    before, threading.excepthook = threading.excepthook, failed.append
    receiver = AlertReceiver(handle, secret=SECRET)
    receiver.launch().wait()
    try:
        hook = Webhook(receiver.address, SECRET)
        assert [hook.post(firing(n), EVENT).status for n in range(3)] == [200] * 3
        assert done == []
        may_go.set()
    finally:
        receiver.stop()
        threading.excepthook = before
    # What was accepted is handled before it ends, one failing handler or not.
    assert done == ["No coins"] * 3
    assert [each.exc_type for each in failed] == [RuntimeError] * 3
    assert set(threading.enumerate()) <= running


def test_who_is_not_there_or_too_slow_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Webhook("http://127.0.0.1:9/sentry", SECRET).post(firing(), EVENT)
    assert (sent.status, sent.is_accepted) == (None, False)
    assert "refused" in sent.reason

    def late(*_: Any, **__: Any) -> httpx.Response:
        raise httpx.ReadTimeout("late")

    monkeypatch.setattr(httpx.Client, "post", late)
    sent = Webhook("http://localhost:9/sentry", SECRET).post(firing(), EVENT)
    assert sent.reason == "no answer within a second"


@pytest.mark.parametrize("url", ["http://example.org/", "http://127.0.0.1.example.org", "x"])
def test_webhooks_stay_on_this_machine(url: str) -> None:
    with pytest.raises(WorkshopError, match="this machine only"):
        Webhook(url, SECRET)


def test_comparing_takes_as_long_wherever_signatures_differ() -> None:
    body = b"{}"
    right = sign_body(body, SECRET)
    first, last = "x" + right[1:], right[:-1] + "x"

    def best(signature: str) -> float:
        times = []
        for _ in range(300):
            began = time.perf_counter()
            is_signed(body, signature, SECRET)
            times.append(time.perf_counter() - began)
        return min(times)

    assert best(first) == pytest.approx(best(last), rel=0.5)


def test_a_body_is_json_of_ascii() -> None:
    body = alert_body(firing(), {"message": "münze \ud800"})
    assert json.loads(body.decode("ascii"))["data"]["event"]["message"] == "münze \ud800"
