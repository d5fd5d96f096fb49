"""Cuts code that holds the event loop for too long."""

import ctypes
import threading
from contextlib import suppress
from types import TracebackType


class WatchdogTimeout(Exception):
    """Raised in the middle of whatever line runs when the time is up."""

    def __init__(self, message: str = "the time is up") -> None:
        super().__init__(message)


class Watchdog:
    """Raise ``WatchdogTimeout`` in the guarded block when it runs longer than ``seconds``.

    ::

        with Watchdog(seconds=1):
            work()

    The exception comes up between two bytecodes of the guarded thread: Python code is cut
    wherever it is, a single long C call only when it returns. Nothing is raised once the block
    has ended. See https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc

    Guard a call, not a loop: in Python 3.13 the jump back to the start of a loop belongs to no
    ``with`` or ``try`` around it, and an exception that comes up there is missed by both.
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
        # Last: the exception must not come up while the thread is being started.
        self._begun.release()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever has the lock first decides. An exception set before is taken back, without a
        # call of Python code on the way that could raise it.
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
        """Let an exception come up here, so that the interpreter does not look for one for ever.

        CPython 3.11 forgets that one is to be raised only when it is. Until then no function
        begins that is traced, as by a debugger: the interpreter looks again and again.
        """
        with suppress(WatchdogTimeout):
            self._raise_in(self._guarded, ctypes.py_object(WatchdogTimeout))
            _wait_for_it()


def _wait_for_it() -> None:
    while True:
        pass
