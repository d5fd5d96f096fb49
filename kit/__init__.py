"""The workshop kit: hosts the services, captures what Sentry is sent, shows and explains it."""

import sys

_before = frozenset(sys.modules)
try:
    from kit.workshop import Workshop, WorkshopError
except BaseException:
    # Python forgets the packages whose import an interrupt ended, but not their parts, which hold
    # on to the packages as they were: sentry_sdk would come back in two halves.
    for _name in frozenset(sys.modules) - _before:
        _packages = [_name[:_at] for _at, _char in enumerate(_name) if _char == "."]
        if any(package == __name__ or package not in sys.modules for package in _packages):
            del sys.modules[_name]
    raise

__all__ = ["Workshop", "WorkshopError"]
