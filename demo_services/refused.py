"""A request that a service refuses: the caller's mistake, not the service's."""

from collections.abc import Mapping

import sentry_sdk
from sentry_sdk import logger


class Refused(Exception):
    """A clear 4xx: ``status``, a short ``error`` code and a ``detail`` sentence.

    It is an answer, not a failure: the services log and count it, but report no event.
    """

    def __init__(
        self, status: int, error: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """The JSON body of the answer."""
        return {"error": self.error, "detail": self.detail}


def log_refusal(refused: Refused) -> None:
    """Log and count a refusal that is about to be answered."""
    logger.info(
        "refused: {error}",
        error=refused.error,
        attributes={"http.response.status_code": refused.status},
    )
    # By its code: the detail contains bets and balances, and would create a series for each.
    sentry_sdk.metrics.count("requests.refused", 1, attributes={"error": refused.error})


def not_found(path: str) -> Refused:
    """Return the answer of unknown paths, and of debug routes while debugging is off."""
    return Refused(404, "not-found", f"There is nothing at {path}.")
