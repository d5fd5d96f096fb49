"""The notebook as a service that reports to Sentry: the frontend.

IPython catches what a cell raises, shows it and continues, so ``sys.excepthook``, where the SDK
captures uncaught errors, never runs. The hook uses the events with which IPython reports them:
https://ipython.readthedocs.io/en/stable/config/callbacks.html for cells. ipywidgets has no event
for what a callback raises; it calls ``showtraceback()`` of the shell.
"""

import bdb
import linecache
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import sentry_sdk
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell
from sentry_sdk.utils import capture_internal_exceptions, event_from_exception

from demo_services.process import ProcessGauge
from demo_services.services import FRONTEND
from kit.system.clients import ServiceClient

SHOWN_LINES = 5
REMEMBERED_CELLS = 20
_REPORTED = "_reported_by_frontend"
# The user left the debugger, or mistyped an IPython command.
_HARMLESS = (bdb.BdbQuit, UsageError)

ErrorTuple = tuple[type[BaseException], BaseException, TracebackType | None]
Show = Callable[..., None]
CellRun = tuple[datetime, str, bool]


class Hook:
    """Reports errors of cells and of widget callbacks to Sentry, as the frontend.

    The traceback is shown as usual. KeyboardInterrupt and SystemExit, which the user asked for, are
    not reported; neither are syntax errors, whose cell never ran. Without a ``shell`` only the
    kit's own handlers report.
    """

    def __init__(self, shell: InteractiveShell | None, client: ServiceClient) -> None:
        self._shell = shell
        self._client = client
        self._gauge = ProcessGauge()
        self._cells: deque[CellRun] = deque(maxlen=REMEMBERED_CELLS)
        self._is_in_cell = False
        self._output_widget_errors: list[ErrorTuple] = []
        self.is_on = False

    def on(self) -> None:
        """Report from now on; a second call changes nothing."""
        if self.is_on:
            return
        self.is_on = True
        if self._shell is not None:
            self._shell.events.register("pre_run_cell", self._before_cell)
            self._shell.events.register("post_run_cell", self._after_cell)
            self._show = self._shell.showtraceback
            self._show_and_report = partial(self._on_traceback, self._show)
            self._shell.showtraceback = self._show_and_report  # type: ignore[method-assign]

    def off(self) -> None:
        """Leave IPython as it was; a second call changes nothing."""
        if not self.is_on:
            return
        self.is_on = False
        if self._shell is not None:
            self._shell.events.unregister("pre_run_cell", self._before_cell)
            self._shell.events.unregister("post_run_cell", self._after_cell)
            # Other code may have wrapped it since, which must not be lost.
            if self._shell.showtraceback is self._show_and_report:
                self._shell.showtraceback = self._show  # type: ignore[method-assign]

    @contextmanager
    def handler(self) -> Iterator[None]:
        """Catch and report what the block raises, as ipywidgets does for callbacks.

        For handlers that run in a thread of the kit, which ipywidgets does not see.
        """
        try:
            yield
        except Exception as error:
            self._report(error, "handler")

    def describe(self) -> None:
        """Set the tag and the contexts that every event of the frontend has."""
        sentry_sdk.set_tag("service", FRONTEND.name)
        sentry_sdk.set_context("process", self._gauge.read())
        sentry_sdk.set_context("jupyter", self._jupyter())

    def _jupyter(self) -> dict[str, str | None]:
        return {
            "ipython": version("ipython"),
            "ipywidgets": version("ipywidgets"),
            "ipykernel": version("ipykernel"),
            "shell": type(self._shell).__name__ if self._shell else None,
            "notebook": _notebook(),
        }

    def _before_cell(self, info: ExecutionInfo) -> None:
        self._is_in_cell = True
        self._output_widget_errors.clear()

    def _after_cell(self, result: ExecutionResult | None) -> None:
        self._is_in_cell = False
        self._replay_output_widget_errors()
        # IPython has no result when it was interrupted outside the cell's code.
        if result is None or result.info is None:
            return
        if result.error_in_exec is not None:
            self._report(result.error_in_exec, "cell")
        first_line = result.info.raw_cell.strip().partition("\n")[0]
        name = f"[{result.execution_count}] {first_line}"
        self._cells.append((datetime.now(UTC), name, result.success))

    def _on_traceback(
        self, show: Show, exc_tuple: ErrorTuple | None = None, *given: Any, **options: Any
    ) -> None:
        """Report what a widget's callback raised, then show it."""
        # Errors of a cell are shown in the same way, and reported when the cell has ended.
        if self.is_on and not options.get("running_compiled_code"):
            self._note(exc_tuple)
        show(exc_tuple, *given, **options)

    def _note(self, exc_tuple: ErrorTuple | None) -> None:
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if error is not None:
            self._report(error, "callback")
        if exc_tuple and self._is_in_cell and exc_tuple not in self._output_widget_errors:
            self._output_widget_errors.append(exc_tuple)

    def _replay_output_widget_errors(self) -> None:
        """Show again, below the cell, errors that only an Output widget shows.

        When code presses the button, the widget may not be displayed, and a notebook that runs in
        CI would pass.
        """
        for error in self._output_widget_errors:
            self._show(error)
        self._output_widget_errors.clear()

    def _report(self, error: BaseException, raised_in: str) -> None:
        if not self.is_on or not is_failure(error) or is_reported(error):
            return
        # A failure in here must not hide the traceback from the learner.
        with capture_internal_exceptions(), self.reporting():
            self.describe()
            sentry_sdk.set_tag("raised_in", raised_in)
            if cell := self._cell_of(error):
                sentry_sdk.set_context("cell", cell)
            for at, line, succeeded in self._cells:
                _leave_breadcrumb(at, line, succeeded)
            capture_unhandled(error)

    def reporting(self) -> AbstractContextManager[None]:
        """Return a context that reports as the frontend; an open one continues, with its trace."""
        is_open = sentry_sdk.get_client() is self._client.client
        return nullcontext() if is_open else self._client.bind()

    def _cell_of(self, error: BaseException) -> dict[str, Any] | None:
        """Return the first cell in the traceback: for a callback, the one that defines it."""
        for frame, line in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            label = self._shell and self._shell.compile.format_code_name(name)
            if label:
                lines = linecache.getlines(name)
                return {
                    "execution_count": int(label[1].strip("In[]")),
                    "line": line,
                    "lines": len(lines),
                    "source": "".join(lines[:SHOWN_LINES]),
                }
        return None


