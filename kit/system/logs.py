"""Collects the services' logs, so that no server traceback spills into a notebook cell.

Also collects failures in the kit's own threads, which would otherwise go unnoticed.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import sentry_sdk

# These get handlers; their levels stay, because a record that is not emitted never reaches Sentry's
# logging integration either.
LOGGERS = ("uvicorn", "tornado", "asyncio", "demo_services")
KIT = __name__.partition(".")[0]
# The modules that start threads: their frames come first in a thread's traceback.
_STARTERS = ("threading", "concurrent", "sentry_sdk", "contextlib")


class _LoggerSetup(NamedTuple):
    """A logger's previous setup."""

    handlers: list[logging.Handler]
    propagate: bool


class ServiceLog(logging.Handler):
    """The last ``size`` lines logged by the services, oldest first.

    Other records, for example from a learner's own asyncio code, go to their usual handlers.
    ``ended`` maps the name of a kit thread to the error that ended it; ``on_end`` is called then.
    """

    def __init__(
        self,
        names: frozenset[str],
        size: int = 2000,
        *,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self.ended: dict[str, str] = {}
        self._on_end = on_end
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._names = names
        self._replaced: dict[str, _LoggerSetup] = {}
        self._lines: deque[tuple[str, str]] = deque(maxlen=size)

    def emit(self, record: logging.LogRecord) -> None:
        """Store the record under the service that logged it."""
        service = self._service()
        if service is not None:
            self._lines.append((service, self.format(record)))
            return
        replaced = self._replaced[record.name.partition(".")[0]]
        for handler in replaced.handlers:
            handler.handle(record)
        if replaced.propagate:
            logging.getLogger().callHandlers(record)

    def note(self, service: str, line: str) -> None:
        """Store a line that a separate process wrote."""
        self._lines.append((service, line))

    def lines(self, service: str | None = None) -> list[str]:
        """Return the logged lines of one service or of all, oldest first."""
        return [line for name, line in self._lines if service in (None, name)]

    def install(self) -> None:
        """Take over the servers' loggers and the tracebacks of the services' threads."""
        for name in LOGGERS:
            logger = logging.getLogger(name)
            # The kernel's Tornado has a handler here that prints.
            self._replaced[name] = _LoggerSetup(logger.handlers, logger.propagate)
            logger.handlers, logger.propagate = [self], False
        self._excepthook = threading.excepthook
        threading.excepthook = self._thread_failed

    def uninstall(self) -> None:
        """Restore the loggers and the hook."""
        for name, replaced in self._replaced.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = replaced.handlers, replaced.propagate
        if threading.excepthook == self._thread_failed:
            threading.excepthook = self._excepthook

    def _service(self) -> str | None:
        name = sentry_sdk.get_client().options.get("server_name")
        return name if name in self._names else None

    def _thread_failed(self, args: threading.ExceptHookArgs) -> None:
        # The hook runs outside the thread's scopes, so only its name identifies the service.
        thread = args.thread.name if args.thread else ""
        service = next((name for name in self._names if thread.startswith(name)), None)
        is_ours = _is_of_kit(args.exc_traceback)
        if args.exc_value is None or (service is None and not is_ours):
            self._excepthook(args)
            return
        exc_info = (args.exc_type, args.exc_value, args.exc_traceback)
        record = logging.LogRecord(
            "threading", logging.ERROR, __file__, 0, f"in thread {thread}", None, exc_info
        )
        self._lines.append((service or thread, self.format(record)))
        if is_ours:
            self.ended[thread] = f"{args.exc_type.__name__}: {args.exc_value}".rstrip(": ")
            self._on_end()


def _is_of_kit(traceback: TracebackType | None) -> bool:
    """Return whether a thread was started by the kit, not by a service or a learner's cell."""
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _STARTERS:
            return module.partition(".")[0] == KIT
        traceback = traceback.tb_next
    return False
