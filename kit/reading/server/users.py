"""Who counts as one user of an issue, as Sentry's servers count them.

https://docs.sentry.io/platforms/python/enriching-events/identify-user/
https://github.com/getsentry/sentry/blob/master/src/sentry/utils/eventuser.py
"""

from collections.abc import Mapping
from typing import Any

from kit.reading.payload import as_mapping, get_part
from kit.reading.server.fingerprint import lenient_text

# The first one that a user has counts; a name is shown, but does not identify a user.
USER_KEYS = ("id", "username", "email", "ip_address")

Raw = Mapping[str, Any]


def user_key(event: Raw) -> str:
    """Return a key that events of the same user share; empty without a user."""
    user = as_mapping(get_part(event, "user"))
    known = ((name, lenient_text(user.get(name))) for name in USER_KEYS)
    return next((f"{name}:{text}" for name, text in known if text), "")


def has_user(event: Raw) -> bool:
    """Return whether an event names a user, by any keys."""
    return any(
        value not in (None, "", {}, []) for value in as_mapping(get_part(event, "user")).values()
    )
