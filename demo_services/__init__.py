"""The system that gets crashed: a small online slot machine.

Each service also runs alone, as it would in production::

    SENTRY_DSN=... python -m demo_services.game_engine --port 8082

Nothing here imports ``kit``.
"""

import contextlib
import importlib
import os


def _load_opentelemetry() -> None:
    """Load the part of OpenTelemetry that FastAPI imports, with its defaults.

    It reads its variables on import. A shell may name propagators in them that only another program
    has, and then importing FastAPI would fail.
    """
    names = [name for name in os.environ if name.startswith("OTEL_")]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        if hidden:
            with contextlib.suppress(ImportError):
                importlib.import_module("opentelemetry.propagate")
    finally:
        os.environ.update(hidden)


_load_opentelemetry()
