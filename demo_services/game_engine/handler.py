"""The base of all game engine request handlers: context, guard, JSON answers."""

import asyncio
import json
from http.client import responses
from types import TracebackType
from typing import Any

import sentry_sdk
import tornado
from tornado.web import HTTPError, RequestHandler

from demo_services.game_engine.breakers import Breakers
from demo_services.game_engine.cashier import Cashier
from demo_services.game_engine.faults import EngineFaults
from demo_services.game_engine.ledger import Ledger
from demo_services.game_engine.reels import Reels
from demo_services.guard import TOKEN_HEADER, Guard
from demo_services.process import ProcessGauge
from demo_services.refused import Refused, log_refusal, not_found
from demo_services.remediation.decisions import Decisions
from demo_services.services import GAME_ENGINE
from demo_services.trace import trace_id


class Handler(RequestHandler):
    """Tells Sentry about each request and answers in JSON, whatever happens."""

    route = ""
    machine: Reels
    gauge: ProcessGauge
    guard: Guard
    recording: asyncio.Lock
    ledger: Ledger
    cashier: Cashier
    faults: EngineFaults
    breakers: Breakers
    decisions: Decisions

    def initialize(
        self,
        machine: Reels,
        gauge: ProcessGauge,
        guard: Guard,
        recording: asyncio.Lock,
        ledger: Ledger,
        cashier: Cashier,
        faults: EngineFaults,
        breakers: Breakers,
        decisions: Decisions,
    ) -> None:
        """Receive the shared objects."""
        self.machine = machine
        self.gauge = gauge
        self.guard = guard
        self.recording = recording
        self.ledger = ledger
        self.cashier = cashier
        self.faults = faults
        self.breakers = breakers
        self.decisions = decisions

    def prepare(self) -> None:
        """Give every event of this request the service's own context, then call the guard."""
        sentry_sdk.set_tag("service", GAME_ENGINE.name)
        sentry_sdk.set_tag("http.route", self.route)
        sentry_sdk.set_context("process", self.gauge.read())
        sentry_sdk.set_context(
            "tornado",
            {
                "version": tornado.version,
                "handler": type(self).__name__,
                "method": self.request.method,
                "route": self.route,
            },
        )
        self.breakers.describe()
        self.decisions.describe()
        if GAME_ENGINE.is_debug(self.request.path):
            token = self.request.headers.get(TOKEN_HEADER)
            self.guard.admit(self.request.path, self.request.remote_ip or "", token)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Report failures to the log, and so to Sentry, but not refused requests."""
        if not isinstance(value, Refused):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an exception in JSON."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused):
            self._answer(error)
        elif isinstance(error, HTTPError):
            self._answer(Refused(status_code, slug(status_code), error.log_message or str(error)))
        else:
            self.finish(
                {
                    "error": "internal-error",
                    "detail": "The game engine failed; the error has been reported.",
                    "trace_id": trace_id(),
                }
            )

    def _answer(self, refused: Refused) -> None:
        log_refusal(refused)
        self.set_status(refused.status)
        for name, value in refused.headers.items():
            self.set_header(name, value)
        self.finish(refused.body())

    def json_object(self) -> dict[str, Any]:
        """Return the request's body. Raises ``Refused`` (400) when it is not a JSON object."""
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise Refused(400, "bad-json", "The body must be JSON.") from None
        if not isinstance(body, dict):
            raise Refused(400, "bad-json", "The body must be a JSON object.")
        return body


class NotFound(Handler):
    """Any path without another handler."""

    route = "(unknown)"

    def prepare(self) -> None:
        """Refuse any method."""
        super().prepare()
        raise not_found(self.request.path)


def slug(status: int) -> str:
    """Turn a status into an error code: 405 is ``method-not-allowed``."""
    return responses.get(status, "error").lower().replace(" ", "-")
