"""What must not leave: the last look at everything that is about to be sent to Sentry.

Sentry's SDK filters by the names of keys, of headers, cookies, queries and local variables alone.
Secrets are also in bodies, in messages, in the text of a local variable and in the raw headers that
a framework holds. What counts as a secret is declared in ``payment/secrets.json``, for the services
in both languages.
"""

import json
import re
from copy import copy
from functools import lru_cache
from typing import Any

from sentry_sdk.attachments import Attachment

from demo_services.payment import HOME

FILTERED = "[Filtered]"
# Of what a pattern finds its group stays.
KEPT = rf"\1{FILTERED}"
SHORTEST_CARD = 10**12
LONGEST_NAME = 100

_DECLARED = json.loads((HOME / "secrets.json").read_text(encoding="utf-8"))
_NAMES: list[str] = _DECLARED["names"]
_ANY_NAME = "|".join(map(re.escape, _NAMES))
_NAMED = re.compile(_DECLARED["named"].replace("NAMES", _ANY_NAME), re.IGNORECASE)
# By what a text of that shape has in it: most texts have none, and looking for it costs little.
_SHAPES = [(mark, re.compile(shape, re.IGNORECASE)) for mark, shape in _DECLARED["shapes"]]
_CARD = re.compile(_DECLARED["card"])
# Our own lines, and the SDK's remarks: no data of anybody.
_CODE = frozenset(_DECLARED["code"])


def redact_event(event: Any, hint: dict[str, Any]) -> Any:
    """Return what the SDK is going to send without the secrets in it: for ``before_send``."""
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
    """Return a text without what has the shape of a secret, or follows the name of one."""
    lower = text.lower()
    # Shapes first: one of them may be a whole line, of which a name would take the first word.
    for mark, shape in _SHAPES:
        if mark in lower:
            text = shape.sub(KEPT, text)
    if any(name in lower for name in _NAMES):
        text = _NAMED.sub(KEPT, text)
    return _CARD.sub(_redact_card, text)


# The same keys come again and again.
@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether what has that name is a secret."""
    lower = name.lower()
    return any(each in lower for each in _NAMES)


def _redact_member(key: object, value: Any) -> Any:
    if key in _CODE:
        return value
    # Whether there is one is no secret.
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
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1, Luhn)."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _redact_attachment(attachment: Attachment) -> Attachment:
    """Return an attachment of text without secrets; those of other types are no text."""
    data = attachment.bytes
    if not isinstance(data, bytes) or not (attachment.content_type or "").startswith("text/"):
        return attachment
    redacted = copy(attachment)
    redacted.bytes = redact_text(data.decode(errors="replace")).encode()
    return redacted
