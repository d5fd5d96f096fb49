"""What a service is told at its start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from demo_services.services import ROUTED


@dataclass(frozen=True)
class Settings:
    """Settings of one service.

    ``debug_token`` is the value that debug routes want in ``X-Debug-Token``; without one they
    answer 404. ``debug_rate`` bounds calls of debug routes per client address, in the notation
    of the limits package. ``upstreams`` maps a service's name to its base URL (used by the
    gateway), ``deadline_s`` is how long a caller waits for another service, in seconds.
    ``mongodb_uri`` is where the analytics service keeps its data.
    """

    # Not in repr(): Sentry shows local variables by it.
    debug_token: str | None = field(default=None, repr=False)
    debug_rate: str = "100/second"
    upstreams: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float = 15.0
    # It may hold a password.
    mongodb_uri: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the variables of the same names, and ``<SERVICE>_URL`` for each upstream."""
        return cls(
            debug_token=os.environ.get("DEBUG_TOKEN") or None,
            debug_rate=os.environ.get("DEBUG_RATE", cls.debug_rate),
            deadline_s=float(os.environ.get("DEADLINE_S", cls.deadline_s)),
            mongodb_uri=os.environ.get("MONGODB_URI") or None,
            upstreams={
                service.name: os.environ.get(
                    f"{service.name.upper().replace('-', '_')}_URL",
                    f"http://127.0.0.1:{service.port}",
                )
                for service in ROUTED.values()
            },
        )
