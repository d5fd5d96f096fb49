"""The workshop kit: hosts the services, captures what they send to Sentry, shows and explains it.

Notebooks import only the names in ``__init__.pyi``, which also lists the module of each.
Imports are lazy, so that ``workshop --help`` does not wait for the services.
Every other module is internal: see the docstrings of the packages below.
"""

from typing import Any

import lazy_loader

from kit.imports import undo_when_interrupted

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    with undo_when_interrupted():
        return _load(name)
