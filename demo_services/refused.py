"""A request that a service turns down: the caller's mistake, not the service's."""

from collections.abc import Mapping


class Refused(Exception):
    """A clear 4xx: ``status``, a short ``error`` code and a ``detail`` sentence.

    It is an answer, not a failure, so the services never report it to Sentry.
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


def not_found(path: str) -> Refused:
    """What every unknown path answers, and every debug route while debugging is off."""
    return Refused(404, "not-found", f"There is nothing at {path}.")
