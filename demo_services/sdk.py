"""The generation of Sentry's Python SDK that is installed, and what the two call differently.

Version 3 has no transactions, no scrubber and no profiles of transactions, and other defaults:
https://github.com/getsentry/sentry-python/releases.
"""

import logging

from sentry_sdk.consts import VERSION
from sentry_sdk.integrations import logging as logging_integrations
from sentry_sdk.integrations.logging import LoggingIntegration

GENERATION = int(VERSION.partition(".")[0])


def ignore_logger(name: str) -> None:
    """Make neither events nor breadcrumbs of what is logged under this name."""
    if GENERATION >= 3:
        logging_integrations.ignore_logger_for_events(name)  # type: ignore[attr-defined]
    else:
        logging_integrations.ignore_logger(name)


def logging_integration(*, logs: bool = False) -> LoggingIntegration:
    """Return what makes events of logged errors, and breadcrumbs of what else is logged.

    Version 2 does so by default. In version 3 nothing of ``logging`` arrives unless one asks.
    With ``logs`` each record is sent as a structured log, too; in version 2 by every client of the
    process.
    """
    if GENERATION >= 3:
        level = logging.INFO if logs else None
        return LoggingIntegration(level=level, event_level=logging.ERROR)
    return LoggingIntegration(capture_sentry_logs=logs)
