"""Keeps the profiler from stopping the whole process on Python 3.11."""

import gc
import sys
from types import FrameType

_current_frames = sys._current_frames


def current_frames() -> dict[int, FrameType]:
    """Return what ``sys._current_frames`` does, with no garbage collection inside of it.

    It holds a lock of the interpreter. A collection that starts meanwhile may let another thread
    run, and one that begins or ends then waits for that lock, for ever, with the GIL in its hand:
    https://github.com/python/cpython/issues/106883
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _current_frames()
    finally:
        if was_enabled:
            gc.enable()


def guard() -> None:
    """Give everyone who samples stacks, as Sentry's profiler does, the safe function."""
    if sys.version_info < (3, 12):
        sys._current_frames = current_frames
