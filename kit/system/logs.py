"""Keeps what the services log, so that no server traceback spills into a notebook cell."""

import logging
import threading
from collections import deque
from typing import NamedTuple

import sentry_sdk

# Handlers are set on these; levels stay, because a record that is not emitted never reaches
# Sentry's logging integration either.
LOGGERS = ("uvicorn", "tornado", "asyncio", "demo_services")


class _LoggerSetup(NamedTuple):
    """How a logger was set up before."""

    handlers: list[logging.Handler]
    propagate: bool


class ServiceLog(logging.Handler):
    """The last ``size`` lines logged by the services, oldest first.

    Records from elsewhere, for example of a learner's own asyncio code, take their usual way.
    """

    def __init__(self, names: frozenset[str], size: int = 2000) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._names = names
        self._replaced: dict[str, _LoggerSetup] = {}
        self._lines: deque[tuple[str, str]] = deque(maxlen=size)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record under the service that logs it."""
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
        """Keep a line that a program of its own wrote."""
        self._lines.append((service, line))

    def lines(self, service: str | None = None) -> list[str]:
        """Return what was logged, oldest first, of one service or of all."""
        return [line for name, line in self._lines if service in (None, name)]

    def install(self) -> None:
        """Take over the servers' loggers and the tracebacks of the services' threads."""
        for name in LOGGERS:
            logger = logging.getLogger(name)
            # A kernel's own Tornado has a handler here that prints.
            self._replaced[name] = _LoggerSetup(logger.handlers, logger.propagate)
            logger.handlers, logger.propagate = [self], False
        self._excepthook = threading.excepthook
        threading.excepthook = self._thread_failed

    def uninstall(self) -> None:
        """Give the loggers and the hook back."""
        for name, replaced in self._replaced.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = replaced.handlers, replaced.propagate
        if threading.excepthook == self._thread_failed:
            threading.excepthook = self._excepthook

    def _service(self) -> str | None:
        name = sentry_sdk.get_client().options.get("server_name")
        return name if name in self._names else None

    def _thread_failed(self, args: threading.ExceptHookArgs) -> None:
        # The hook runs outside of the thread's scopes: its name is what is left to tell by.
        thread = args.thread.name if args.thread else ""
        service = next((name for name in self._names if thread.startswith(name)), None)
        if service is None or args.exc_value is None:
            self._excepthook(args)
            return
        exc_info = (args.exc_type, args.exc_value, args.exc_traceback)
        record = logging.LogRecord(
            "threading", logging.ERROR, __file__, 0, f"in thread {thread}", None, exc_info
        )
        self._lines.append((service, self.format(record)))
