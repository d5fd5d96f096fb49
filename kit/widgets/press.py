"""Does the work of a pressed button in the background."""

import os
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import ipywidgets

from kit.html import render

PRESS_VARIABLE = "WORKSHOP_PRESS"
"""Set, it has each crash button pressed when it is shown: for a course that is read, not run."""
THREAD = "workshop-press"
BUSY = "cw-busy"

Value = TypeVar("Value")


class Press(Generic[Value]):
    """Does ``work`` when ``button`` is pressed, once at a time.

    It runs in a separate thread: the kernel stays free, and other buttons work. ``on_failure`` gets
    what ``work`` raised. Meanwhile the button has the CSS class ``BUSY``. It is not disabled: that
    would take away the keyboard focus.
    """

    def __init__(
        self,
        button: ipywidgets.Button,
        work: Callable[[], Value],
        on_failure: Callable[[BaseException], object],
    ) -> None:
        self._button, self._work, self._on_failure = button, work, on_failure
        self._starting = threading.Lock()
        self._result: Future[Value] | None = None
        button.on_click(lambda _: self.start())

    def click(self) -> Value:
        """Press the button, wait for all that follows, and return the result of the work.

        Raises what went wrong: an error only in a callback would go unnoticed.
        """
        self._button.click()
        assert self._result is not None
        return self._result.result()

    def start(self) -> Future[Value]:
        """Start the work, unless it is running; return a future of the result."""
        with self._starting:
            if self._result is None or self._result.done():
                self._result = Future()
                self._button.add_class(BUSY)
                threading.Thread(
                    target=self._run, args=(self._result,), name=THREAD, daemon=True
                ).start()
            return self._result

    def _run(self, pressed: Future[Value]) -> None:
        # Free the button before waking the caller of click().
        try:
            value = self._work()
        except BaseException as error:  # whatever it is, click() waits for it
            try:
                self._on_failure(error)
            finally:
                self._button.remove_class(BUSY)
                pressed.set_exception(error)
        else:
            self._button.remove_class(BUSY)
            pressed.set_result(value)


def is_pressed_when_shown() -> bool:
    """Whether a crash button presses itself, so that the course shows what comes of it."""
    return bool(os.environ.get(PRESS_VARIABLE))


def failure_html(error: BaseException) -> str:
    """Return HTML that says what an action raised, and the next step."""
    kind, lines = type(error).__name__, "".join(traceback.format_exception(error))
    return render("failure.html", error_type=kind, error=error, traceback=lines)
