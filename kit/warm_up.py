"""Does the one-time work of the first crash in advance, while the start waits for processes.

Our source is then parsed, the templates are compiled, and the Sentry SDK and the HTTP client have
done what they do once per process.
"""

from functools import cache
from importlib import import_module
from typing import Any

from sentry_sdk.consts import VERSION
from sentry_sdk.utils import _get_installed_modules, event_from_exception

from kit.html import ENVIRONMENT
from kit.provenance.python_source import source
from kit.system.clients import sentry_off
from kit.views.card import event_card

_TEMPLATES = (
    *("waterfall.html", "flame.html", "gauges.html", "events.html"),
    *("crash.html", "state.html", "trace_and_fix.html"),
)


@cache
def warm_up() -> None:
    """Warm up, once per process."""
    with sentry_off():
        # The SDK reads the metadata of all installed packages for the first event.
        _get_installed_modules()
        # The gateway's client imports it on its first call.
        import_module("anyio._backends._asyncio")
        for template in _TEMPLATES:
            ENVIRONMENT.get_template(template)
        event_card(_event())
        # Last: CPython 3.11 fails when two threads build syntax trees at once.
        _ = source().sites


def _event() -> dict[str, Any]:
    """Return the event of an exception, without sending it."""
    try:
        raise LookupError("warm-up")
    except LookupError as error:
        event, _ = event_from_exception(error)
    sdk = {"name": "sentry.python.fastapi", "version": VERSION}
    return {**event, "sdk": sdk, "contexts": {"trace": {"op": "x"}}}
