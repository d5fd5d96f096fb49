"""Decisions about a service, such as repairs: its events include them for a while."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sentry_sdk

from demo_services.faults.order import checked_seconds, out_of_bounds

TAG = "remediation"
# Sentry's limit for the value of a tag, and as many decisions as a person reads at once.
MAX_CHARS = 200
KEPT = 10


@dataclass(frozen=True)
class Decision:
    """A decision, its time, and until when events include it; in seconds since the epoch."""

    text: str
    at: float
    until: float

    def state(self) -> dict[str, Any]:
        """Return its state for a response."""
        return {"decision": self.text, "at": self.at, "until": self.until}


class Decisions:
    """The decisions of the last minutes. At first there are none, and events are unchanged."""

    def __init__(self) -> None:
        self._noted: list[Decision] = []

    def note(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Record the ``decision`` in a request's body for ``seconds``; return its state.

        Raises ``Refused`` (422) out of bounds.
        """
        text, seconds = body.get("decision"), body.get("seconds")
        if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= MAX_CHARS:
            raise out_of_bounds(f"decision must be 1 to {MAX_CHARS} printable characters.")
        now = time.time()
        decision = Decision(text, now, now + checked_seconds(seconds))
        self._noted = [*self._current(), decision][-KEPT:]
        return decision.state()

    def clear(self) -> list[dict[str, Any]]:
        """Delete all; return the states of the current ones."""
        cleared, self._noted = self._current(), []
        return [decision.state() for decision in cleared]

    def states(self) -> list[dict[str, Any]]:
        """Return the states of the current ones, latest last."""
        return [decision.state() for decision in self._current()]

    def describe(self) -> None:
        """Add the latest to the events of this request as a tag, and all as breadcrumbs."""
        if not self._noted:
            return
        current = self._noted = self._current()
        for decision in current:
            sentry_sdk.add_breadcrumb(
                category=TAG, message=decision.text, level="info", timestamp=decision.at
            )
        if current:
            sentry_sdk.set_tag(TAG, current[-1].text)

    def _current(self) -> list[Decision]:
        now = time.time()
        return [decision for decision in self._noted if decision.until > now]
