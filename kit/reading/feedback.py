"""User feedback: what people wrote about a service, in both item types that carry it.

``feedback`` is an event of its own (https://develop.sentry.dev/sdk/telemetry/feedbacks/);
``user_report`` is the older form, which must refer to an event.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kit.ingest.store import StoredItem
from kit.reading.items import payload_object
from kit.reading.payload import Text, as_mapping, as_str, get_part, plausible_time, shorten

FEEDBACK_TYPES = ("feedback", "user_report")
MAX_MESSAGE = 2000
MAX_FIELD = 200


@dataclass(frozen=True)
class Feedback:
    """What someone wrote; ``time`` is in seconds since the epoch.

    ``event_id`` is that of the error it is about, ``url`` the page it was sent from, ``source``
    the form it came from; each is empty if the feedback does not say it.
    """

    service: str
    time: float
    message: Text
    name: str = ""
    email: str = ""
    event_id: str = ""
    url: str = ""
    source: str = ""
    replay_id: str = ""

    @property
    def contact(self) -> str:
        """Who wrote it, if they said so."""
        return ", ".join(filter(None, (self.name, self.email))) or "no name"


def read_feedback(items: Iterable[StoredItem]) -> list[Feedback]:
    """Return the feedback of all items, in their order."""
    return [each for item in items for each in _read(item)]


def _read(item: StoredItem) -> Iterator[Feedback]:
    payload = payload_object(item.payload)
    if item.type == "feedback":
        given = as_mapping(as_mapping(get_part(payload, "contexts")).get("feedback"))
        message, email = given.get("message"), given.get("contact_email")
        about = given.get("associated_event_id")
    elif item.type == "user_report":
        given = payload
        message, email = given.get("comments"), given.get("email")
        about = given.get("event_id") or item.event_id
    else:
        return
    then = plausible_time(payload.get("timestamp"))
    yield Feedback(
        service=item.project,
        time=then.timestamp() if then else item.received_at,
        message=shorten(as_str(message), MAX_MESSAGE),
        name=_field(given.get("name")),
        email=_field(email),
        event_id=_field(about),
        url=_field(given.get("url")),
        source=_field(given.get("source")),
        replay_id=_field(given.get("replay_id")),
    )


def _field(value: object) -> str:
    return shorten(as_str(value), MAX_FIELD).text
