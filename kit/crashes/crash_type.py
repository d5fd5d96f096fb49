"""What a crash type declares: how to cause it, and the telemetry that it must produce.

What a crash type claims is asserted against a real event: ``captured`` must be found in it,
``not_captured`` must not, and ``errors`` says exactly which error events arrive. What cannot be
asserted here names the page of documentation that says it.
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
    """A number that the learner may set; the service itself declares its bounds."""

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

    ``chain`` names the exception types from the one that was raised last to its root cause.
    ``mechanism`` and ``handled`` are those of the exception raised last; ``handled`` is None where
    the event does not say. ``fingerprint`` is None where the event has none. ``service`` is
    who reports it, when that is not the service that crashes.
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
    """A value that the event carries: its JMESPath in the event, and what it is good for."""

    path: str
    why: str


class Assertion(StrEnum):
    """What is asserted of an absence that is not one of a field, in words for the reader."""

    NO_EVENT = "no error event arrives"
    NO_OTHER_EVENT = "no other error event arrives"
    NO_SERVICE_SPAN = "the service that crashed sends no service span"


@dataclass(frozen=True)
class NotCaptured:
    """Something that one might look for and not find.

    How that is known is one of three: ``path`` is a JMESPath that finds nothing in an event, that
    of the error of this index in ``errors``; ``asserted`` is what is asserted instead; and what is
    not shown here at all is ``documented``. ``instead`` says what to do when one needs it.
    ``servers`` is the page for what ``why`` or ``instead`` say about Sentry's servers.
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
    the function that the profile must show. Types that come in variants have one declaration
    each, told apart by ``variant``. ``query`` and ``body`` are sent along, ``deadline_ms`` is how
    long the caller waits, in milliseconds. ``calls`` is the service whose route it is, when that
    is not the one that crashes. What is ``charted`` is about memory, CPU or the event
    loop. What is ``slow`` blocks its service, takes its memory or waits, for a second or more:
    load tests trigger it once. What is ``deadly`` ends the process, which is started again: what
    it had not sent is lost, its part of the trace among it.
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
        """The id that is unique among variants too, ``service/name?type=variant``."""
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
        """The services whose service spans, segments, the trace has, in order."""
        path = (FRONTEND, GATEWAY) if self.deadly else (FRONTEND, GATEWAY, self.called)
        return tuple(dict.fromkeys(service.name for service in path))
