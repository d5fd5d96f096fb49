"""A transport that keeps events instead of sending them."""

import json
from typing import Any

from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport


class Collected(Transport):
    """Keeps events instead of sending them."""

    def __init__(self) -> None:
        super().__init__({"dsn": None})
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events += [json.loads(i.get_bytes()) for i in envelope.items if i.type == "event"]
