"""What the press of a button does, in the background."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import ipywidgets

from kit.html import render

Result = TypeVar("Result")


class Press(Generic[Result]):
    """Does ``work`` when ``button`` is pressed, once at a time; the button is disabled meanwhile.

    In a thread of its own: the kernel stays free, and other buttons work. ``show_failure`` gets
    HTML that says what ``work`` raised.
    """

    def __init__(
        self,
        button: ipywidgets.Button,
        work: Callable[[], Result],
        show_failure: Callable[[str], None],
    ) -> None:
        self._button, self._work, self._show_failure = button, work, show_failure
        self._is_running = False
        self._result: Future[Result] | None = None
        button.on_click(lambda _: self._start())

    def click(self) -> Result:
        """Press the button, wait for all that follows, and return the result of the work.

        Raises what went wrong on the way: in a callback alone an error would stay unseen.
        """
        self._button.click()
        assert self._result is not None
        return self._result.result()

    def _start(self) -> None:
        if self._is_running:
            return
        self._is_running = True
        self._button.disabled = True
        self._result = Future()
        threading.Thread(
            target=self._run, args=(self._result,), name="workshop-press", daemon=True
        ).start()

    def _run(self, pressed: Future[Result]) -> None:
        try:
            result = self._work()
        except BaseException as error:  # whatever it is, click() waits for it
            try:
                self._show_failure(_failure(error))
            finally:
                self._end()
                pressed.set_exception(error)
        else:
            self._end()
            pressed.set_result(result)

    def _end(self) -> None:
        """Free the button, before who waits for the press is told of its end."""
        self._is_running = False
        self._button.disabled = False


def _failure(error: BaseException) -> str:
    kind, lines = type(error).__name__, "".join(traceback.format_exception(error))
    return render("failure.html", error_type=kind, error=error, traceback=lines)
