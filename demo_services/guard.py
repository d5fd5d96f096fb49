"""Who may use the debug routes of a service, and how often."""

import hmac
import math
import time

import sentry_sdk
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from demo_services.refused import Refused, not_found
from demo_services.settings import Settings

TOKEN_HEADER = "X-Debug-Token"  # noqa: S105 - the header's name


class Guard:
    """Admits callers to debug routes; works for any framework.

    A caller is counted before the token is compared, so guessing tokens is limited too.
    """

    def __init__(self, settings: Settings) -> None:
        self._expected = settings.debug_token
        self._rate = parse(settings.debug_rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def admit(self, path: str, address: str, token: str | None) -> None:
        """Return when the caller may go on.

        Raises ``Refused``: 404 while no token is configured, 429 when ``address`` calls too
        often, 401 for a wrong or missing token.
        """
        if self._expected is None:
            raise not_found(path)
        if not self._limiter.hit(self._rate, address):
            raise self._too_fast(address)
        # As bytes: compare_digest refuses text that is not ASCII.
        if not hmac.compare_digest((token or "").encode(), self._expected.encode()):
            sentry_sdk.add_breadcrumb(
                category="guard", message="wrong or missing debug token", level="warning"
            )
            raise Refused(401, "debug-token", f"Debug routes need the {TOKEN_HEADER} header.")

    def _too_fast(self, address: str) -> Refused:
        reset = self._limiter.get_window_stats(self._rate, address).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        return Refused(
            429,
            "too-fast",
            f"Debug routes allow {self._rate}; try again in {wait} s.",
            {"Retry-After": str(wait)},
        )
