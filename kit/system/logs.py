"""Keeps what the services log, so that no server traceback spills into a notebook cell.

And what failed in threads of the kit, which nothing else would tell.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import sentry_sdk

# Handlers are set on these; levels stay, because a record that is not emitted never reaches
# Sentry's logging integration either.
LOGGERS = ("uvicorn", "tornado", "asyncio", "demo_services")
KIT = __name__.partition(".")[0]
# What starts threads: its frames come first in their tracebacks.
_STARTERS = ("threading", "concurrent", "sentry_sdk", "contextlib")


class _LoggerSetup(NamedTuple):
    """How a logger was set up before."""

    handlers: list[logging.Handler]
    propagate: bool


class ServiceLog(logging.Handler):
    """The last ``size`` lines logged by the services, oldest first.

    Records from elsewhere, for example of a learner's own asyncio code, take their usual way.
    ``ended`` says, by the name of a thread of the kit, what failed in it; ``on_end`` then.
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
    """Say whether a thread began in the kit, and not in a service or in a learner's cell."""
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _STARTERS:
            return module.partition(".")[0] == KIT
        traceback = traceback.tb_next
    return False
