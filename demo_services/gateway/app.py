"""The routes of the gateway."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastapi
import sentry_sdk
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from demo_services.answers import answer_http_exception, answer_refused
from demo_services.faults import hits
from demo_services.faults.leases import Faults
from demo_services.faults.names import NO_OP
from demo_services.faults.router import make_faults_router
from demo_services.gate import DebugGate
from demo_services.gateway.health import health
from demo_services.gateway.proxy import forward, make_client
from demo_services.gateway.routing import choose_instance
from demo_services.gateway.target import SPIN, find_target
from demo_services.gateway.traffic import Traffic, log_answer
from demo_services.gateway.truncation import TRUNCATES, truncated
from demo_services.guard import Guard
from demo_services.players import Player, checked_name
from demo_services.process import ProcessGauge
from demo_services.refused import Refused
from demo_services.remediation.decisions import Decisions
from demo_services.remediation.router import make_decisions_router, make_shedding_router
from demo_services.remediation.shedding import Shedding
from demo_services.services import GAME_ENGINE, GATEWAY, ROUTED
from demo_services.settings import Settings
from demo_services.trace import trace_id

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def make_app(settings: Settings) -> FastAPI:
    """Return the gateway."""
    client = make_client()
    gauge = ProcessGauge()
    traffic = Traffic()
    faults = Faults(GATEWAY)
    decisions, shedding = Decisions(), Shedding()

    async def describe(request: Request) -> None:
        """Give every event of this request the service's own context."""
        sentry_sdk.set_tag("service", GATEWAY.name)
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
        sentry_sdk.set_context(
            "gateway",
            {
                "upstreams": dict(settings.upstreams),
                "prefixes": list(ROUTED),
                "deadline_s": settings.deadline_s,
            },
        )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(
        title=GATEWAY.name,
        lifespan=lifespan,
        dependencies=[Depends(describe)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(DebugGate, service=GATEWAY, guard=Guard(settings))

    @app.get("/health")
    async def show_health() -> JSONResponse:
        return JSONResponse(await health(client, settings))

    @app.get("/debug/panic")
    async def panic(player: str = "ada") -> JSONResponse:
        """Fail while choosing the instance that serves a player."""
        guest = Player(checked_name(player))
        sentry_sdk.set_user({"id": guest.id, "username": guest.name})
        scope = sentry_sdk.get_isolation_scope()
        scope.set_level("fatal")
        sentry_sdk.add_breadcrumb(category="routing", message=f"choosing an instance for {player}")
        url = settings.upstreams[GAME_ENGINE.name]
        instance = choose_instance(GAME_ENGINE.name, guest.id, url)
        return JSONResponse({"instance": instance.url})

    @app.api_route("/api/v1/{path:path}", methods=METHODS)
    async def to_service(request: Request) -> Response:
        target = find_target(request.scope["raw_path"].decode("latin-1"))
        sentry_sdk.set_tag("upstream", target.service.name)
        sentry_sdk.add_breadcrumb(
            category="routing", message=f"{target.path} goes to {target.service.name}"
        )
        if not target.service.is_debug(target.path):
            shedding.admit()
            is_spin = (request.method, target) == ("POST", SPIN)
            faults.evaluate({NO_OP, TRUNCATES} if is_spin else {NO_OP})
        began = time.perf_counter()
        with traffic.in_flight(target):
            response = await forward(request, target, client, settings)
        log_answer(request, target, response, began)
        return truncated(response) if hits.is_marked(TRUNCATES) else response

    app.include_router(make_faults_router(GATEWAY, faults))
    app.include_router(make_decisions_router(GATEWAY, decisions))
    app.include_router(make_shedding_router(GATEWAY, shedding))

    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(Exception, answer_failure)
    return app


async def answer_failure(request: Request, error: Exception) -> JSONResponse:
    """Answer a failure of the gateway itself; Sentry already has it, and uvicorn logs it."""
    return JSONResponse(
        {
            "error": "internal-error",
            "detail": "The gateway failed; the error has been reported.",
            "trace_id": trace_id(),
        },
        500,
    )
