"""The settings of a service, read at startup."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import limits

from demo_services.services import ROUTED


class SettingsError(ValueError):
    """A variable has an invalid value; the message says what is valid."""


@dataclass(frozen=True)
class Settings:
    """Settings of one service.

    ``debug_token`` is the value that debug routes require in ``X-Debug-Token``; without one they
    answer 404. ``debug_rate`` limits calls to debug routes per client address, in the notation of
    the limits package. ``upstreams`` maps a service's name to its base URL, ``deadline_s`` is how
    long a caller waits for another service, in seconds.
    ``mongodb_uri`` is the database of the analytics service.
    """

    # Not in repr(), which Sentry uses to show local variables.
    debug_token: str | None = field(default=None, repr=False)
    debug_rate: str = "100/second"
    upstreams: Mapping[str, str] = field(default_factory=dict)
    deadline_s: float = 15.0
    # It may contain a password.
    mongodb_uri: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, *, needs_all: bool = False) -> "Settings":
        """Read the variables of the same names, and ``<SERVICE>_URL`` for each upstream.

        Upstreams without a variable are left out, or with ``needs_all`` expected at their
        default ports. Raises SettingsError.
        """
        urls = {service: variable(f"{service.name}_URL") for service in ROUTED.values()}
        if needs_all:
            urls = {service: url or service.default_url for service, url in urls.items()}
        return cls(
            debug_token=variable("DEBUG_TOKEN"),
            debug_rate=_rate("DEBUG_RATE", cls.debug_rate),
            deadline_s=_seconds("DEADLINE_S", cls.deadline_s),
            mongodb_uri=variable("MONGODB_URI"),
            upstreams={service.name: url for service, url in urls.items() if url},
        )


def _rate(name: str, default: str) -> str:
    given = variable(name) or default
    try:
        limits.parse(given)
    except ValueError as error:
        raise SettingsError(
            f"{name} is {given!r}; it must be like {default}. Correct it, or unset it."
        ) from error
    return given


def _seconds(name: str, default: float) -> float:
    given = variable(name)
    try:
        seconds = float(given) if given else default
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SettingsError(
            f"{name} is {given!r}; it must be a number of seconds. Correct it, or unset it."
        )
    return seconds


def variable(name: str) -> str | None:
    """Return an environment variable; None when it is unset or empty."""
    return os.environ.get(name.upper().replace("-", "_")) or None
