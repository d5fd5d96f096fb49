"""Variables of the learner's shell that would change what the services report.

The services run in the learner's own process. Each has the settings that the course explains; a
shell that is set up for another project must not add any. Options take precedence over variables,
but some variables have no option: SENTRY_TRACE puts everything captured into another trace.
FastAPI has its own telemetry, which OpenTelemetry's variables and one of FastAPI's enable.
"""

import contextlib
from collections.abc import Iterator, MutableMapping

from kit.hosting.environment import TELEMETRY

# The relay's address, and variables that sentry-cli reads, which a learner may run.
KEPT = frozenset(
    (
        *("SENTRY_DSN", "SENTRY_AUTH_TOKEN", "SENTRY_ORG", "SENTRY_PROJECT", "SENTRY_URL"),
        "SENTRY_PROPERTIES",
    )
)


@contextlib.contextmanager
def hide_telemetry_settings(environment: MutableMapping[str, str]) -> Iterator[list[str]]:
    """Remove these variables from an environment inside the block; yield their names.

    Child processes do not inherit them either.
    """
    hidden = {name: environment.pop(name) for name in sorted(environment) if _is_hidden(name)}
    try:
        yield list(hidden)
    finally:
        for name, value in hidden.items():
            # A value set in a cell meanwhile is newer.
            environment.setdefault(name, value)


def _is_hidden(name: str) -> bool:
    return name.startswith(TELEMETRY) and name not in KEPT
