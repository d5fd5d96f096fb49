"""The first screen of a card: where, who, which release, how often, and what led there."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.reading.payload import as_mapping, as_str, get_path, truncate
from kit.reading.spans import length
from kit.views.card.crumb import Crumb
from kit.views.card.stack import Raised, StackFrame
from kit.words import count_noun

LAST_CRUMBS = 3
MAX_WHO = 80
_NAMES = ("username", "email", "id", "ip_address")


@dataclass(frozen=True)
class Sightings:
    """How many events of the same issue were captured here, and when the first one came.

    The times are in seconds since the epoch.
    """

    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True)
class Highlights:
    """The first screen of a card; an empty text is not shown."""

    frame: StackFrame | None
    who: str
    request: str
    release: str
    often: str
    crumbs: Sequence[Crumb]
    absent: Sequence[str]


def make_highlights(
    event: Mapping[str, Any],
    stacks: Sequence[Raised],
    crumbs: Sequence[Crumb],
    absent: Sequence[str],
    seen: Sightings | None,
) -> Highlights:
    """Return what the first screen says of an event."""
    return Highlights(
        frame=next((f for each in stacks for f in each.stack if isinstance(f, StackFrame)), None),
        who=_who(as_mapping(event.get("user"))),
        request=_request(event),
        release=" · ".join(filter(None, (_text(event, "release"), _text(event, "environment")))),
        often=_often(seen) if seen else "",
        crumbs=crumbs[-LAST_CRUMBS:],
        absent=absent,
    )


def _text(values: Mapping[str, Any], name: str) -> str:
    return truncate(as_str(values.get(name)), MAX_WHO)


def _who(user: Mapping[str, Any]) -> str:
    return next(filter(None, (_text(user, name) for name in _NAMES)), "")


def _request(event: Mapping[str, Any]) -> str:
    """Return the request, else the transaction, that failed."""
    method = as_str(get_path(event, ("request", "method")))
    url = as_str(get_path(event, ("request", "url")))
    return truncate(f"{method} {url}", MAX_WHO) or _text(event, "transaction")


def _often(seen: Sightings) -> str:
    events = count_noun(seen.count, "event")
    if seen.count == 1:
        return f"{events} of this issue here: this is the first"
    first = time.strftime("%H:%M:%S", time.gmtime(seen.first_at))
    span = length(seen.last_at - seen.first_at)
    return f"{events} of this issue here within {span}, the first at {first} UTC"
