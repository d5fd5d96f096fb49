"""Injects faults into the services of a workshop, and ends them with it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from demo_services.services import SERVICES, Service
from kit.actionable import WorkshopError
from kit.frontend.gateway import GatewayClient
from kit.ingest.store import Store
from kit.reliability.faults.catalogue import NO_OP_FAULT, find_fault
from kit.reliability.faults.evidence import AnswerSource
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.injection import Injection, InjectionTerms, Surroundings, make_terms
from kit.reliability.faults.leases import LESSORS, LeaseClient
from kit.reliability.faults.plan import make_plan
from kit.reliability.faults.schedule import Schedule
from kit.reliability.faults.table import FaultTable, read_fault_table

# How many injections follow their telemetry after the end; older ones are closed.
FOLLOWED = 50


class Injector:
    """Implements ``Workshop.inject``, ``Workshop.faults`` and ``Workshop.schedule``."""

    def __init__(
        self,
        gateway: GatewayClient,
        store: Store,
        flush: Callable[[], None],
        find_traffic: Callable[[], AnswerSource | None] = lambda: None,
    ) -> None:
        self._leases = LeaseClient(gateway)
        self._around = Surroundings(self._leases, store, flush, find_traffic, self._known)
        self._injections: list[Injection] = []
        self._schedules: list[Schedule] = []
        self._changing = threading.Lock()

    def inject(
        self,
        name: str,
        share: float | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        flag: str | None = None,
        service: str | None = None,
    ) -> Injection:
        """See ``Workshop.inject``."""
        fault = _in_service(find_fault(name), service)
        return self.begin(fault, make_terms(fault, share, seconds, seed, flag))

    def begin(self, fault: Fault, terms: InjectionTerms) -> Injection:
        """Inject a fault on these terms. Raises WorkshopError."""
        injection = Injection(fault, terms, self._around)
        with self._changing:
            earlier = [
                each
                for each in self._injections
                if each.is_on and _place(each.fault) == _place(fault)
            ]
            self._injections.append(injection)
            dropped, self._injections = self._injections[:-FOLLOWED], self._injections[-FOLLOWED:]
        for each in earlier:
            each.refresh()
        for each in dropped:
            each.close()
        return injection

    def table(self) -> FaultTable:
        """Return all faults, with those that are on."""
        return read_fault_table(self._leases)

    def schedule(
        self,
        *,
        minutes: float,
        faults: int,
        no_ops: int,
        seed: int | None,
        hold: tuple[float, float],
        concurrency: int,
        kinds: tuple[str, ...] | None,
        shares: tuple[float, ...],
    ) -> Schedule:
        """See ``Workshop.schedule``."""
        plan = make_plan(
            minutes=minutes,
            faults=faults,
            no_ops=no_ops,
            seed=seed,
            hold=hold,
            concurrency=concurrency,
            kinds=kinds,
            shares=shares,
        )
        schedule = Schedule(plan, self.begin)
        with self._changing:
            self._schedules.append(schedule)
        return schedule

    def stop(self) -> None:
        """End all schedules and injections: the workshop stops."""
        with self._changing:
            schedules, self._schedules = self._schedules, []
        for schedule in schedules:
            schedule.stop()
        for injection in self._known():
            injection.close()

    def _known(self) -> Sequence[Injection]:
        with self._changing:
            return tuple(self._injections)


def _in_service(fault: Fault, service: str | None) -> Fault:
    """Return the fault in that service; a no-op can be in any. Raises WorkshopError otherwise."""
    if service in (None, fault.service.name):
        return fault
    names = [each.name for each in LESSORS]
    if fault.name != NO_OP_FAULT.name:
        raise WorkshopError(f"{fault.name} is evaluated by {fault.service.name}, not by {service}.")
    if service not in names:
        raise WorkshopError(f"No service {service!r} has faults. Choose from {', '.join(names)}.")
    return replace(fault, service=SERVICES[service])


def _place(fault: Fault) -> tuple[Service, str]:
    return fault.service, fault.name
