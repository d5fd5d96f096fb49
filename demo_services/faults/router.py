"""The routes that turn faults on and off, for the FastAPI services."""

import json
from typing import Any

from fastapi import APIRouter, Request

from demo_services.faults.leases import Faults
from demo_services.faults.order import known_fault, read_order
from demo_services.refused import Refused
from demo_services.services import Service


def make_faults_router(service: Service, faults: Faults) -> APIRouter:
    """Return the routes below the service's debug base, which the guard protects."""
    router = APIRouter(prefix=service.debug_base)

    @router.get("/faults")
    async def show_faults() -> dict[str, Any]:
        return faults.states()

    @router.post("/faults", status_code=201)
    async def begin_fault(request: Request) -> dict[str, Any]:
        return await faults.begin(read_order(service.name, json_object(await request.body())))

    @router.delete("/faults")
    async def clear_faults(fault: str | None = None) -> dict[str, Any]:
        name = None if fault is None else known_fault(service.name, fault)
        return {"ended": faults.clear(name)}

    return router


def json_object(body: bytes) -> dict[str, Any]:
    """Return a request's body. Raises ``Refused`` (400) when it is not a JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "bad-json", "The body must be JSON.") from None
    if not isinstance(found, dict):
        raise Refused(400, "bad-json", "The body must be a JSON object.")
    return found
