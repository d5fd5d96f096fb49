"""Redaction: the last check of everything that is about to be sent to Sentry.

Sentry's SDK only filters by the names of headers, cookies, query parameters and local variables.
Secrets are also in bodies, in messages, in the text of a local variable and in a framework's raw
headers. ``payment/secrets.json`` declares what counts as a secret, for the services in both
languages.
"""

import json
import re
from copy import copy
from functools import lru_cache
from typing import Any

from sentry_sdk.attachments import Attachment

from demo_services.payment import HOME

FILTERED = "[Filtered]"
# The group of a match is kept.
KEPT = rf"\1{FILTERED}"
SHORTEST_CARD = 10**12
LONGEST_NAME = 100

_DECLARED = json.loads((HOME / "secrets.json").read_text(encoding="utf-8"))
_NAMES: list[str] = _DECLARED["names"]
_ANY_NAME = "|".join(map(re.escape, _NAMES))
_NAMED = re.compile(_DECLARED["named"].replace("NAMES", _ANY_NAME), re.IGNORECASE)
# Keyed by a part of every such text: most texts have none, and searching for it is cheap.
_SHAPES = [(mark, re.compile(shape, re.IGNORECASE)) for mark, shape in _DECLARED["shapes"]]
_CARD = re.compile(_DECLARED["card"])
# Our own source lines and the SDK's remarks: no user data.
_CODE = frozenset(_DECLARED["code"])


def redact_event(event: Any, hint: dict[str, Any]) -> Any:
    """Return what the SDK is about to send, without secrets: for ``before_send``."""
    if attachments := hint.get("attachments"):
        hint["attachments"] = [_redact_attachment(each) for each in attachments]
    return redact(event)


def redact(value: Any) -> Any:
    """Return JSON data with ``[Filtered]`` for each secret in it."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {key: _redact_member(key, member) for key, member in value.items()}
    if isinstance(value, list):
        return _redact_list(value)
    # A card's number may be a number.
    if type(value) is int and value > SHORTEST_CARD:
        return FILTERED if redact_text(str(value)) == FILTERED else value
    return value


def redact_text(text: str) -> str:
    """Return a text without parts that look like a secret or follow the name of one."""
    lower = text.lower()
    # Shapes first: one may be a whole line, of which a name would only remove the first word.
    for mark, shape in _SHAPES:
        if mark in lower:
            text = shape.sub(KEPT, text)
    if any(name in lower for name in _NAMES):
        text = _NAMED.sub(KEPT, text)
    return _CARD.sub(_redact_card, text)


# The same keys are checked over and over.
@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether a value with that name is a secret."""
    lower = name.lower()
    return any(each in lower for each in _NAMES)


def _redact_member(key: object, value: Any) -> Any:
    if key in _CODE:
        return value
    # Its presence or absence is not a secret.
    if value is None or isinstance(value, bool):
        return value
    return FILTERED if is_secret(str(key)[:LONGEST_NAME]) else redact(value)


def _redact_list(values: list[Any]) -> list[Any]:
    if len(values) == 2 and isinstance(values[0], str) and is_secret(values[0][:LONGEST_NAME]):
        # A header, as servers hold it: a name and a value.
        return [values[0], FILTERED]
    return [redact(value) for value in values]


def _redact_card(found: re.Match[str]) -> str:
    return FILTERED if _is_card(re.sub(r"\D", "", found[0])) else found[0]


def _is_card(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (ISO/IEC 7812-1, Luhn)."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _redact_attachment(attachment: Attachment) -> Attachment:
    """Return a text attachment without secrets, and any other attachment unchanged."""
    data = attachment.bytes
    if not isinstance(data, bytes) or not (attachment.content_type or "").startswith("text/"):
        return attachment
    redacted = copy(attachment)
    redacted.bytes = redact_text(data.decode(errors="replace")).encode()
    return redacted
