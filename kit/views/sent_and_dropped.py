"""What each service sent, beside what its SDK dropped and why."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from markupsafe import Markup

from kit.html import render
from kit.ingest.store import MOST, Store, StoredItem
from kit.reading.client_reports import REASONS, SENT_TYPES, ServiceTelemetry, count_telemetry
from kit.reading.items import ItemGroup, count_items

MAX_ROWS = 12
MAX_KINDS = 12


class SentAndDropped(Mapping[str, ServiceTelemetry]):
    """What was sent and dropped, by service; shown in a notebook as a table.

    ``stored`` is everything stored, by item type, of any service.
    """

    def __init__(
        self, services: Mapping[str, ServiceTelemetry], stored: Sequence[ItemGroup] = ()
    ) -> None:
        self._services = dict(sorted(services.items()))
        self.stored = list(stored)

    def __getitem__(self, service: str) -> ServiceTelemetry:
        return self._services[service]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    @property
    def sentence(self) -> str:
        """How many error events were sent and dropped."""
        sent = sum(each.sent["error"] for each in self.values())
        dropped = sum(sum(each.reasons().values()) for each in self.values())
        return f"Error events: {sent:,} sent, {dropped:,} dropped according to the SDKs."

    @property
    def reasons(self) -> dict[str, str]:
        """The meanings of the reasons in the table."""
        found = {each.reason for telemetry in self.values() for each in telemetry.dropped}
        return {reason: meaning for reason, meaning in REASONS.items() if reason in found}

    def __repr__(self) -> str:
        return f"<SentAndDropped {self.sentence}>"

    def _repr_html_(self) -> Markup:
        return render(
            "sent_and_dropped.html",
            table=self,
            rows=list(self.values())[:MAX_ROWS],
            hidden=max(len(self) - MAX_ROWS, 0),
            most=MAX_KINDS,
        )


def read_sent_and_dropped(store: Store, since: float = 0.0) -> SentAndDropped:
    """Return what arrived ``since`` a time, in seconds since the epoch, and what was dropped.

    By service, only the last ``MOST`` items of each type are read. Raises StoreError.
    """
    telemetry = count_telemetry(
        item
        for kind in (*SENT_TYPES, "client_report")
        for item in store.items(type=kind, limit=MOST)
        if item.received_at >= since
    )
    counts = store.count_types(since)
    return SentAndDropped(telemetry, count_items(counts, partial(_newest, store)))


def _newest(store: Store, kind: str) -> list[StoredItem]:
    return store.items(type=kind, limit=1)
