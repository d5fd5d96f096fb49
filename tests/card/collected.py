"""Events that are kept instead of sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport


class Collected(Transport):
    """Keeps events instead of sending them."""

    def __init__(self) -> None:
        super().__init__({"dsn": None})
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events += [json.loads(i.get_bytes()) for i in envelope.items if i.type == "event"]


@contextmanager
def collecting(**options: Any) -> Iterator[list[dict[str, Any]]]:
    """Make the events of what is done inside, with these options, and keep them."""
    transport = Collected()
    client = sentry_sdk.Client(dsn="http://key@127.0.0.1:1/1", transport=transport, **options)
    with sentry_sdk.isolation_scope() as isolation, sentry_sdk.new_scope() as current:
        isolation.client = current.client = client
        yield transport.events
    client.close()
