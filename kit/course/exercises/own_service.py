"""The learner's own small service, judged by its error events."""

import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from kit.capture.capture import Capture, NotAsExpected
from kit.capture.demands import find_mismatches
from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, NotTried, Wrong
from kit.experiments.own_service.program import OwnProgram
from kit.hosting.server import ServerError
from kit.outcome import Event
from kit.reading.grouping import simulated_issue

PROJECT = "own-service"
RELEASE = "my-app@1.0.0"
ANSWER_S = 30.0
TRAIL = ("order {id} received", "stock of {item} read", "payment of order {id} asked for")

MY_APP = """\
import os, sentry_sdk, uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

sentry_sdk.init(traces_sample_rate=1.0)
app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
STOCK = {"lamp": 3, "sofa": 0}

class PaymentError(Exception):
    def __init__(self, order, reason):
        super().__init__(f"order {order['id']} was not paid: {reason}")
        self.reason = reason

def pay(order):
    left = STOCK[order["item"]]
    reason = "over the limit" if left else "sold out"
    raise PaymentError(order, reason)

@app.post("/checkout")
def checkout(order: dict):
    # {"id": 4711, "item": "lamp", "customer": "ada", "tier": "gold", "card": "…"}
    pay(order)

uvicorn.run(app, port=int(os.environ["PORT"]))
"""
"""A service whose every checkout fails, and which adds nothing to the events about that."""

SOLUTION = """\
import json, os, re, sentry_sdk, uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

def hide_cards(event, hint):
    return json.loads(re.sub(r"\\\\d{16}", "[card]", json.dumps(event, default=str)))

def group_by_reason(event, hint):
    if isinstance(error := hint.get("exc_info", [None] * 2)[1], PaymentError):
        event["fingerprint"] = ["payment", error.reason]
    return hide_cards(event, hint)

sentry_sdk.init(
    traces_sample_rate=1.0,
    release="my-app@1.0.0",
    trace_lifecycle="stream",
    before_send=group_by_reason,
    before_send_span=hide_cards,
)
app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
STOCK = {"lamp": 3, "sofa": 0}

class PaymentError(Exception):
    def __init__(self, order, reason):
        super().__init__(f"order {order['id']} was not paid: {reason}")
        self.reason = reason

def pay(order):
    left = STOCK[order["item"]]
    sentry_sdk.add_breadcrumb(message=f"stock of {order['item']} read", data={"left": left})
    sentry_sdk.add_breadcrumb(message=f"payment of order {order['id']} asked for")
    reason = "over the limit" if left else "sold out"
    raise PaymentError(order, reason)

@app.post("/checkout")
def checkout(order: dict):
    sentry_sdk.set_user({"id": order["customer"]})
    sentry_sdk.set_tag("tier", order["tier"])
    sentry_sdk.add_breadcrumb(message=f"order {order['id']} received")
    pay(order)

uvicorn.run(app, port=int(os.environ["PORT"]))
"""


class Host(Protocol):
    """The part of a workshop that the exercise needs."""

    def run(self, file: str | Path, project: str) -> OwnProgram:
        """Run a program that reports as a project."""

    def capture(self, project: str) -> Capture:
        """Capture what a project sends from now on."""


def own_service(workshop: Host) -> Exercise:
    """Add to a program what its error events are missing."""

    def verify(answer: str) -> str:
        if not isinstance(answer, str):
            raise Wrong("check() needs the source of the service as a string.")
        if answer.strip() in ("", "...", MY_APP.strip()):
            raise NotTried
        orders = list(_orders())
        with _running(workshop, answer) as program, workshop.capture(PROJECT) as captured:
            for order in orders:
                _check_out(program, order)
            events = _wait(captured, len(orders))
        cards = [order["card"] for order in orders]
        raise_all([*_differences(events, orders), *_leaks(captured, cards), *_issues(events)])
        return (
            f"{len(orders)} orders failed: each event has the user, release, tier and breadcrumbs, "
            "none has the card, and the two reasons are two issues (simulated)."
        )

    return Exercise(
        "own-service",
        verify,
        "Set the user and the tier where the order is known, and add a breadcrumb where something "
        "happens. The release is an option of init(). before_send receives each event with a "
        "hint: hint['exc_info'] has the exception, whose reason makes a fingerprint, and texts in "
        "the event have sixteen digits. Spans have texts, too.",
        f'my_app = """\\\n{SOLUTION}"""',
        answer_name="my_app",
    )


def _orders() -> Iterator[dict[str, Any]]:
    """Yield three orders: the first two fail for the same reason."""
    for item, customer, tier in (
        ("lamp", "ada", "gold"),
        ("lamp", "grace", "free"),
        ("sofa", "linus", "gold"),
    ):
        yield {
            "id": secrets.randbelow(9000) + 1000,
            "item": item,
            "customer": f"{customer}-{secrets.token_hex(2)}",
            "tier": tier,
            "card": str(secrets.randbelow(9 * 10**15) + 10**15),
        }


@contextmanager
def _running(workshop: Host, source: str) -> Iterator[OwnProgram]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder, "my_app.py")
        file.write_text(source, encoding="utf-8")
        try:
            program = workshop.run(file, PROJECT)
        except ServerError as error:
            raise Wrong(f"The program did not start. {error}") from error
        try:
            yield program
        finally:
            program.stop()


def _check_out(program: OwnProgram, order: dict[str, Any]) -> None:
    try:
        answer = httpx.post(
            f"{program.url}/checkout", json=order, timeout=ANSWER_S, trust_env=False
        )
    except httpx.HTTPError as error:
        raise Wrong(f"POST /checkout got no response: {type(error).__name__} {error}") from error
    if answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
        raise Wrong(
            f"POST /checkout answered HTTP {answer.status_code}: {answer.text[:200]}. Keep the "
            "failure; your task is the content of its event."
        )


def _wait(captured: Capture, count: int) -> list[Event]:
    try:
        return captured.wait_for_events(count)
    except NotAsExpected as error:
        raise Wrong(str(error)) from error


def _differences(events: Iterable[Event], orders: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield each difference once, as a missing value is missing for all orders."""
    told: dict[str, str] = {}
    for event, order in zip(events, orders, strict=True):
        demands = {
            "release": RELEASE,
            "user": {"id": order["customer"]},
            "tags": {"tier": order["tier"]},
            "breadcrumbs": [each.format(**order) for each in TRAIL],
        }
        for mismatch in find_mismatches(event, demands):
            told.setdefault(mismatch.path, f"Order {order['id']}: {mismatch}.")
    yield from told.values()


def _leaks(captured: Capture, cards: Iterable[str]) -> Iterator[str]:
    try:
        captured.assert_no_secret(*cards)
    except NotAsExpected as error:
        yield from str(error).splitlines()[:3]


def _issues(events: list[Event]) -> Iterator[str]:
    first, second, other = (simulated_issue(event, PROJECT) for event in events)
    if first != second:
        yield "Two orders over the limit became two issues (simulated): leave out what differs."
    if first == other:
        yield "'over the limit' and 'sold out' are one issue (simulated): include the reason."
