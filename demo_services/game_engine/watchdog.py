"""Interrupts code that blocks the event loop for too long."""

import ctypes
import threading
from contextlib import suppress
from types import TracebackType


class WatchdogTimeout(Exception):
    """Raised in the middle of whichever line runs when the time is up."""

    def __init__(self, message: str = "the time is up") -> None:
        super().__init__(message)


class Watchdog:
    """Raise ``WatchdogTimeout`` in the guarded block when it runs longer than ``seconds``.

    ::

        with Watchdog(seconds=1):
            work()

    The exception is raised between two bytecodes of the guarded thread: Python code is interrupted
    anywhere, a single long C call only when it returns. Nothing is raised once the block has
    ended. See https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc

    Guard a call, not a loop: in Python 3.13 the jump back to the start of a loop is outside any
    ``with`` or ``try`` around it, and neither catches an exception that is raised there.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._guarded = ctypes.c_ulong(threading.get_ident())
        self._raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        self._over = self._fired = False
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._begun = threading.Lock()
        self._begun.acquire()

    def __enter__(self) -> "Watchdog":
        threading.Thread(target=self._watch, name="game-engine-watchdog", daemon=True).start()
        # Last: the exception must not be raised while the thread is starting.
        self._begun.release()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The first to get the lock decides. A pending exception is withdrawn without running any
        # Python code that could raise it.
        with self._turn:
            self._over = True
            if self._fired and kind is not WatchdogTimeout:
                self._raise_in(self._guarded, None)
                self._clear_mark()
        self._ended.set()
        if isinstance(error, WatchdogTimeout):
            error.args = (f"still running after {self.seconds} s",)

    def _watch(self) -> None:
        with self._begun:
            pass
        if self._ended.wait(self.seconds):
            return
        with self._turn:
            if not self._over:
                self._fired = True
                self._raise_in(self._guarded, ctypes.py_object(WatchdogTimeout))

    def _clear_mark(self) -> None:
        """Raise a pending exception here, so that the interpreter does not check for it forever.

        CPython 3.11 only clears the pending mark when the exception is raised. Until then no traced
        function can start, as under a debugger: the interpreter keeps checking.
        """
        with suppress(WatchdogTimeout):
            self._raise_in(self._guarded, ctypes.py_object(WatchdogTimeout))
            _wait_for_it()


def _wait_for_it() -> None:
    while True:
        pass
