"""Cuts code that holds the event loop for too long."""

import ctypes
import threading
from types import TracebackType


class WatchdogTimeout(Exception):
    """Raised in the middle of whatever line runs when the time is up."""


class Watchdog:
    """Raise ``WatchdogTimeout`` in the guarded block when it runs longer than ``seconds``.

    ::

        with Watchdog(seconds=1):
            work()

    The exception comes up between two bytecodes of the guarded thread: Python code is cut
    wherever it is, a single long C call only when it returns. Nothing is raised once the block
    has ended.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._thread_id = threading.get_ident()
        self._ended = threading.Event()
        self._turn = threading.Lock()

    def __enter__(self) -> "Watchdog":
        threading.Thread(target=self._watch, name="game-engine-watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Either the watchdog has the lock first and has fired by now, or it never will.
        with self._turn:
            self._ended.set()
            self._raise_in_guarded_thread(None)
        if isinstance(error, WatchdogTimeout):
            error.args = (f"still running after {self.seconds} s",)

    def _watch(self) -> None:
        if self._ended.wait(self.seconds):
            return
        with self._turn:
            if not self._ended.is_set():
                self._raise_in_guarded_thread(WatchdogTimeout)

    def _raise_in_guarded_thread(self, kind: type[BaseException] | None) -> None:
        """Set the exception that the guarded thread raises next; None takes it back.

        https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc
        """
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread_id), ctypes.py_object(kind) if kind else None
        )
