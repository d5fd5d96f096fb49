"""The workshop kit: hosts the services, captures what Sentry is sent, shows and explains it.

This is all that a notebook may import; ``__init__.pyi`` lists it, with the module behind each name.
Nothing is imported before it is used, so that ``workshop --help`` does not wait for the services.
Every other module is an inside room: see the docstrings of the packages below.
"""

from typing import Any

import lazy_loader

from kit.imports import undo_when_interrupted

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with undo_when_interrupted():
        return _load(name)
