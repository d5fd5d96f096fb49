"""The services' leases of faults: sets, reads and ends them through the gateway."""

import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from demo_services.services import GATEWAY, ROUTED, Service
from kit.actionable import WorkshopError
from kit.frontend.gateway import GatewayClient
from kit.reading.payload import as_list, as_mapping, as_mappings, as_str
from kit.system.clients import sentry_off, trace_header
from kit.trigger import debug_path

# The client's last requests, to recognise their own errors.
KEPT_TRACES = 500
# The services that evaluate flags, in the order in which they are asked.
LESSORS: tuple[Service, ...] = (GATEWAY, *ROUTED.values())


@dataclass(frozen=True)
class LeaseState:
    """A fault that a service has or had; times are in seconds since the epoch.

    ``evaluated`` and ``hit`` count requests, ``hits`` has the last 2,000 trace ids that were hit.
    ``ended_by`` is one of lease, cleared and replaced.
    """

    fault: str
    flag: str
    share: float
    seed: int
    began_at: float
    until: float
    ended_at: float | None
    ended_by: str | None
    evaluated: int
    hit: int
    hits: tuple[str, ...]


def read_lease_state(sent: Mapping[str, Any]) -> LeaseState:
    """Return the state that a service sent. Raises KeyError or ValueError if it is malformed."""
    ended_at = sent["ended_at"]
    return LeaseState(
        fault=as_str(sent["fault"]),
        flag=as_str(sent["flag"]),
        share=float(sent["share"]),
        seed=int(sent["seed"]),
        began_at=float(sent["began_at"]),
        until=float(sent["until"]),
        ended_at=None if ended_at is None else float(ended_at),
        ended_by=as_str(sent["ended_by"]) or None,
        evaluated=int(sent["evaluated"]),
        hit=int(sent["hit"]),
        hits=tuple(map(as_str, as_list(sent["hits"]))),
    )


class LeaseClient:
    """Sets and ends faults of the services through ``gateway``.

    Its requests are neither traced nor reported: they are not part of the system's work.
    """

    def __init__(self, gateway: GatewayClient) -> None:
        self._gateway = gateway
        self._trace_ids: deque[str] = deque(maxlen=KEPT_TRACES)

    def has_sent(self, trace_id: str) -> bool:
        """Whether a trace belongs to a request of this client."""
        return trace_id in self._trace_ids

    def begin(
        self, service: Service, fault: str, *, share: float, seconds: float, seed: int, flag: str
    ) -> LeaseState:
        """Switch a fault on. Raises WorkshopError with the service's message if it refuses."""
        wanted = {"fault": fault, "share": share, "seconds": seconds, "seed": seed, "flag": flag}
        return read_lease_state(self._call(service, "POST", json=wanted))

    def read(self, service: Service) -> tuple[LeaseState, ...]:
        """Return the faults that are on, then past ones, latest first.

        Raises WorkshopError if the service does not answer.
        """
        answer = self._call(service, "GET")
        ended = reversed(as_mappings(as_list(answer.get("ended"))))
        return tuple(map(read_lease_state, (*as_mappings(answer.get("faults")), *ended)))

    def end(self, service: Service, fault: str) -> None:
        """Switch a fault off. Raises WorkshopError if the service does not answer."""
        self._call(service, "DELETE", params={"fault": fault})

    def read_all(self) -> Iterator[tuple[Service, tuple[LeaseState, ...] | WorkshopError]]:
        """Yield each service with its faults, or with the error of asking it."""
        for service in LESSORS:
            try:
                yield service, self.read(service)
            except WorkshopError as error:
                yield service, error

    def _call(self, service: Service, method: str, **options: Any) -> Mapping[str, Any]:
        trace_id = uuid.uuid4().hex
        self._trace_ids.append(trace_id)
        headers = trace_header(trace_id)
        with sentry_off():
            path = debug_path(service, "/faults")
            answer = self._gateway.request(method, path, headers=headers, **options)
        body = _read_object(answer)
        if answer.is_error:
            detail = as_str(body.get("detail")) or "The answer gives no reason."
            raise WorkshopError(
                f"{service.name} rejected {method} {path}: HTTP {answer.status_code}. {detail}"
            )
        return body


def _read_object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        return as_mapping(answer.json())
    except ValueError:
        return {}
