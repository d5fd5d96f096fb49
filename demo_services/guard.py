"""Who may use the debug routes of a service, and how often."""

import hmac
import math
import time
from collections import deque
from datetime import UTC, datetime
from ipaddress import ip_address

import sentry_sdk
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from demo_services.refused import Refused, not_found
from demo_services.settings import Settings

TOKEN_HEADER = "X-Debug-Token"  # noqa: S105 - the header's name
REMEMBERED = 10


class Guard:
    """Admits callers to debug routes; works for any framework.

    A caller is counted before the token is compared, so guessing tokens is limited, too. Callers
    are distinguished by the address of their connection: a header would be their own choice. For a
    service behind the gateway, everything that comes through it is one caller.
    """

    def __init__(self, settings: Settings) -> None:
        self._expected = settings.debug_token
        self._rate = parse(settings.debug_rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._wrong: deque[datetime] = deque(maxlen=REMEMBERED)

    def admit(self, path: str, address: str, token: str | None) -> None:
        """Return if the caller may continue.

        Raises ``Refused``: 404 while no token is configured, 429 when ``address`` calls too
        often, 401 for a wrong or missing token.
        """
        if self._expected is None:
            raise not_found(path)
        caller = caller_at(address)
        if not self._limiter.hit(self._rate, caller):
            raise self._too_fast(caller)
        # As bytes: compare_digest refuses text that is not ASCII.
        if not hmac.compare_digest((token or "").encode(), self._expected.encode()):
            self._wrong.append(datetime.now(UTC))
            sentry_sdk.metrics.count("guard.wrong_token", 1)
            raise Refused(401, "debug-token", f"Debug routes need the {TOKEN_HEADER} header.")
        self._leave_breadcrumbs()

    def _leave_breadcrumbs(self) -> None:
        """Add earlier refused requests to the events of this one.

        A refused request has no event for a breadcrumb, and its scope ends with the request.
        So the next admitted request has the breadcrumbs.
        """
        while self._wrong:
            sentry_sdk.add_breadcrumb(
                category="guard",
                message="wrong or missing debug token",
                level="warning",
                timestamp=self._wrong.popleft(),
            )

    def _too_fast(self, caller: str) -> Refused:
        reset = self._limiter.get_window_stats(self._rate, caller).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        return Refused(
            429,
            "too-fast",
            f"Debug routes allow {self._rate}; try again in {wait} s.",
            {"Retry-After": str(wait)},
        )


def caller_at(address: str) -> str:
    """Return the caller for an address: all of 127.0.0.0/8 is this machine."""
    try:
        is_here = ip_address(address).is_loopback
    except ValueError:  # no address, as in tests without a network
        return address
    return "this machine" if is_here else address
