"""The routes of the analytics service."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import fastapi
import sentry_sdk
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pymongo.errors import ConnectionFailure, DuplicateKeyError
from sentry_sdk import logger
from starlette.exceptions import HTTPException

from demo_services.analytics import stats
from demo_services.analytics.debug import make_debug_router
from demo_services.analytics.faults import AnalyticsFaults
from demo_services.analytics.mongo import SPINS, Collection, Mongo, measured
from demo_services.analytics.spin import ReportedSpin, Spin
from demo_services.answers import answer_http_exception, answer_refused
from demo_services.faults.router import make_faults_router
from demo_services.gate import DebugGate
from demo_services.guard import Guard
from demo_services.players import Player
from demo_services.process import ProcessGauge
from demo_services.refused import Refused
from demo_services.remediation.decisions import Decisions
from demo_services.remediation.router import make_decisions_router
from demo_services.services import ANALYTICS
from demo_services.settings import Settings
from demo_services.trace import start_span, trace_id

MAX_BODY_BYTES = 64 * 1024
# How far a caller's clock may be ahead.
CLOCK_TOLERANCE_S = 120


def make_app(settings: Settings) -> FastAPI:
    """Return the analytics service; call it inside the event loop that will serve it."""
    mongo = Mongo(settings.mongodb_uri)
    gauge = ProcessGauge()
    faults = AnalyticsFaults(mongo, settings.mongodb_uri)
    decisions = Decisions()

    async def describe(request: Request) -> None:
        """Give every event of this request the service's own context."""
        sentry_sdk.set_tag("service", ANALYTICS.name)
        sentry_sdk.set_tag("http.route", request.scope["route"].path)
        decisions.describe()
        sentry_sdk.set_context("process", gauge.read())
        sentry_sdk.set_context(
            "fastapi",
            {
                "version": fastapi.__version__,
                "endpoint": request.scope["endpoint"].__name__,
                "method": request.method,
                "route": request.scope["route"].path,
            },
        )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await mongo.close()

    app = FastAPI(
        title=ANALYTICS.name,
        lifespan=lifespan,
        dependencies=[Depends(describe)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        max_body_size=MAX_BODY_BYTES,
    )
    app.add_middleware(DebugGate, service=ANALYTICS, guard=Guard(settings))

    @app.get("/health")
    async def show_health() -> dict[str, Any]:
        state = await mongo.health()
        return {"service": ANALYTICS.name, "release": ANALYTICS.release, **state}

    @app.post("/api/v1/events", status_code=201)
    async def store_spin(reported: ReportedSpin) -> dict[str, str]:
        faults.evaluate()
        check_clock(reported)
        spin = reported.spin()
        player = Player(spin.player, spin.balance)
        sentry_sdk.set_user({"id": player.id, "username": player.name})
        sentry_sdk.set_tag("player.tier", player.tier)
        sentry_sdk.set_context("spin", spin.model_dump())
        with start_span(op="analytics.store", name="store a spin"):
            spins = faults.reach(await mongo.collection(SPINS))
            await insert(spins, spin)
        logger.info(
            "spin of {player} stored",
            player=spin.player,
            attributes={"spin.id": spin.spin_id, "player.tier": player.tier},
        )
        return {"stored": spin.spin_id}

    @app.get("/api/v1/stats")
    async def show_stats() -> stats.Stats:
        faults.evaluate()
        return await stats.compute(faults.reach(await mongo.collection(SPINS)))

    app.include_router(make_debug_router(mongo))
    app.include_router(make_faults_router(ANALYTICS, faults))
    app.include_router(make_decisions_router(ANALYTICS, decisions))
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(ConnectionFailure, answer_unreachable)
    app.add_exception_handler(Exception, answer_failure)
    return app


def check_clock(spin: ReportedSpin) -> None:
    """Raise ``Refused`` (422) for a spin that was played in the future."""
    ahead_s = (spin.played_at or 0) - time.time()
    if ahead_s > CLOCK_TOLERANCE_S:
        detail = f"{spin.spin_id} was played {ahead_s:.0f} s in the future."
        raise Refused(422, "played-in-the-future", detail)


async def insert(spins: Collection, spin: Spin) -> None:
    """Store a spin once. Raises ``Refused`` (409) when it is already stored."""
    try:
        with measured("insert", SPINS):
            await spins.insert_one({**spin.model_dump(), "stored_at": datetime.now(UTC)})
    except DuplicateKeyError:
        # The reason contains the whole spin, which the caller already has.
        raise Refused(409, "duplicate-spin", f"{spin.spin_id} is stored already.") from None


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that does not match the route's declaration: the caller's mistake."""
    assert isinstance(error, RequestValidationError)
    fields = [{"field": path(e["loc"]), "problem": str(e["msg"])} for e in error.errors()]
    detail = "; ".join(f"{field['field']}: {field['problem']}" for field in fields[:3])
    return JSONResponse({"error": "bad-request", "detail": detail, "fields": fields}, 422)


def path(location: Sequence[int | str]) -> str:
    """Return where in the request a field is: ``body.reels.0``."""
    return ".".join(map(str, location))


async def answer_unreachable(request: Request, error: Exception) -> JSONResponse:
    """Answer while the database is away, and tell Sentry: one issue, whichever query noticed."""
    with sentry_sdk.new_scope() as scope:
        scope.set_level("error")
        # The message contains addresses, durations and an id of this attempt.
        scope.fingerprint = ["analytics", "database-unreachable"]
        sentry_sdk.capture_exception(error)
    logger.error("the database cannot be reached")
    body = {
        "error": "database-unreachable",
        "detail": "The database cannot be reached; the error has been reported.",
        "trace_id": trace_id(),
    }
    return JSONResponse(body, 503, {"Retry-After": "1"})


async def answer_failure(request: Request, error: Exception) -> JSONResponse:
    """Answer a failure of the service itself; Sentry already has it, and uvicorn logs it."""
    return JSONResponse(
        {
            "error": "internal-error",
            "detail": "The analytics service failed; the error has been reported.",
            "trace_id": trace_id(),
        },
        500,
    )
