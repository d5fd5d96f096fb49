"""Calls functions that may hang, with a deadline after which the call is abandoned.

A thread cannot be killed, and a repair works on services of this process, so it cannot run in
another. So a late call is fenced: its result is ignored, and ``on_late`` runs when it ends after
all, so that its late effect can be undone.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class CallHung(TimeoutError):
    """A call that did not return within its deadline, and was abandoned."""


class RemediationClock(Protocol):
    """The clock of a responder."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or earlier if the responder ends."""


class Hands(Protocol):
    """Calls functions that may hang."""

    def call(
        self, function: Callable[[], T], seconds: float, on_late: Callable[[], object] | None = None
    ) -> T:
        """Return the function's result. Raises CallHung after ``seconds``, or the function's error.

        ``on_late`` is called when an abandoned function ends after all.
        """


class WallClock:
    """The time of this machine."""

    def __init__(self) -> None:
        self._is_over = threading.Event()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``, or at once after ``end()``."""
        self._is_over.wait(seconds)

    def end(self) -> None:
        """Stop sleeping."""
        self._is_over.set()


class ThreadHands:
    """Calls each function in its own thread, and abandons that thread at the deadline."""

    def call(
        self, function: Callable[[], T], seconds: float, on_late: Callable[[], object] | None = None
    ) -> T:
        """Return the function's result. Raises CallHung if it is late, or the function's error."""
        call = _Call(function, on_late)
        threading.Thread(target=call.run, name="remediation: call", daemon=True).start()
        call.is_over.wait(seconds)
        if call.abandon():
            raise CallHung(f"It did not return within {seconds:g} s, and was abandoned.")
        if call.error is not None:
            raise call.error
        return call.result[0]


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T], on_late: Callable[[], object] | None) -> None:
        self._function, self._on_late = function, on_late
        self._lock = threading.Lock()
        self._is_abandoned = False
        self.is_over = threading.Event()
        self.result: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result.append(self._function())
        except BaseException as error:  # raised again where the call was made
            self.error = error
        with self._lock:
            self.is_over.set()
            is_late = self._is_abandoned
        if is_late and self._on_late is not None:
            self._on_late()

    def abandon(self) -> bool:
        """Ignore a result that is not there yet; return whether there was none."""
        with self._lock:
            self._is_abandoned = not self.is_over.is_set()
            return self._is_abandoned
