"""How often each issue was captured here. The grouping is simulated."""

import threading
from collections.abc import Mapping
from typing import Any

from kit.ingest.store import Store, StoredItem
from kit.reading.grouping import simulated_issue
from kit.views.card.highlights import Sightings

# Read when the first is asked for; a store may have many more. Afterwards all that arrive count.
EARLIER = 200


class SightingsTally:
    """Counts the error events of each issue in a store, every event once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._last_id = 0
        self._times: dict[tuple[str, ...], dict[str, float]] = {}

    def refresh(self) -> None:
        """Count what was stored since the last time. Raises StoreError."""
        with self._turn:
            items = (
                self._store.items(type="event", after=self._last_id)
                if self._last_id
                else self._store.items(type="event", limit=EARLIER)
            )
            for item in reversed(items):
                self._count(item)
                self._last_id = item.id

    def add(self, item: StoredItem) -> None:
        """Count an event that was just stored, without reading the store again."""
        with self._turn:
            self._count(item)

    def of(self, event: Mapping[str, Any], project: str) -> Sightings | None:
        """Return how often the issue of an event was counted; None if never."""
        with self._turn:
            times = sorted(self._times.get(simulated_issue(event, project), {}).values())
        return Sightings(len(times), times[0], times[-1]) if times else None

    def _count(self, item: StoredItem) -> None:
        times = self._times.setdefault(simulated_issue(item.payload, item.project), {})
        # One that arrives again is no other event.
        times.setdefault(item.event_id or str(item.id), item.received_at)
