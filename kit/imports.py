"""Imports that an interrupt may end, as a learner does who presses stop in the first cell."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undo_when_interrupted() -> Iterator[None]:
    """Undo what was imported inside the block when that fails, so that it can be repeated.

    Python forgets the package whose import an interrupt ended, but not its parts, which hold on to
    the package as it was: sentry_sdk would come back in two halves.
    """
    before = frozenset(sys.modules)
    try:
        yield
    except BaseException:
        for name in frozenset(sys.modules) - before:
            packages = [name[:at] for at, char in enumerate(name) if char == "."]
            if any(each == "kit" or each not in sys.modules for each in packages):
                del sys.modules[name]
        raise
