"""The state of the system: the gateway's own and that of each service."""

import asyncio
import time
from typing import Any

import httpx

from demo_services.services import GATEWAY, ROUTED, Service
from demo_services.settings import Settings

DEADLINE_S = 2.0


async def health(client: httpx.AsyncClient, settings: Settings) -> dict[str, Any]:
    """Ask all services at once. The gateway is degraded while one of them is not up."""
    services = list(ROUTED.values())
    states = await asyncio.gather(
        *(state(client, settings.upstreams.get(service.name), service) for service in services)
    )
    up = all(state["status"] == "up" for state in states)
    return {
        "status": "up" if up else "degraded",
        "service": GATEWAY.name,
        "release": GATEWAY.release,
        "services": {service.name: state for service, state in zip(services, states, strict=True)},
    }


async def state(client: httpx.AsyncClient, url: str | None, service: Service) -> dict[str, Any]:
    """Return a service's own health report, or why there is none."""
    if url is None:
        return {"status": "down", "detail": f"{service.name} does not run here"}
    started = time.perf_counter()
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer = await client.get(f"{url}/health")
        said = answer.raise_for_status().json()
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        return {"status": "down", "detail": f"{service.name}: {error or type(error).__name__}"}
    elapsed_ms = (time.perf_counter() - started) * 1000
    return {"status": said["status"], "answered_ms": round(elapsed_ms, 1)}
