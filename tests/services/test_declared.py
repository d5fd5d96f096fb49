"""Each crash type that is declared, of each service in Python, alone and without the gateway.

Nobody has to add a new one here.
"""

from typing import Any

import pytest

from demo_services.services import FRONTEND, PAYMENT
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType, ExpectedError
from kit.crashes.expectation import exception_types

from .conftest import Running

# Of services in Python alone: the payment service's are tried in tests/payment, the frontend has
# no routes.
DECLARED = [crash for crash in CRASHES if crash.service not in (FRONTEND, PAYMENT)]
FIXTURES = {"analytics": "statistics", "game-engine": "engine", "gateway": "gateway"}


@pytest.fixture
def service(request: pytest.FixtureRequest, crash: CrashType) -> Running:
    """The service that crashes."""
    running: Running = request.getfixturevalue(FIXTURES[crash.service.name])
    return running


@pytest.mark.parametrize("crash", DECLARED, ids=lambda crash: crash.full_id)
def test_what_is_declared_is_true(service: Running, crash: CrashType) -> None:
    deadline = {"X-Deadline-Ms": str(crash.deadline_ms)} if crash.deadline_ms else {}
    response = service.call(
        crash.route, crash.method, params=crash.query, json=crash.body, headers=deadline
    )
    assert response.status_code == crash.status, (
        f"{crash.full_id} declares HTTP {crash.status}: correct it in kit/crashes, or the route."
    )
    telemetry = service.telemetry(response)
    own = [error for error in crash.errors if error.service is None]
    # Threads and tasks report in an order of their own.
    assert sorted(map(said_of, telemetry.events), key=repr) == sorted(map(declared, own), key=repr)
    for event in telemetry.events:
        assert set(crash.contexts) <= set(event["contexts"])
    assert set(crash.spans) <= set(telemetry.spans)


def said_of(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return what decides alerting and grouping, as an event says it."""
    mechanism = event["exception"]["values"][-1]["mechanism"]
    fingerprint = tuple(event["fingerprint"]) if "fingerprint" in event else None
    told = (mechanism["type"], mechanism.get("handled"), event["level"], fingerprint)
    return (exception_types(event), *told)


def declared(error: ExpectedError) -> tuple[Any, ...]:
    """Return the same as it is declared."""
    return (list(error.chain), error.mechanism, error.handled, error.level, error.fingerprint)


@pytest.mark.parametrize("crash", DECLARED, ids=lambda crash: crash.full_id)
def test_the_service_works_afterwards(service: Running, crash: CrashType) -> None:
    service.call(crash.route, crash.method, params=crash.query, json=crash.body)
    health = service.call("/health")
    assert health.status_code == 200, (
        f"After {crash.full_id} {service.name} says {health.text}: give back what the route took."
    )
