"""The installed generation of Sentry's Python SDK, and the calls that differ between the two.

Version 3 has no transactions, no scrubber, no profiles of transactions, and other defaults:
https://github.com/getsentry/sentry-python/releases.
"""

import logging

from sentry_sdk.consts import VERSION
from sentry_sdk.integrations import logging as logging_integrations
from sentry_sdk.integrations.logging import LoggingIntegration

GENERATION = int(VERSION.partition(".")[0])


def ignore_logger(name: str) -> None:
    """Create neither events nor breadcrumbs from records of this logger."""
    if GENERATION >= 3:
        logging_integrations.ignore_logger_for_events(name)  # type: ignore[attr-defined]
    else:
        logging_integrations.ignore_logger(name)


def logging_integration(*, logs: bool = False) -> LoggingIntegration:
    """Return the integration that makes events of logged errors, and breadcrumbs of other records.

    Version 2 does that by default. In version 3 nothing from ``logging`` arrives unless configured.
    With ``logs`` each record is also sent as a structured log; in version 2 by every client of the
    process.
    """
    if GENERATION >= 3:
        level = logging.INFO if logs else None
        return LoggingIntegration(level=level, event_level=logging.ERROR)
    return LoggingIntegration(capture_sentry_logs=logs)
