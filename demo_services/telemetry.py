"""The Sentry options of every service, written once for both ways to run it.

A service that runs alone passes them to ``sentry_sdk.init``, as one does in production; a host
that keeps several services in one process passes the same ones to ``sentry_sdk.Client``.
"""

import sys
import warnings
from collections.abc import Mapping
from typing import Any

from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber

from demo_services import frames
from demo_services.redaction import redact_event
from demo_services.services import Service

# The transaction profiler is deprecated for the continuous one, which has a single owner per
# process and so cannot serve several clients side by side.
warnings.filterwarnings("ignore", message="Transaction-based profiling is deprecated")

# The profiler samples the stacks of all threads. On CPython 3.11 that can end the whole process
# under load (https://github.com/getsentry/sentry-python/issues/6119), so there only the routes are
# profiled that are slow on purpose.
frames.guard()
SLOW_ROUTES = ("/infinite-loop", "/memory-leak", "/performance-issue")

# uvicorn logs what the ASGI integration has captured already.
ignore_logger("uvicorn.error")


def sentry_options(service: Service) -> dict[str, Any]:
    """Return the keyword arguments for ``sentry_sdk.init`` or ``sentry_sdk.Client``.

    The DSN is not among them: the SDK reads ``SENTRY_DSN`` itself when it is not given one.
    """
    return {
        "release": service.release,
        "environment": "workshop",
        "server_name": service.name,
        "traces_sample_rate": 1.0,
        **profiling(),
        # Found from the package, not from the working directory: notebooks run elsewhere.
        "in_app_include": ["demo_services", "__main__"],
        # The default scrubber looks at top-level keys only and does not know our header.
        "event_scrubber": EventScrubber(
            denylist=[*DEFAULT_DENYLIST, "x-debug-token"], recursive=True
        ),
        # The scrubber goes by names of keys; these look at every text, too.
        "before_send": redact_event,
        "before_send_transaction": redact_event,
        "before_send_log": redact_event,
        # A workshop fires bursts: by default 100 queued envelopes drop the rest, and a full
        # queue halves the sample rate.
        "transport_queue_size": 5000,
        "enable_backpressure_handling": False,
    }


def profiling() -> dict[str, Any]:
    """Return the options that switch the profiler on, for all transactions where that is safe."""
    if sys.version_info >= (3, 12):
        return {"profiles_sample_rate": 1.0}
    return {"profiles_sampler": slow_routes_only}


def slow_routes_only(context: Mapping[str, Any]) -> float:
    """Return the share of transactions like this one that are profiled: all of them, or none."""
    request, scope = context.get("tornado_request"), context.get("asgi_scope")
    path = request.path if request else (scope or {}).get("path", "")
    return float(path.endswith(SLOW_ROUTES))
