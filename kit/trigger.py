"""Fires one crash type, and waits for the telemetry that it declares."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx

from demo_services.services import FRONTEND, GATEWAY, PAYMENT, Service
from demo_services.trace import start_span
from kit.actionable import WorkshopError
from kit.crashes.catalogue import find_crash
from kit.crashes.crash_type import CrashType
from kit.frontend.gateway import GatewayClient
from kit.frontend.hook import Hook
from kit.frontend.slot_machine import careless_spin
from kit.hosting.process_exit import ProcessExit
from kit.hosting.server import START_DEADLINE_S, ServerError
from kit.hosting.supervisor import Supervisor
from kit.ingest.store import StoredItem, StoreError, Subscription
from kit.outcome import Outcome
from kit.sightings import SightingsTally
from kit.system.system import System
from kit.views.card.highlights import Sightings

TELEMETRY_DEADLINE_S = 30.0
# The slowest, an exhausted heap, takes about three seconds on an idle machine.
DEATH_S = 15.0

OnOutcome = Callable[[Outcome], None]


class CrashTrigger:
    """Crashes the services of ``system`` on behalf of the notebook, for ``Workshop.trigger``.

    Runs in the caller's thread. The service runs in its own thread or process, which bound its
    Sentry client when it started.
    """

    def __init__(self, system: System, gateway: GatewayClient, hook: Hook) -> None:
        self._system = system
        self._gateway = gateway
        self._hook = hook
        self._tally = SightingsTally(system.store)
        self._payment_turn = threading.Lock()
        # The start count of the payment service when it was sent a deadly crash whose sender was
        # interrupted.
        self._dies_after: int | None = None

    def __call__(
        self,
        crash_id: str,
        *,
        player: str | None = None,
        on_answer: OnOutcome | None = None,
        on_event: OnOutcome | None = None,
        **parameters: Any,
    ) -> Outcome:
        """See ``Workshop.trigger``."""
        crash, query = find_crash(crash_id, parameters)
        whom = {"player": player} if player else {}
        if reason := self.unavailable(crash):
            raise WorkshopError(f"{crash.full_id} cannot be triggered: {reason}")
        if crash.needs_database:
            self._await_database()
        with self._alone(crash) as starts, self._system.clients[FRONTEND.name].bind():
            # Before the request: the card must not wait for it.
            self._tally.refresh()
            span = start_span(op="ui.action.click", name=f"press {crash.full_id}")
            # Subscribed before anything can arrive.
            with self._system.store.subscribe(span.trace_id) as arrivals:
                with span:
                    response = self._send(crash, whom | query)
                profiler = span.get_attributes().get("sentry.profiler_id")
                outcome = Outcome(crash, span.trace_id, response, time.time(), ())
                _tell(on_answer, outcome)
                outcome = _collect(outcome, arrivals, profiler, on_event, self._tally)
            if crash.deadly:
                return replace(outcome, process_exit=self._process_exit(after=starts))
            return outcome

    def unavailable(self, crash: CrashType) -> str | None:
        """Return why a crash type cannot be triggered here, or None when it can."""
        needed = [crash.service.name, *([self._system.database.name] * crash.needs_database)]
        return next(filter(None, map(self._system.unavailable.get, needed)), None)

    def payment(self, *, after: int = 0, deadline: float = START_DEADLINE_S) -> Supervisor:
        """Return the payment service once it is ready, and has started more than ``after`` times.

        Raises WorkshopError, after ``deadline`` seconds at the latest.
        """
        try:
            payment = self._system.payment
            payment.wait(deadline, after=after)
        except ServerError as error:
            raise WorkshopError(str(error)) from error
        return payment

    def _await_database(self) -> None:
        """Wait for the database: it may have died and be restarting. Raises WorkshopError."""
        try:
            self._system.database.wait()
        except ServerError as error:
            raise WorkshopError(str(error)) from error

    @contextmanager
    def _alone(self, crash: CrashType) -> Iterator[int]:
        """Exclude other crashes of the payment service; yield how often it has started.

        A process that dies takes all its requests with it.
        """
        if crash.service is not PAYMENT:
            yield 0
            return
        with self._payment_turn:
            self._await_death()
            starts = self.payment().start_count
            try:
                yield starts
            except BaseException:
                # The process still dies, and would take the next request with it.
                self._dies_after = starts if crash.deadly else None
                raise

    def _await_death(self) -> None:
        """Wait until the crash of an interrupted sender is over, if it happens at all."""
        starts, self._dies_after = self._dies_after, None
        if starts is not None:
            with suppress(WorkshopError):
                self.payment(after=starts, deadline=DEATH_S)

    def _process_exit(self, *, after: int) -> ProcessExit:
        """Return how the process ended, once it is back."""
        return self.payment(after=after).exits[-1]

    def _send(self, crash: CrashType, given: Mapping[str, Any]) -> httpx.Response:
        if crash.service is FRONTEND:
            return careless_spin(self._hook, self._gateway.spin, **{**(crash.body or {}), **given})
        return self._gateway.request(
            crash.method,
            gateway_path(crash),
            params={**crash.query, **given},
            json=crash.body,
            headers={"X-Deadline-Ms": str(crash.deadline_ms)} if crash.deadline_ms else {},
        )


def gateway_path(crash: CrashType) -> str:
    """Return the path of a crash type at the gateway."""
    service = crash.called
    if not crash.route.startswith(service.debug_base):
        return crash.route.replace("/api/v1", f"/api/v1/{service.prefix}", 1)
    return debug_path(service, crash.route.removeprefix(service.debug_base))


def debug_path(service: Service, below: str) -> str:
    """Return the gateway's path for a path ``below`` a service's debug base."""
    base = "/debug" if service is GATEWAY else f"/api/v1/{service.prefix}/debug"
    return base + below


def _sight(item: StoredItem, tally: SightingsTally) -> Sightings | None:
    """Count an error event, and return how often its issue was captured; None for other items."""
    if item.type != "event":
        return None
    tally.add(item)
    return tally.of(item.payload, item.project)


def _collect(
    outcome: Outcome,
    arrivals: Subscription,
    profiler: object,
    on_event: OnOutcome | None,
    tally: SightingsTally,
) -> Outcome:
    """Return the outcome with all items that arrive until nothing is missing.

    It only takes profiles of ``profiler``, which runs while someone waits for it, and of the
    payment service.
    """
    deadline = time.monotonic() + TELEMETRY_DEADLINE_S
    while outcome.missing:
        try:
            item = arrivals.get(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            break
        except StoreError as error:
            raise WorkshopError(
                f"{outcome.crash.full_id} happened, but could not be stored. {error}"
            ) from error
        if item.type == "profile_chunk" and not (
            item.payload.get("profiler_id") == profiler or item.project == PAYMENT.name
        ):
            continue
        outcome = outcome.with_item(item, _sight(item, tally))
        if item.type == "event" and len(outcome.events) == len(outcome.crash.errors):
            _tell(on_event, outcome)
    return outcome


def _tell(listener: OnOutcome | None, outcome: Outcome) -> None:
    if listener:
        listener(outcome)
