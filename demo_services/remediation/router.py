"""The routes for repairs, for the FastAPI services."""

from typing import Any

from fastapi import APIRouter, Request

from demo_services.faults.router import json_object
from demo_services.remediation.decisions import Decisions
from demo_services.remediation.shedding import Shedding
from demo_services.services import Service


def make_decisions_router(service: Service, decisions: Decisions) -> APIRouter:
    """Return the routes below the service's debug base, which the guard protects."""
    router = APIRouter(prefix=service.debug_base)

    @router.get("/decisions")
    async def show_decisions() -> dict[str, Any]:
        return {"service": service.name, "decisions": decisions.states()}

    @router.post("/decisions", status_code=201)
    async def note_decision(request: Request) -> dict[str, Any]:
        return decisions.note(json_object(await request.body()))

    @router.delete("/decisions")
    async def clear_decisions() -> dict[str, Any]:
        return {"ended": decisions.clear()}

    return router


def make_shedding_router(service: Service, shedding: Shedding) -> APIRouter:
    """Return the routes below the service's debug base, which the guard protects."""
    router = APIRouter(prefix=service.debug_base)

    @router.get("/shedding")
    async def show_shedding() -> dict[str, Any]:
        return shedding.state()

    @router.post("/shedding", status_code=201)
    async def begin_shedding(request: Request) -> dict[str, Any]:
        return shedding.begin(json_object(await request.body()))

    @router.delete("/shedding")
    async def clear_shedding() -> dict[str, Any]:
        return {"ended": shedding.clear()}

    return router
