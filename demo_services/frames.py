"""Prevents the profiler from crashing or blocking the whole process on Python 3.11."""

import functools
import gc
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sentry_sdk.profiler import continuous_profiler

_P = ParamSpec("_P")
_T = TypeVar("_T")


def uncollected(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return ``function`` without garbage collection while it runs."""

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if was_enabled:
                gc.enable()

    return guarded


def guard() -> None:
    """Prevent garbage collection while the stacks of other threads are read.

    Before Python 3.12 any new object may start a collection, including the frame objects created
    while reading a stack. The collection may let another thread run. If that interrupts
    ``sys._current_frames``, the other thread can wait for its lock forever while holding the GIL
    (https://github.com/python/cpython/issues/106883); if it interrupts ``frame.f_back``, the frame
    that it was about to return may be gone.
    """
    if sys.version_info >= (3, 12):
        return
    sys._current_frames = uncollected(sys._current_frames)
    extract_stack = uncollected(continuous_profiler.extract_stack)  # type: ignore[attr-defined]
    continuous_profiler.extract_stack = extract_stack  # type: ignore[attr-defined]
