"""A transport for SDK clients whose events an exercise inspects."""

from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from kit.outcome import Event


class RecordingTransport(Transport):
    """Collects the events that would have been sent, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Store the event of an envelope, if it has one."""
        if event := envelope.get_event():
            self.events.append(Event(event))