def is_failure(error: BaseException) -> bool:
    """Return whether something went wrong: no interrupt, no exit, nothing harmless."""
    return isinstance(error, Exception) and not isinstance(error, _HARMLESS)


def is_reported(error: BaseException) -> bool:
    """Return whether the frontend has already reported this exception."""
    return _REPORTED in error.__dict__


def mark_reported(error: BaseException) -> None:
    """Mark this exception as reported, wherever it is raised again."""
    # Not setattr: classes may forbid it, as frozen data classes do.
    error.__dict__[_REPORTED] = True


def capture_unhandled(error: BaseException) -> None:
    """Send an exception that no notebook code caught."""
    event, hint = event_from_exception(error, mechanism={"type": "notebook", "handled": False})
    sentry_sdk.capture_event(event, hint=hint)
    mark_reported(error)


def _notebook() -> str | None:
    """Return the notebook's file name: the Jupyter server sets it, not every program does."""
    path = os.environ.get("JPY_SESSION_NAME")
    # The folders above it may contain the user's name.
    return Path(path).name if path else None


def _leave_breadcrumb(at: datetime, line: str, succeeded: bool) -> None:
    sentry_sdk.add_breadcrumb(
        category="cell",
        message=f"cell {line}",
        level="info" if succeeded else "error",
        timestamp=at,
    )
