"""Three readings of one indicator: how the requests went, as three sources count them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from markupsafe import Markup

from demo_services.services import GAME_ENGINE, GATEWAY
from kit.html import render
from kit.ingest.store import MOST, Store, StoredItem
from kit.reading.metrics import MetricPoint, read_metrics
from kit.reading.sessions import SessionCounts, count_sessions
from kit.reliability.traffic.outcomes import Counts
from kit.reliability.traffic.picture import say_share

SPINS = "game.spins"


@dataclass(frozen=True)
class Reading:
    """What one source reports: ``counted`` is what it counts, ``blind`` what it does not see.

    ``bad`` is None if the source counts no failures.
    """

    source: str
    counted: str
    good: int
    bad: int | None
    blind: str

    @property
    def total(self) -> int:
        """How many it counts in total."""
        return self.good + (self.bad or 0)

    @property
    def bad_share(self) -> float | None:
        """The share of them that is bad; None if the source cannot tell."""
        return None if self.bad is None or not self.total else self.bad / self.total

    @property
    def percentage(self) -> str:
        """The bad share as a percentage."""
        return "–" if self.bad_share is None else say_share(self.bad_share)


class Readings(Sequence[Reading]):
    """The readings of the client, the sessions and the metric; shown as a table."""

    def __init__(self, client: Reading, sessions: Reading, metric: Reading) -> None:
        self.client, self.sessions, self.metric = client, sessions, metric
        self._rows = (client, sessions, metric)

    @overload
    def __getitem__(self, index: int) -> Reading: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Reading]: ...
    def __getitem__(self, index: int | slice) -> Reading | Sequence[Reading]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def sentence(self) -> str:
        """What the table shows."""
        said = (f"{row.source}: {row.total:,}, {row.percentage} bad" for row in self[:2])
        return f"{'; '.join(said)}; {self.metric.source}: {self.metric.total:,} spins."

    def __repr__(self) -> str:
        return f"<Readings {self.sentence}>"

    def _repr_html_(self) -> Markup:
        return render("traffic_readings.html", readings=self)


def read_readings(store: Store, began: float, ended: float, counts: Counts) -> Readings:
    """Return the readings between two times, in seconds since the epoch. Raises StoreError.

    Sessions are counted per minute, so the first and last minute may include other requests.
    """
    sessions = _count_gateway_sessions(store, began)
    return Readings(
        client=Reading(
            "Client",
            "valid requests that were due",
            counts.good,
            counts.bad,
            "other callers; why a request is bad",
        ),
        sessions=Reading(
            "Sessions",
            f"requests that {GATEWAY.name} answered",
            sessions.exited,
            sessions.total - sessions.exited,
            f"requests that never reached {GATEWAY.name}; late answers; failures that it passed on",
        ),
        metric=Reading(
            "Metric",
            f"spins that {GAME_ENGINE.name} finished ({SPINS})",
            _count_spins(store, began, ended),
            None,
            "failed spins: the count is just lower",
        ),
    )


def _count_gateway_sessions(store: Store, began: float) -> SessionCounts:
    items = store.items(type="sessions", project=GATEWAY.name, limit=MOST)
    found = sorted((each for each in items if each.received_at >= began), key=lambda each: each.id)
    return sum(count_sessions(found).values(), SessionCounts())


def _count_spins(store: Store, began: float, ended: float) -> int:
    items = store.items(type="trace_metric", project=GAME_ENGINE.name, limit=MOST)
    points = (point for item in items if item.received_at >= began for point in _spins(item))
    return round(sum(point.value for point in points if began <= point.time <= ended))


def _spins(item: StoredItem) -> Iterator[MetricPoint]:
    # One item at a time: read_metrics() reads only the first numbers of many.
    for metric in read_metrics([item]):
        if metric.name == SPINS:
            yield from metric.points
