"""Keeps the profiler from ending or stopping the whole process on Python 3.11."""

import functools
import gc
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sentry_sdk.profiler import continuous_profiler

_P = ParamSpec("_P")
_T = TypeVar("_T")


def uncollected(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return ``function`` with no garbage collection inside of it."""

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
    """Let no garbage be collected while the stacks of other threads are read.

    Before Python 3.12 any new object may start a collection, also the frame objects that reading
    a stack makes. The collection may let another thread run. If ``sys._current_frames`` is
    interrupted so, that thread can wait for its lock for ever, with the GIL in its hand
    (https://github.com/python/cpython/issues/106883); if ``frame.f_back`` is, the frame that it
    was about to return may be gone.
    """
    if sys.version_info >= (3, 12):
        return
    sys._current_frames = uncollected(sys._current_frames)
    extract_stack = uncollected(continuous_profiler.extract_stack)  # type: ignore[attr-defined]
    continuous_profiler.extract_stack = extract_stack  # type: ignore[attr-defined]
