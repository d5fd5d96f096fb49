"""Events, spans, logs and metrics: a function that uses the right kind for each question."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from demo_services.trace import start_span
from kit.course.exercise import Exercise, FunctionExercise, NotTried, Wrong
from kit.ingest.store import StoredItem
from kit.outcome import Event
from kit.reading.logs import given_attributes
from kit.reading.spans import Span, spans
from kit.system.clients import use_client

METRIC = "orders.refused"
BANK_S = 0.01
# How far the clocks of a span and of the bank may differ.
CLOCK_S = 0.002
FLUSH_S = 10.0

Order = dict[str, Any]
Settle = Callable[[Order, Callable[[Order], str]], object]

SOLUTION = """
import sentry_sdk
from sentry_sdk.traces import start_span


def settle(order, bank):
    if order["amount"] > order["balance"]:
        sentry_sdk.metrics.count("orders.refused", 1, attributes={"tier": order["tier"]})
        sentry_sdk.logger.info("order refused", attributes={"order.id": order["id"]})
        return "refused"
    try:
        with start_span(name="ask the bank"):
            return bank(order)
    except Exception as error:
        sentry_sdk.capture_exception(error)
        return "failed"
"""


class BankError(Exception):
    """The bug behind the failing order."""


class _Sent(Transport):
    """Collects what would have been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.payload.json is not None:
                self.payloads[str(item.type)].append(dict(item.payload.json))

    @property
    def events(self) -> list[Event]:
        return list(map(Event, self.payloads["event"]))

    @property
    def spans(self) -> list[Span]:
        """The spans that the function opened itself."""
        found = (
            StoredItem(0, "shop", "span", None, frozenset(), 0.0, {}, payload)
            for payload in self.payloads["span"]
        )
        return [span for span in spans(list(found)) if not span.is_segment]

    def entries(self, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each log or metric, and the attributes that the function set."""
        for payload in self.payloads[kind]:
            for each in payload["items"]:
                yield each, {name: value["value"] for name, value in each["attributes"].items()}


class _Bank:
    """Books all orders except one, and records when it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def __call__(self, order: Order) -> str:
        began = time.time()
        time.sleep(BANK_S)
        self.calls.append((began, time.time()))
        if order["amount"] < 0:
            raise BankError(f"order {order['id']} has a negative amount")
        return "paid"


def right_kind() -> Exercise:
    """Instrument a function so that each of four questions can be answered."""

    def verify(answer: Settle) -> str:
        orders, bank, sent = list(_orders()), _Bank(), _Sent()
        _settle_all(answer, orders, bank, sent)
        if not sent.spans and not any(map(sent.payloads.get, ("event", "log", "trace_metric"))):
            raise NotTried
        _check_event(sent.events)
        refused = [order for order in orders if _expected(order) == "refused"]
        _check_metric(sent, refused)
        _check_logs(sent, refused)
        _check_spans(sent.spans, bank.calls)
        return (
            f"Tried on {len(orders)} orders: {len(refused)} refusals counted and logged, one event "
            "for the bug, and a span around each call to the bank."
        )

    return FunctionExercise(
        "right-kind",
        verify,
        "How many: sentry_sdk.metrics.count(name, 1, attributes={…}). Which one: "
        "sentry_sdk.logger.info(text, attributes={…}). What is broken: "
        "sentry_sdk.capture_exception(error). How long: with start_span(name=…).",
        SOLUTION.strip(),
        answer_name="settle",
    )


def _orders() -> Iterator[Order]:
    """Yield orders with unique ids: four are refused, one has the bug, two are paid."""
    for amount, tier in (
        *((90, "regular"), (10, "vip"), (80, "vip"), (70, "regular")),
        *((-1, "regular"), (20, "regular"), (60, "regular")),
    ):
        yield {"id": uuid4().hex[:12], "amount": amount, "balance": 50, "tier": tier}


def _expected(order: Order) -> str:
    if order["amount"] > order["balance"]:
        return "refused"
    return "failed" if order["amount"] < 0 else "paid"


def _settle_all(answer: Settle, orders: list[Order], bank: _Bank, sent: _Sent) -> None:
    """Settle each order in a separate service span, as a server would."""
    client = sentry_sdk.Client(
        "http://key@127.0.0.1/1",
        transport=sent,
        default_integrations=False,
        trace_lifecycle="stream",
        traces_sample_rate=1.0,
    )
    with use_client(client):
        for order in orders:
            with start_span(op="shop.settle", name="settle an order"):
                returned = answer(dict(order), bank)
            if returned != _expected(order):
                raise Wrong(
                    f"It returned {returned!r} for an order that is {_expected(order)!r}: "
                    "reporting to Sentry must not change what a function does."
                )
        client.close(timeout=FLUSH_S)


def _check_event(events: list[Event]) -> None:
    titles = Counter(event.title for event in events)
    others = [title for title in titles if title != BankError.__name__]
    if others:
        raise Wrong(
            f"There is an event {others[0]!r}. An event opens an issue for someone to look at, but "
            "a refusal is expected, and nothing is broken."
        )
    if titles[BankError.__name__] != 1:
        raise Wrong(
            f"The bank failed once, with BankError, but {titles[BankError.__name__]} events report "
            "it. Events are for bugs: they have the stack trace."
        )


def _check_metric(sent: _Sent, refused: list[Order]) -> None:
    found = [
        (metric, given_attributes(attributes))
        for metric, attributes in sent.entries("trace_metric")
        if metric["name"] == METRIC
    ]
    if not found:
        raise Wrong(f"No metric {METRIC} arrived. How many orders were refused, by tier?")
    if any(metric["type"] != "counter" for metric, _ in found):
        raise Wrong(f"{METRIC} is not a counter: to count, use sentry_sdk.metrics.count().")
    for _, given in found:
        if set(given) != {"tier"}:
            raise Wrong(
                f"The attributes of {METRIC} are {_names(given)}. Give it only tier: an id has as "
                "many values as there are orders, so each group would count one."
            )
    counted: Counter[str] = Counter()
    for metric, given in found:
        counted[str(given["tier"])] += metric["value"]
    expected = Counter(order["tier"] for order in refused)
    if counted != expected:
        raise Wrong(f"By tier you counted {dict(counted)}, but {dict(expected)} were refused.")


def _check_logs(sent: _Sent, refused: list[Order]) -> None:
    logs = list(sent.entries("log"))
    ids = Counter(str(each) for _, attributes in logs for each in attributes.values())
    texts = " ".join(str(log["body"]) for log, _ in logs)
    for order in refused:
        if ids[order["id"]]:
            continue
        if order["id"] in texts:
            raise Wrong(
                "The id of a refused order is only in the text of a log. Make it an attribute: you "
                "can search by attributes."
            )
        raise Wrong("No log has the id of a refused order. Which orders were refused?")


def _check_spans(found: list[Span], calls: list[tuple[float, float]]) -> None:
    for began, ended in calls:
        around = (s for s in found if s.start <= began + CLOCK_S and s.end >= ended - CLOCK_S)
        if next(around, None) is None:
            raise Wrong(
                "You have no span around each call to the bank. How long does the bank take, even "
                "when it fails?"
            )


def _names(given: Mapping[str, Any]) -> str:
    return ", ".join(given) or "none"
