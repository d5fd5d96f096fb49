"""What a crash type declares: how to cause it, and the telemetry that it must produce.

Its claims are asserted against a real event: ``captured`` must be found in it, ``not_captured``
must not, and ``errors`` says exactly which error events arrive. A claim that cannot be asserted
here names the documentation page that makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from demo_services.bounds import Bounds
from demo_services.services import FRONTEND, GATEWAY, SERVICES, Service
from kit.reading.server.references import Reference


@dataclass(frozen=True)
class Parameter:
    """A number that the learner may set; the service declares its bounds."""

    name: str
    bounds: Bounds
    unit: str

    def check(self, value: Any) -> int:
        """Return ``value`` when it is within bounds. Raises ValueError that names them."""
        low, high = self.bounds.minimum, self.bounds.maximum
        if isinstance(value, int) and low <= value <= high:
            return value
        raise ValueError(
            f"{self.name} must be a whole number from {low} to {high} ({self.unit}), not {value!r}."
        )


@dataclass(frozen=True)
class ExpectedError:
    """One error event that a trigger must produce.

    ``chain`` names the exception types from the last one raised to its root cause. ``mechanism``
    and ``handled`` are those of the last one raised; ``handled`` is None if the event does not say.
    ``fingerprint`` is None if the event has none. ``service`` reports it, if that is not the
    service that crashes.
    """

    chain: tuple[str, ...]
    mechanism: str
    handled: bool | None = False
    level: str = "error"
    fingerprint: tuple[str, ...] | None = None
    service: Service | None = None

    @property
    def type(self) -> str:
        """The type of the exception raised last."""
        return self.chain[0]


@dataclass(frozen=True)
class Captured:
    """A value that the event carries: its JMESPath in the event, and what it is useful for."""

    path: str
    why: str


class Assertion(StrEnum):
    """What is asserted when a whole event or span is absent, worded for the reader."""

    NO_EVENT = "no error event arrives"
    NO_OTHER_EVENT = "no other error event arrives"
    NO_SERVICE_SPAN = "the service that crashed sends no service span"


@dataclass(frozen=True)
class NotCaptured:
    """Something you might look for and not find.

    There are three kinds of evidence: ``path`` is a JMESPath that finds nothing in the event of
    ``errors[error]``; ``asserted`` is what is asserted instead; ``documented`` is the page for what
    is not shown here. ``instead`` says what to do if you need it. ``servers`` is the page for what
    ``why`` or ``instead`` say about Sentry's servers.
    """

    what: str
    why: str
    instead: str
    path: str | None = None
    error: int = 0
    asserted: Assertion | None = None
    documented: Reference | None = None
    servers: Reference | None = None


@dataclass(frozen=True)
class CrashType:
    """One way to crash one service, and the telemetry that one trigger of it must produce.

    ``route`` is the path on the service itself. ``contexts`` are names under ``contexts`` that
    every error event has. ``spans`` are span operations that the trace has. ``profiled`` names
    the function that the profile must show. Each ``variant`` of a type has its own declaration.
    ``query`` and ``body`` are sent with the request; ``deadline_ms`` is how long the caller waits,
    in milliseconds. ``calls`` is the service that has the route, if that is not the one that
    crashes. ``charted`` types are about memory, CPU or the event loop. ``slow`` types block their
    service, take its memory or wait, for a second or more: load tests trigger them once.
    ``deadly`` types end the process, which is restarted: telemetry that it had not sent is lost,
    including its part of the trace.
    """

    id: str
    title: str
    severity: str
    route: str
    happens: str
    status: int
    errors: tuple[ExpectedError, ...]
    fix: str
    captured: tuple[Captured, ...] = ()
    not_captured: tuple[NotCaptured, ...] = ()
    contexts: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()
    profiled: str | None = None
    parameters: tuple[Parameter, ...] = ()
    variant: str | None = None
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    deadline_ms: int | None = None
    calls: Service | None = None
    needs_database: bool = False
    charted: bool = False
    slow: bool = False
    deadly: bool = False

    @property
    def full_id(self) -> str:
        """The id that is also unique among variants, ``service/name?type=variant``."""
        return f"{self.id}?type={self.variant}" if self.variant else self.id

    @property
    def service(self) -> Service:
        """The service that crashes."""
        return SERVICES[self.id.partition("/")[0]]

    @property
    def called(self) -> Service:
        """The service that the request is for."""
        return self.calls or self.service

    def reporter(self, error: ExpectedError) -> str:
        """Return the name of the service that reports an error."""
        return (error.service or self.service).name

    @property
    def segments(self) -> tuple[str, ...]:
        """The services that have a service span, or segment, in the trace, in order."""
        path = (FRONTEND, GATEWAY) if self.deadly else (FRONTEND, GATEWAY, self.called)
        return tuple(dict.fromkeys(service.name for service in path))
