"""The live map of the system: a request runs through it, a crash turns its service red."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import ipywidgets

from kit.html import display_live
from kit.ingest.store import Store, StoredItem, StoreError, Subscription
from kit.reading.event import headline
from kit.reading.payload import as_mapping, escape_bidi, truncate
from kit.threads import report_thread_failure
from kit.views.system_map import NODES, MapState, system_map
from kit.widgets.static import FollowedStatic

# What arrives within this time is drawn together: the parts of a trace come one after the other.
GATHER_S = 0.3
# How often it checks whether it was stopped while nothing arrives.
IDLE_S = 1.0
_ORDER = [node.name for node in NODES]


class LiveMap:
    """Shows the map as the last expression of a cell, and keeps it up to date until ``stop``.

    It also ends with the store. It counts the error events from the moment it is first shown, which
    starts its thread.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._picture = FollowedStatic()
        self._errors: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._follow, name="system-map", daemon=True)
        self._ended = False
        self.state = MapState()

    def stop(self) -> None:
        """Leave the picture as it is."""
        self._ended = True

    def _ipython_display_(self) -> None:
        if self._thread.ident is None:
            self._picture.show(system_map(self.state))
            self._thread.start()
        self._picture.display()
        display_live(ipywidgets.VBox([self._picture.copy]))

    def _repr_html_(self) -> str:
        return system_map(self.state)

    def _follow(self) -> None:
        try:
            with suppress(StoreError), self._store.subscribe() as arrivals:
                while not self._ended:
                    self._take(_gather(arrivals))
        except Exception:
            report_thread_failure()

    def _take(self, items: Sequence[StoredItem]) -> None:
        errors = [item for item in items if item.type == "event"]
        route = {item.project for item in items if item.type == "span"}
        if not errors and not route:
            return
        self._errors.update(item.project for item in errors)
        last = headline(as_mapping(errors[-1].payload)).title if errors else ""
        self.state = MapState(
            route=sorted(route & set(_ORDER), key=_ORDER.index) or self.state.route,
            errors=dict(self._errors),
            broken=tuple(dict.fromkeys(item.project for item in errors)),
            last=escape_bidi(truncate(last)),
        )
        self._picture.show(system_map(self.state))


def _gather(arrivals: Subscription) -> list[StoredItem]:
    """Return the next item and what else arrives within a moment; nothing if none comes for long.

    Raises StoreError at the end.
    """
    items: list[StoredItem] = []
    with suppress(TimeoutError):
        items.append(arrivals.get(IDLE_S))
        deadline = time.monotonic() + GATHER_S
        while True:
            items.append(arrivals.get(max(0.0, deadline - time.monotonic())))
    return items
