"""The controls of the running services that a repair uses: breakers, load shedding, decisions.

All are leased: a service releases them itself when time is up, whatever happens to the kernel.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from demo_services.services import GAME_ENGINE, GATEWAY, ROUTED, Service
from kit.actionable import WorkshopError
from kit.frontend.gateway import GatewayClient
from kit.reading.payload import as_mapping, as_str
from kit.system.clients import sentry_off, trace_header
from kit.trigger import debug_path

# The services whose events can carry decisions.
TOLD: tuple[Service, ...] = (GATEWAY, *ROUTED.values())


class ServiceControls:
    """Calls the debug routes of the services through ``gateway``.

    Its requests are neither traced nor reported: they are not part of the system's work. Each
    method raises WorkshopError, with the service's message, if it refuses or does not answer.
    """

    def __init__(self, gateway: GatewayClient) -> None:
        self._gateway = gateway

    def begin_breaker(
        self, upstream: str, *, seconds: float, is_open: bool, threshold: int, pause_s: float
    ) -> None:
        """Switch a breaker on: open, or set to open after ``threshold`` failures in a row."""
        order = {
            "service": upstream,
            "open": is_open,
            "seconds": seconds,
            "threshold": threshold,
            "pause_s": pause_s,
        }
        self._call(GAME_ENGINE, "POST", "/breakers", json=order)

    def end_breaker(self, upstream: str) -> None:
        """Switch a breaker off: all calls are made again."""
        self._call(GAME_ENGINE, "DELETE", "/breakers", params={"service": upstream})

    def begin_shedding(self, share: float, seconds: float) -> None:
        """Let the gateway reject a share of the requests."""
        self._call(GATEWAY, "POST", "/shedding", json={"share": share, "seconds": seconds})

    def end_shedding(self) -> None:
        """Let the gateway admit all requests again."""
        self._call(GATEWAY, "DELETE", "/shedding")

    def note_decision(self, service: Service, decision: str, seconds: float) -> None:
        """Let the events of a service carry a decision, as a tag and a breadcrumb."""
        noted = {"decision": decision, "seconds": seconds}
        self._call(service, "POST", "/decisions", json=noted)

    def clear_decisions(self, service: Service) -> None:
        """Let the events of a service carry no decision any more."""
        self._call(service, "DELETE", "/decisions")

    def _call(self, service: Service, method: str, below: str, **options: Any) -> Mapping[str, Any]:
        path = debug_path(service, below)
        with sentry_off():
            answer = self._gateway.request(
                method, path, headers=trace_header(uuid.uuid4().hex), **options
            )
        try:
            body = as_mapping(answer.json())
        except ValueError:
            body = {}
        if answer.is_error:
            detail = as_str(body.get("detail")) or "The answer gives no reason."
            raise WorkshopError(
                f"{service.name} rejected {method} {path}: HTTP {answer.status_code}. {detail}"
            )
        return body
