"""A small shop whose checkout fails, with a secret in every place that secrets reach."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import sentry_sdk
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from kit.course.recording_transport import RecordingTransport
from kit.hosting.server import Server, serve_asgi
from kit.html import render
from kit.ingest.store import Store, StoredItem
from kit.outcome import Event, make_event
from kit.reading.payload import get_path, leaves
from kit.system.clients import open_client, trace_header, use_client

DEADLINE_S = 20.0
LEAKED, FILTERED, NOT_SENT = "leaked", "filtered", "not sent"

_LOCALS = "exception.values[-1].stacktrace.frames[-1].vars"
PLACES: Mapping[str, str] = {
    "header Authorization": "request.headers.authorization",
    "header X-Api-Key": 'request.headers."x-api-key"',
    "header X-Shop-Pin": 'request.headers."x-shop-pin"',
    "cookie": "request.headers.cookie",
    "query string": "request.query_string",
    "body": "request.data.password",
    "nested body": "request.data.cards[0].cvv",
    "local": f"{_LOCALS}.password",
    "nested local": f"{_LOCALS}.config.db.password",
    "repr of a local": f"{_LOCALS}.account",
    "local with an innocent name": f"{_LOCALS}.line",
    "exception message": "exception.values[-1].value",
    "breadcrumb message": "breadcrumbs.values[-1].message",
    "URL path": "request.url",
}
"""Where the checkout has a secret, and the JMESPath of that place in an event."""


class PaymentRefused(Exception):
    """The bank said no."""


@dataclass
class Account:
    """A customer, as in too many programs."""

    name: str
    password: str


@dataclass(frozen=True)
class Planted:
    """The secrets of one checkout by place, generated on first use."""

    # Not in repr(), with which Sentry shows local variables: it would show all secrets.
    values: dict[str, str] = field(default_factory=dict, repr=False)

    def __call__(self, place: str) -> str:
        """Return the secret at that place."""
        assert place in PLACES
        return self.values.setdefault(place, _new(place))


def _new(place: str) -> str:
    """Return a new secret; those without a telling name have a telling shape."""
    if place in ("local with an innocent name", "exception message"):
        return card()
    prefix = {"breadcrumb message": "sk_live_", "URL path": "tkt_"}.get(place, "")
    return prefix + secrets.token_hex(12)


def card() -> str:
    """Return a card number: 16 digits, the last of which checks the others (Luhn)."""
    digits = [4, *(secrets.randbelow(10) for _ in range(14))]
    total = sum(sum(divmod(2 * digit, 10)) for digit in digits[::2]) + sum(digits[1::2])
    return "".join(map(str, [*digits, -total % 10]))


def make_shop(secret: Planted) -> FastAPI:
    """Return the shop."""
    app = FastAPI()

    @app.post("/checkout/{ticket}")
    async def checkout(ticket: str, request: Request) -> None:
        await request.json()
        sentry_sdk.set_user({"id": "7", "username": "ada"})
        sentry_sdk.set_context("order", {"item": "clover", "amount": 12})
        sentry_sdk.add_breadcrumb(
            category="payment", message=f"signed with {secret('breadcrumb message')}, version 2"
        )
        charge(
            amount=12,
            password=secret("local"),
            config={"db": {"host": "db.example", "password": secret("nested local")}},
            account=Account("ada", secret("repr of a local")),
            line=f"{secret('local with an innocent name')};12/29",
            refused=secret("exception message"),
        )

    return app


def charge(
    amount: int,
    password: str,
    config: Mapping[str, Any],
    account: Account,
    line: str,
    refused: str,
) -> None:
    """Fail with all of them on the stack."""
    raise PaymentRefused(f"card {refused} was refused for {amount}")


def without_traceback(app: ASGIApp) -> ASGIApp:
    """Return the shop without the server's traceback; Sentry has already seen the error."""

    async def swallow(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(PaymentRefused):
            await app(scope, receive, send)

    return swallow


def pay(url: str, secret: Planted, trace_id: str) -> None:
    """Call the checkout like a browser, in the trace with that id."""
    httpx.post(
        f"{url}/checkout/{secret('URL path')}",
        params={"page": "2", "token": secret("query string")},
        headers={
            "Authorization": f"Bearer {secret('header Authorization')}",
            "X-Api-Key": secret("header X-Api-Key"),
            "X-Shop-Pin": secret("header X-Shop-Pin"),
            "Cookie": f"session={secret('cookie')}",
            **trace_header(trace_id, is_sampled=True),
        },
        json={
            "item": "clover",
            "password": secret("body"),
            "cards": [{"holder": "ada", "cvv": secret("nested body")}],
        },
        timeout=DEADLINE_S,
        trust_env=False,
    )


@dataclass(frozen=True)
class Checkout:
    """One failed checkout: its secrets, and the items that were sent."""

    planted: Planted
    items: tuple[StoredItem, ...]

    @property
    def event(self) -> Event:
        """The error event."""
        return next(make_event(item) for item in self.items if item.type == "event")

    def leaked_in(self, place: str) -> list[str]:
        """Return the types of the items that contain the secret from that place."""
        secret = self.planted(place)
        return sorted({item.type for item in self.items if secret in str(item.payload)})

    def state(self, place: str) -> str:
        """Return whether the secret from that place was leaked, filtered or not sent."""
        if self.leaked_in(place):
            return LEAKED
        return NOT_SENT if self.event.find(PLACES[place]) is None else FILTERED

    def __repr__(self) -> str:
        leaked = sum(self.state(place) == LEAKED for place in PLACES)
        return f"<Checkout: {leaked} of {len(PLACES)} secrets leaked>"


class LeakTable(dict[str, Checkout]):
    """Checkouts side by side, by the client's options; shown in a notebook as a table."""

    def _repr_html_(self) -> str:
        rows = [(place, [self._cell(each, place) for each in self.values()]) for place in PLACES]
        sums = [sum(each.state(p) == LEAKED for p in PLACES) for each in self.values()]
        return render("leaks.html", titles=list(self), rows=rows, sums=sums, of=len(PLACES))

    def _cell(self, checkout: Checkout, place: str) -> tuple[str, str]:
        return checkout.state(place), ", ".join(checkout.leaked_in(place))


def check_out(dsn: str, store: Store, **options: Any) -> Checkout:
    """Run a failing checkout in a shop with these options of ``sentry_sdk.init``; return it.

    Its client sends to ``dsn``, whose ingest writes to ``store``. Raises TimeoutError when nothing
    arrives within 20 seconds.
    """
    planted, trace_id = Planted(), uuid4().hex
    _open_for_one(planted, trace_id, {"dsn": dsn, "traces_sample_rate": 1.0, **options})
    store.wait_for_error(trace_id, DEADLINE_S)
    store.wait_for_segment(trace_id, DEADLINE_S)
    return Checkout(planted, tuple(store.items(trace_id=trace_id)))


def rehearse(**options: Any) -> tuple[Planted, Event]:
    """Run a failing checkout; return its secrets and the event that would have been sent."""
    planted, transport = Planted(), RecordingTransport()
    _open_for_one(planted, uuid4().hex, {"transport": transport, **options})
    (event,) = transport.events
    return planted, event


def _open_for_one(planted: Planted, trace_id: str, options: Mapping[str, Any]) -> None:
    """Open the shop for one customer."""
    # The default in version 3, and the services' settings. In version 2 before_send_span needs
    # them, and without data_collection other defaults apply.
    options = {"trace_lifecycle": "stream", "data_collection": {}, **options}
    client = open_client(release="shop@1.0.0", server_name="shop", **options)
    serve = serve_asgi(lambda: without_traceback(make_shop(planted)))
    server = Server("shop", serve, context=lambda: use_client(client))
    server.launch().wait()
    try:
        pay(server.url, planted, trace_id)
    finally:
        server.stop()
        client.close(timeout=DEADLINE_S)


def paths(event: Mapping[str, Any], secret: str) -> Iterator[str]:
    """Yield each path in an event with a secret, such as ``event.request.headers.x-api-key``."""
    for path in leaves(event):
        if secret in str(get_path(event, path)):
            yield "event" + "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in path)
