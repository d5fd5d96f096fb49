"""Load shedding: refuses some requests on purpose, so that the rest is served."""

import time
from collections.abc import Mapping
from typing import Any

import sentry_sdk

from demo_services.faults.order import checked_seconds, is_number, out_of_bounds
from demo_services.faults.split import is_hit
from demo_services.refused import Refused
from demo_services.trace import trace_id

FLAG = "shed-load"
RETRY_S = 5


class Shedding:
    """Refuses a share of the requests until its time is up. At first it refuses none."""

    def __init__(self) -> None:
        self._share = 0.0
        self._until = 0.0
        self._refused = 0

    def begin(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse a ``share`` of the requests for ``seconds``; return the state.

        Raises ``Refused`` (422) out of bounds.
        """
        share = body.get("share")
        if not is_number(share) or not 0 < share <= 1:
            raise out_of_bounds("share must be a number above 0, at most 1.")
        self._until = time.time() + checked_seconds(body.get("seconds"))
        self._share, self._refused = share, 0
        return self.state()

    def clear(self) -> dict[str, Any]:
        """Stop refusing; return the previous state."""
        before, self._until = self.state(), 0.0
        return before

    def state(self) -> dict[str, Any]:
        """Return its state for a response; ``until`` is in seconds since the epoch."""
        is_on = self._until > time.time()
        return {
            "share": self._share if is_on else 0.0,
            "until": self._until if is_on else None,
            "refused": self._refused,
        }

    def admit(self) -> None:
        """Raise ``Refused`` (503) when this request is shed."""
        if self._until <= time.time():
            return
        if is_hit(0, FLAG, trace_id() or "", self._share):
            self._refused += 1
            sentry_sdk.metrics.count("gateway.requests_shed", 1)
            detail = f"Too much to do: {self._share:.0%} of the requests are turned away."
            raise Refused(503, "shed", detail, {"Retry-After": str(RETRY_S)})
