"""A ticket: what a responder hands over when repairs hide a bug."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup

from kit.html import render
from kit.reading.payload import as_str
from kit.words import count_noun


@dataclass
class Ticket:
    """An issue that comes back after each repair; ``events`` are those of its alerts.

    ``repairs`` are the times of the repairs, in seconds since the epoch.
    """

    at: float
    issue: str
    title: str
    action: str
    repairs: tuple[float, ...]
    events: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The ids of the events."""
        return tuple(as_str(event.get("event_id")) or "?" for event in self.events)

    @property
    def sentence(self) -> str:
        """What happened, and what to do."""
        return (
            f"Came back {count_noun(len(self.repairs), 'time')} within an hour, each time after "
            f"“{self.action}”. That hides the cause, so it was not repeated. Next: find the cause "
            "in the events."
        )

    @property
    def times(self) -> tuple[str, ...]:
        """The times of day of the repairs."""
        return tuple(f"{datetime.fromtimestamp(at):%H:%M:%S}" for at in self.repairs)

    def __str__(self) -> str:
        ids = ", ".join(self.event_ids)
        repairs = ", ".join(self.times)
        return f"Ticket: {self.title}\n{self.sentence}\nRepairs: {repairs}\nEvents: {ids}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Markup:
        return render("remediation_ticket.html", ticket=self)
