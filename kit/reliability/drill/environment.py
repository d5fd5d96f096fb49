"""The parts of the system that a drill needs: traffic, faults, services and alert rules."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from demo_services.services import PAYMENT
from kit.actionable import WorkshopError
from kit.crashes.catalogue import find_crash
from kit.frontend.gateway import GatewayClient
from kit.hosting.server import BackgroundServer
from kit.reliability.drill.scenario import NaturalError
from kit.reliability.faults.fault import Fault
from kit.reliability.traffic.outcomes import Answer, judge_answer
from kit.reliability.traffic.traffic import THRESHOLD_S
from kit.trigger import gateway_path

DATABASE = "database"
RESTART_LOCK = threading.Lock()
# What a fault needs in order to run, by the first part of its name.
_NEEDS = {"payment": PAYMENT.name, "ledger": DATABASE, "mongo": DATABASE}


class OutcomeTotals(Protocol):
    """How many requests in a period were good, and how many bad."""

    @property
    def good(self) -> int:
        """Answered in time, without an error."""

    @property
    def bad(self) -> int:
        """Failed, late, or without an answer."""


class OutcomeCounts(Protocol):
    """The outcomes of the traffic's requests."""

    def between(self, start: float, end: float, /) -> OutcomeTotals:
        """Return the totals of a period, in seconds since the epoch."""


class DrillTraffic(Protocol):
    """Traffic in the background."""

    @property
    def is_running(self) -> bool:
        """Whether it sends requests."""

    @property
    def outcomes(self) -> OutcomeCounts:
        """The outcomes of its requests."""

    def start(self) -> object:
        """Start sending requests."""

    def stop(self) -> object:
        """Stop sending."""

    def observe(self, callback: Callable[[Answer], None], /) -> Callable[[], object]:
        """Call ``callback`` with each answer; return a function that unsubscribes it."""


class InjectedFault(Protocol):
    """A fault that was injected."""

    @property
    def is_on(self) -> bool:
        """Whether it still hits requests."""

    def stop(self) -> object:
        """End it now."""


class InjectFault(Protocol):
    """Injects a fault, behind a flag of any name."""

    def __call__(
        self, name: str, *, share: float, seconds: float, seed: int, flag: str, service: str
    ) -> InjectedFault:
        """Make ``service`` evaluate it for a share of its requests."""


class PagingRule(Protocol):
    """An alert rule: when would it have paged?"""

    def would_have_fired(self, store: Any, /) -> Sequence[Any]:
        """Return its firings, each with the time ``at``."""


@dataclass(frozen=True)
class DrillEnvironment:
    """The running system as a drill sees it.

    ``restart`` restarts a service and returns once it answers. ``probe`` plays a spin and returns
    whether it was good. ``fail`` triggers a natural error. ``pages`` returns when the learner's
    alert rule paged, in seconds since the epoch. ``reveal`` lets event cards name the faults.
    """

    traffic: DrillTraffic
    inject: InjectFault
    restart: Callable[[str], object]
    probe: Callable[[], bool]
    fail: Callable[[NaturalError], object]
    pages: Callable[[], Sequence[float]] = lambda: ()
    reveal: Callable[[], object] = lambda: None
    rate: float = 4.0


def restart_server(servers: Mapping[str, BackgroundServer], name: str) -> None:
    """Stop a server or process, start it again, and wait until it answers. Raises ServerError."""
    server = servers[name]
    with RESTART_LOCK:
        # Keep the port: clients made at the start know it.
        server.wanted_port = server.port
        server.stop()
        server.launch()
        server.wait()


def play_probe(gateway: GatewayClient) -> bool:
    """Play a spin and return whether it got a good answer in time."""
    with suppress(WorkshopError, ValueError):
        response = gateway.spin("probe", 1)
        response.json()
        took_s = response.elapsed.total_seconds()
        return judge_answer(response.status_code, took_s, THRESHOLD_S) != "bad"
    return False


def fail_naturally(gateway: GatewayClient, error: NaturalError) -> None:
    """Trigger an error that has nothing to do with the incident."""
    crash, query = find_crash(error.crash_id, {"type": error.variant})
    with suppress(WorkshopError):
        gateway.request(
            crash.method, gateway_path(crash), params={**crash.query, **query}, json=crash.body
        )


def page_times(rule: PagingRule | None, store: object) -> Sequence[float]:
    """Return when a rule would have paged for the stored events; without a rule, never."""
    if rule is None:
        return []
    fired = rule.would_have_fired(store)
    return [float(each.at) for each in fired if getattr(each, "is_page", True)]


def missing_faults(faults: Sequence[Fault], unavailable: Collection[str]) -> frozenset[str]:
    """Return the names of the faults that cannot be injected without these parts of the system."""
    return frozenset(
        fault.name
        for fault in faults
        if _NEEDS.get(fault.name.partition("-")[0], fault.service.name) in unavailable
    )
