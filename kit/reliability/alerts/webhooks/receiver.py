"""A receiver of webhooks on 127.0.0.1: checks their signature, answers at once, shows them."""

import json
import queue
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from kit.hosting.server import Server, serve_asgi
from kit.html import render
from kit.reading.payload import as_mapping, as_str, escape_bidi, get_path, truncate
from kit.reliability.alerts.pages import WEBHOOKS
from kit.reliability.alerts.webhooks.webhook import (
    EVENT_ALERT,
    REQUEST_ID,
    RESOURCE,
    SIGNATURE,
    is_signed,
)
from kit.system.clients import sentry_off
from kit.threads import report_thread_failure
from kit.words import count_noun

# Sentry accepts events of at most a megabyte; a webhook holds one.
MAX_BODY_BYTES = 2 * 1024 * 1024
# How many of the latest ids are remembered; an older webhook that is replayed counts as new.
MAX_REMEMBERED = 10_000
MAX_ALERTS = 1000
MAX_ALERTS_SHOWN = 30
PATH = "/sentry"
RECEIVER = "alert receiver"


@dataclass(frozen=True)
class ReceivedAlert:
    """An accepted webhook: when it came, from which rule, and what it says."""

    at: float
    request_id: str
    rule: str
    title: str
    issue_id: str
    project: str
    payload: Mapping[str, Any]

    @property
    def event(self) -> Mapping[str, Any]:
        """The event it is about."""
        return as_mapping(get_path(self.payload, ("data", "event")))

    @property
    def time(self) -> str:
        """When it came, as a time of day in UTC."""
        return f"{datetime.fromtimestamp(self.at, UTC):%H:%M:%S}"

    def __str__(self) -> str:
        return f"{self.time} {self.rule}: {self.title}"


OnAlert = Callable[[ReceivedAlert], object]


class AlertReceiver(Server):
    """A server on 127.0.0.1 that receives Sentry's webhooks, signed with ``secret``.

    ``on_alert`` is called with each alert, one after the other, in its own thread, so the answer
    does not wait for it. ``refused`` counts the rejected webhooks by reason.
    """

    def __init__(self, on_alert: OnAlert | None = None, *, secret: str = "", port: int = 0) -> None:
        super().__init__(RECEIVER, serve_asgi(self._make_app), port=port, context=sentry_off)
        self.secret = secret or secrets.token_hex(32)
        self.refused: Counter[str] = Counter()
        self._on_alert = on_alert
        self._alerts: list[ReceivedAlert] = []
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._arrived = threading.Condition()
        self._work: queue.SimpleQueue[ReceivedAlert | None] = queue.SimpleQueue()

    @property
    def address(self) -> str:
        """The address for webhooks. Raises ServerError before the launch."""
        return self.url + PATH

    @property
    def alerts(self) -> tuple[ReceivedAlert, ...]:
        """The accepted alerts, earliest first."""
        with self._arrived:
            return tuple(self._alerts)

    def wait_for_alerts(self, count: int = 1, timeout: float = 10.0) -> tuple[ReceivedAlert, ...]:
        """Return the alerts once there are ``count``. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._alerts) >= count, timeout):
                raise TimeoutError(
                    f"{count_noun(len(self._alerts), 'alert')} of {count} arrived within "
                    f"{timeout:g} s; refused: {dict(self.refused) or 'none'}."
                )
            return tuple(self._alerts)

    def accept(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Check a webhook, and keep it if it is valid; return the status to answer with.

        A repeated webhook is answered with success and has no effect. Its id and its body are both
        compared, because the signature does not cover the id.
        """
        signature = headers.get(SIGNATURE)
        if not is_signed(body, signature, self.secret):
            return self._refuse("signature", 401)
        request_id = headers.get(REQUEST_ID, "")
        if not request_id:
            return self._refuse("no Request-ID", 400)
        if headers.get(RESOURCE) != EVENT_ALERT:
            return self._refuse("other resource", 200)
        try:
            payload = json.loads(body)
        except ValueError:
            return self._refuse("no JSON", 400)
        alert = _read_alert(payload, request_id)
        if not alert.event:
            return self._refuse("no event", 400)
        with self._arrived:
            if self._is_repeated(f"id {request_id}", f"body {signature}"):
                return self._refuse("repeated", 200)
            self._alerts = [*self._alerts[1 - MAX_ALERTS :], alert]
            self._arrived.notify_all()
        self._work.put(alert)
        return 200

    def _is_repeated(self, *names: str) -> bool:
        is_repeated = any(name in self._seen for name in names)
        self._seen |= dict.fromkeys(names)
        while len(self._seen) > 2 * MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return is_repeated

    def _refuse(self, reason: str, status: int) -> int:
        self.refused[reason] += 1
        return status

    def _make_app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.post(PATH)
        async def take(request: Request) -> Response:
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Response(status_code=self._refuse("too large", 413))
            return Response(status_code=self.accept(body, request.headers))

        return app

    def _run_until_end(self) -> None:
        worker = threading.Thread(target=self._handle, name=f"{self.name}: handler", daemon=True)
        worker.start()
        try:
            super()._run_until_end()
        finally:
            self._work.put(None)
            worker.join(1.0)

    def _handle(self) -> None:
        while (alert := self._work.get()) is not None:
            if self._on_alert is not None:
                try:
                    self._on_alert(alert)
                except Exception:
                    report_thread_failure()

    @property
    def sentence(self) -> str:
        """A summary of what arrived."""
        refused = ", ".join(f"{count} {reason}" for reason, count in self.refused.items())
        return f"{count_noun(len(self.alerts), 'alert')} accepted; refused: {refused or 'none'}."

    def __str__(self) -> str:
        return "\n".join([f"{self.sentence} (simulated)", *map(str, self.alerts)])

    def __repr__(self) -> str:
        return f"<AlertReceiver: {self.sentence}>"

    def _repr_html_(self) -> Markup:
        alerts = self.alerts
        return render(
            "alerts_receiver.html",
            receiver=self,
            address=self.address if self._port else "",
            alerts=alerts[::-1][:MAX_ALERTS_SHOWN],
            hidden=max(len(alerts) - MAX_ALERTS_SHOWN, 0),
            modelled=WEBHOOKS,
        )


def _read_alert(payload: Any, request_id: str) -> ReceivedAlert:
    event = as_mapping(get_path(payload, ("data", "event")))
    rule = get_path(payload, ("data", "triggered_rule"))
    return ReceivedAlert(
        at=time.time(),
        request_id=truncate(request_id, 64),
        rule=escape_bidi(truncate(as_str(rule), 200)),
        title=escape_bidi(truncate(as_str(event.get("title")), 200)),
        issue_id=truncate(as_str(event.get("issue_id")), 40),
        project=truncate(as_str(event.get("project")), 40),
        payload=as_mapping(payload),
    )
