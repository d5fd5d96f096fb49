"""The crash routes. Each first stores its own spins and then fails within that work."""

import time
from typing import Annotated, Any, Literal

import sentry_sdk
from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sentry_sdk import logger

from demo_services.analytics.deadline import DEADLINE_HEADER, while_caller_waits
from demo_services.analytics.failures import (
    DatabaseError,
    ask_replica,
    group_by_symbol,
    join_everything,
    store_twice,
)
from demo_services.analytics.invalid import last_spin_checked, last_spin_unchecked
from demo_services.analytics.lease import LAST_HOLDER, REPORT, write_report
from demo_services.analytics.mongo import Mongo
from demo_services.analytics.payback import payback_by_symbol
from demo_services.analytics.report import PLAYERS, compare_reports
from demo_services.analytics.spin import Spin
from demo_services.players import Player, checked_name
from demo_services.services import ANALYTICS
from demo_services.trace import trace_id

ValidationKind = Literal["body", "response", "document"]
# The deadline of callers that send none.
REPORT_LIMIT_S = 1.5


def guest(player: str = "ada") -> Player:
    """Return the player that all this happens to, and tell Sentry."""
    guest = Player(checked_name(player))
    sentry_sdk.set_user({"id": guest.id, "username": guest.name})
    sentry_sdk.set_tag("player.tier", guest.tier)
    return guest


Guest = Annotated[Player, Depends(guest)]


def make_debug_router(mongo: Mongo) -> APIRouter:
    """Return the crash routes."""
    router = APIRouter(prefix=ANALYTICS.debug_base)

    @router.get("/crash")
    async def crash(guest: Guest) -> dict[str, float]:
        """Fail with ZeroDivisionError."""
        return await payback_by_symbol(mongo, guest.name)

    @router.post("/validation-error", response_model=Spin)
    async def validation_error(
        guest: Guest,
        kind: ValidationKind = "body",
        spin: Annotated[Spin | None, Body()] = None,
    ) -> Any:
        """Fail before the handler (422), after it, or in it."""
        if kind == "response":
            return await last_spin_unchecked(mongo, guest.name)
        if kind == "document":
            return await last_spin_checked(mongo, guest.name)
        return required(spin)

    @router.get("/database-error")
    async def database_error(guest: Guest, kind: DatabaseError = "duplicate-key") -> Any:
        """Fail with DuplicateKeyError, ServerSelectionTimeoutError or ExecutionTimeout."""
        if kind == "unreachable":
            return await ask_replica(guest.name)
        if kind == "timeout":
            return await join_everything(mongo, guest.name)
        return await store_twice(mongo, guest.name)

    @router.get("/aggregation-error")
    async def aggregation_error(guest: Guest) -> Any:
        """Fail with OperationFailure."""
        return await group_by_symbol(mongo, guest.name)

    @router.get("/timeout")
    async def timeout(request: Request, guest: Guest) -> JSONResponse:
        """Be cut short when the caller hangs up."""
        began = time.perf_counter()
        try:
            async with while_caller_waits(request, REPORT_LIMIT_S):
                await write_report(mongo, guest.name)
        except TimeoutError as error:
            waited_ms = round((time.perf_counter() - began) * 1000)
            report_cut(error, request, waited_ms, gone=await request.is_disconnected())
            return JSONResponse(
                {
                    "error": "deadline-passed",
                    "detail": f"The report was not written within {waited_ms} ms.",
                    "trace_id": trace_id(),
                },
                504,
            )
        return JSONResponse({"report": REPORT})

    @router.get("/performance-issue")
    async def performance_issue(
        guest: Guest, n: Annotated[str | None, Query()] = None
    ) -> dict[str, Any]:
        """Succeed, but slowly."""
        return await compare_reports(mongo, guest.name, PLAYERS.read("n", n))

    return router


def required(spin: Spin | None) -> Spin:
    """Return the body, or refuse a missing one as FastAPI does."""
    if spin is None:
        raise RequestValidationError(
            [{"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}]
        )
    return spin


def report_cut(error: TimeoutError, request: Request, waited_ms: int, *, gone: bool) -> None:
    """Tell Sentry what was being done when the deadline passed."""
    sentry_sdk.set_tag("caller.gone", gone)
    sentry_sdk.set_context(
        "deadline",
        {
            "caller_ms": request.headers.get(DEADLINE_HEADER),
            "limit_ms": round(REPORT_LIMIT_S * 1000),
            "waited_ms": waited_ms,
            "caller_gone": gone,
            "lease": REPORT,
            "held_by": LAST_HOLDER,
        },
    )
    sentry_sdk.add_breadcrumb(
        category="analytics",
        message="the caller has gone, the report is cut" if gone else "the report is cut",
        level="warning",
    )
    logger.warning("the report is cut after {waited_ms} ms", waited_ms=waited_ms)
    with sentry_sdk.new_scope() as scope:
        scope.set_level("warning")
        # It is cut wherever it waits: grouped by stack trace it could be several issues.
        scope.fingerprint = ["analytics", "report-deadline"]
        sentry_sdk.capture_exception(error)
