"""The pulse of a service: its response time, and the heap size that it reports."""

import threading
import time
from typing import Any, Self

import httpx

from kit.system.clients import sentry_off

INTERVAL_S = 0.025
PATIENCE_S = 30.0
FIRST_S = 2.0


class Pulse:
    """Polls the health route of a service while a ``with`` block runs.

    A service whose event loop is blocked cannot report that; its late response shows it.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/health"
        self._asked: float | None = None
        self._delay = 0.0
        self._stop = threading.Event()
        self._asked_once = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workshop-pulse", daemon=True)
        self.heap_mb: float | None = None

    @property
    def delay_ms(self) -> float:
        """How long the last response took, or how long the pending one has taken so far."""
        asked = self._asked
        waiting = 0.0 if asked is None else time.perf_counter() - asked
        return 1000 * max(self._delay, waiting)

    def __enter__(self) -> Self:
        self._thread.start()
        # Otherwise a crash that stops the service at once would hide its state before.
        self._asked_once.wait(FIRST_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        # A new connection each time: a persistent one dies with the process.
        limits = httpx.Limits(max_keepalive_connections=0)
        with sentry_off(), httpx.Client(timeout=PATIENCE_S, limits=limits, trust_env=False) as http:
            # The first one takes longer on the client's side.
            self._ask(http)
            self._delay = 0.0
            self._asked_once.set()
            while not self._stop.is_set():
                self._ask(http)
                self._stop.wait(INTERVAL_S)

    def _ask(self, http: httpx.Client) -> None:
        began = self._asked = time.perf_counter()
        try:
            process: dict[str, Any] = http.get(self._url).json()["process"]
            self.heap_mb = process["heap_used_mb"]
        except (httpx.HTTPError, ValueError, KeyError):
            # A failed request is not a delay. The recording shows that the process ended.
            self._delay = 0.0
        else:
            self._delay = time.perf_counter() - began
        finally:
            self._asked = None
