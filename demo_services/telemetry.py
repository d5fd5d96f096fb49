"""The Sentry options of every service, defined once for both ways to run it.

A service that runs alone passes them to ``sentry_sdk.init``, as in production; a host that runs
several services in one process passes the same ones to ``sentry_sdk.Client``.
"""

from typing import Any

from demo_services import frames
from demo_services.redaction import redact_event
from demo_services.sdk import ignore_logger, logging_integration
from demo_services.services import Service

# Reported by all services, whatever the shell sets.
ENVIRONMENT = "workshop"

frames.guard()

# uvicorn logs what the ASGI integration has already captured.
ignore_logger("uvicorn.error")

# What the SDK collects itself: https://docs.sentry.io/platforms/python/configuration/options/.
# In headers, cookies and queries it filters values whose name contains "key", "token", "sid" or the
# like. With a mode it would also filter local variables; not here, as "side_bets" contains "sid".
# redact_event filters by names of secrets, also in local variables, bodies and messages.
DATA_COLLECTION = {
    # Neither the addresses of callers, nor the user on spans and logs.
    "user_info": False,
    "cookies": {"mode": "off"},
    "database_query_data": False,
}


def sentry_options(service: Service) -> dict[str, Any]:
    """Return the keyword arguments for ``sentry_sdk.init`` or ``sentry_sdk.Client``.

    The DSN is not among them: the SDK reads ``SENTRY_DSN`` itself when it is not given one.
    """
    return {
        "release": service.release,
        "environment": ENVIRONMENT,
        "server_name": service.name,
        # Spans are sent as they end, not as parts of a transaction.
        "trace_lifecycle": "stream",
        "traces_sample_rate": 1.0,
        # The profiler runs while a span of any service is open.
        "profile_lifecycle": "trace",
        "profile_session_sample_rate": 1.0,
        # Found from the package, not from the working directory: notebooks run elsewhere.
        "in_app_include": ["demo_services", "__main__"],
        "integrations": [logging_integration()],
        "data_collection": DATA_COLLECTION,
        # Data collection filters by key names; these functions also check every text.
        "before_send": redact_event,
        "before_send_span": redact_event,
        "before_send_log": redact_event,
        "before_send_metric": redact_event,
        # A workshop fires bursts: by default 100 queued envelopes drop the rest, and a full
        # queue halves the sample rate.
        "transport_queue_size": 5000,
        "enable_backpressure_handling": False,
    }
