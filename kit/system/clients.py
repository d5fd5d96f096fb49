"""One Sentry client per service in one process.

``sentry_sdk.init()`` sets the client of the process-wide global scope, so the last call wins for
every thread. A client on an isolation scope is used only by code that runs in that scope, and
every task and thread started there inherits it.
"""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import sentry_sdk
from sentry_sdk.client import BaseClient
from sentry_sdk.scope import Scope, ScopeType, use_isolation_scope, use_scope

from demo_services.services import FRONTEND, Service
from demo_services.telemetry import sentry_options
from kit.system.profiler import PROFILER


class OffClient(BaseClient):
    """A client that captures nothing."""

    def is_active(self) -> bool:
        """Return True: scopes skip an inactive client and use the next one."""
        return True


@contextlib.contextmanager
def use_client(client: BaseClient, learner: str | None = None) -> Iterator[None]:
    """Make everything that runs, is awaited or starts inside the block report to ``client``.

    ``learner`` is the name attached to all of it.
    """
    isolation, current = Scope(ty=ScopeType.ISOLATION), Scope(ty=ScopeType.CURRENT)
    # Not set_client(): it also writes release and server name to the global scope, and every other
    # service would inherit them.
    isolation.client = client
    if learner:
        isolation.set_tag("learner", learner)
        # Logs and metrics have attributes instead of tags.
        isolation.set_attribute("learner", learner)
    with use_isolation_scope(isolation), use_scope(current):
        # Release, environment and server name for spans, logs and metrics.
        isolation.set_global_attributes()
        yield


def trace_header(trace_id: str, *, is_sampled: bool = False) -> dict[str, str]:
    """Return the header with which a request joins a trace, where no client adds it."""
    return {"sentry-trace": f"{trace_id}-{uuid.uuid4().hex[:16]}-{is_sampled:d}"}


@contextlib.contextmanager
def sentry_off() -> Iterator[None]:
    """Disable Sentry inside the block: an ingest must not report its own uploads."""
    with use_client(OffClient()):
        yield


def open_client(**options: Any) -> sentry_sdk.Client:
    """Return a Sentry client with these options and a running transport.

    If it started lazily, its thread would inherit the scope of the first request, and its upload
    would become a span there.
    """
    # An empty proxy overrides the environment's: a proxy cannot reach this machine's loopback.
    client = sentry_sdk.Client(http_proxy="", **options)
    with sentry_off():
        client.flush(timeout=1.0)
    return client


class ServiceClient:
    """The Sentry client of one service; it sends to ``dsn`` and adds the name ``learner``."""

    def __init__(self, service: Service, dsn: str, learner: str | None = None) -> None:
        self.service = service
        self._learner = learner
        options = sentry_options(service)
        if service is FRONTEND:
            # In-app is the slot machine's and the learner's code, not the rest of the kit.
            options["in_app_include"].append("kit.frontend.slot_machine")
            options["in_app_exclude"] = ["kit"]
        self.client = open_client(dsn=dsn, **options)

    @contextlib.contextmanager
    def bind(self) -> Iterator[None]:
        """Return a context in which this thread reports as this service."""
        with PROFILER.working_for(self.client), use_client(self.client, self._learner):
            yield

    def close(self) -> None:
        """Flush the queue for at most 10 seconds, and stop the client's threads."""
        self.client.close(timeout=10.0)
