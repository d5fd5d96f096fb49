"""Imports that can be interrupted, for example by pressing stop in the first cell."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undo_when_interrupted() -> Iterator[None]:
    """Undo the imports of the block if it fails, so that they can be repeated.

    Python forgets the package whose import was interrupted, but not its submodules, which keep
    referring to the old package: sentry_sdk would come back in two halves.
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
