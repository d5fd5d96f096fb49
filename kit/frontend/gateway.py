"""The notebook's calls through the gateway: HTTP as a browser would make it."""

from typing import Any

import httpx
from sentry_sdk import logger

from demo_services.connections import ONE_REQUEST
from demo_services.services import GAME_ENGINE
from kit.actionable import WorkshopError

ANSWER_DEADLINE_S = 30.0


class GatewayClient:
    """Calls the gateway at ``url`` with the debug ``token``, until ``close()``."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        # One client for all calls: creating one costs more than a call. A proxy cannot reach this
        # machine's loopback.
        self.http = httpx.Client(timeout=ANSWER_DEADLINE_S, trust_env=False, limits=ONE_REQUEST)

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Return the response; ``options`` are those of httpx. Raises WorkshopError without one.

        The SDK's integration for httpx adds the headers that continue the trace.
        """
        sent = {"X-Debug-Token": self._token, **(headers or {})}
        url = self._url + path
        try:
            response = self.http.request(method, url, headers=sent, **options)
        except (httpx.HTTPError, RuntimeError) as error:
            raise WorkshopError(
                f"{method} {url} got no answer: {type(error).__name__}: {error}. "
                "Run workshop.stop() and Workshop.start() to restart the system."
            ) from error
        logger.info(
            "{method} {path} answered with {status}",
            method=method,
            path=path,
            status=response.status_code,
            attributes={"duration_ms": round(1000 * response.elapsed.total_seconds(), 1)},
        )
        return response

    def spin(self, player: str, bet: int) -> httpx.Response:
        """Return the response to a spin of a player. Raises WorkshopError without one."""
        path = f"/api/v1/{GAME_ENGINE.prefix}/spin"
        return self.request("POST", path, json={"player": player, "bet": bet})

    def close(self) -> None:
        """Close its connections; later calls raise WorkshopError."""
        self.http.close()
