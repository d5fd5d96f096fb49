"""Metrics: numbers that code sends, by their names.

https://develop.sentry.dev/sdk/telemetry/metrics/
"""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from statistics import median_low
from typing import Any

from kit.ingest.store import StoredItem
from kit.reading.logs import given_attributes
from kit.reading.payload import as_mapping, as_mappings, as_str, plausible_time, truncate

MAX_POINTS = 20_000
MAX_NAME = 120
MAX_UNIT = 30
MAX_ATTRIBUTES = 8

COUNTER, GAUGE, DISTRIBUTION = "counter", "gauge", "distribution"


@dataclass(frozen=True)
class MetricPoint:
    """One number of a metric; ``time`` is in seconds since the epoch."""

    time: float
    value: float
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Metric:
    """A metric of a service with its numbers, the earliest first.

    ``type`` is counter, gauge or distribution. ``unreadable`` counts values that are not finite
    numbers.
    """

    service: str
    name: str
    type: str
    unit: str
    points: tuple[MetricPoint, ...] = field(repr=False)
    unreadable: int = 0

    @cached_property
    def values(self) -> list[float]:
        """Its numbers, the earliest first."""
        return [point.value for point in self.points]

    @property
    def total(self) -> float:
        """The sum: what a counter counted."""
        return _sum(self.values)

    @property
    def last(self) -> float | None:
        """The latest number: where a gauge stands."""
        return self.values[-1] if self.values else None

    @property
    def median(self) -> float | None:
        """The number that half of a distribution does not exceed."""
        return median_low(self.values) if self.values else None

    @property
    def figures(self) -> str:
        """A summary of its numbers, depending on its type."""
        if not self.values:
            return "no number"
        if self.type == COUNTER:
            return f"sum {number(self.total)}"
        if self.type == GAUGE:
            return f"last {number(self.values[-1])}"
        lowest, middle, highest = min(self.values), median_low(self.values), max(self.values)
        return f"min {number(lowest)}, median {number(middle)}, max {number(highest)}"

    @property
    def attributes(self) -> list[str]:
        """The names of the attributes that code gave it, a few of many."""
        names = dict.fromkeys(
            truncate(name, MAX_UNIT) for point in self.points for name in point.attributes
        )
        return sorted(names)[:MAX_ATTRIBUTES]

    def over_time(self, start: float, end: float, parts: int) -> list[float | None]:
        """Return its numbers in equal parts of a time, each part summarized by its type.

        Counters are summed; of gauges the last number counts, of all else the median. A part
        without a number is None.
        """
        found: list[list[float]] = [[] for _ in range(parts)]
        for point in self.points:
            place = int((point.time - start) / ((end - start) or 1) * parts)
            found[min(max(place, 0), parts - 1)].append(point.value)
        return [self._sum_up(values) if values else None for values in found]

    def _sum_up(self, values: Sequence[float]) -> float:
        if self.type == COUNTER:
            return _sum(values)
        return values[-1] if self.type == GAUGE else median_low(values)


def read_metrics(items: Iterable[StoredItem]) -> list[Metric]:
    """Return the metrics of all items, by service and name, of the first ``MAX_POINTS`` numbers.

    Numbers of another type or unit are a separate metric. A number without a plausible time gets
    the time at which it was received.
    """
    points: dict[tuple[str, str, str, str], list[MetricPoint]] = {}
    unreadable: dict[tuple[str, str, str, str], int] = {}
    sent = (each for item in items if item.type == "trace_metric" for each in _sent(item))
    for item, each in islice(sent, MAX_POINTS):
        key = (item.project, *_identity(each))
        found = points.setdefault(key, [])
        value = finite(each.get("value"))
        if value is None:
            unreadable[key] = unreadable.get(key, 0) + 1
        else:
            found.append(_point(item, each, value))
    return [
        Metric(*key, tuple(sorted(some, key=lambda each: each.time)), unreadable.get(key, 0))
        for key, some in sorted(points.items())
    ]


def _sent(item: StoredItem) -> Iterator[tuple[StoredItem, Mapping[str, Any]]]:
    payload = as_mapping(item.payload)
    # An SDK sends many at once; one by itself is the whole payload.
    for each in as_mappings(payload.get("items")) if "items" in payload else [payload]:
        yield item, each


def _identity(each: Mapping[str, Any]) -> tuple[str, str, str]:
    name = truncate(as_str(each.get("name")), MAX_NAME) or "unnamed metric"
    unit = truncate(as_str(each.get("unit")), MAX_UNIT)
    kind = truncate(as_str(each.get("type")), MAX_UNIT) or "no type"
    return name, kind, "" if unit == "none" else unit


def _point(item: StoredItem, each: Mapping[str, Any], value: float) -> MetricPoint:
    then = plausible_time(each.get("timestamp"))
    sent = as_mapping(each.get("attributes"))
    plain = {name: as_mapping(typed).get("value", typed) for name, typed in sent.items()}
    time = then.timestamp() if then else item.received_at
    return MetricPoint(time, value, given_attributes(plain))


def finite(value: Any) -> float | None:
    """Return a number that was sent; None if it is not one, or too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _sum(values: Iterable[float]) -> float:
    """Return a sum, limited to the largest float."""
    largest = sys.float_info.max
    return min(max(sum(values), -largest), largest)


def number(value: float) -> str:
    """Return a number for a reader: whole ones in full, others with significant digits."""
    if not math.isfinite(value) or not 1e-3 <= abs(value) < 1e15:
        return f"{value:.4g}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
