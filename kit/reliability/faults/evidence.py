"""What shows from outside while a fault is on: answers, error events, log lines, memory."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psutil

from demo_services.services import SERVICES, Service
from kit.ingest.store import Store, StoredItem
from kit.provenance.meanings import SUPERVISOR
from kit.reading.payload import (
    as_list,
    as_mapping,
    as_mappings,
    as_str,
    exceptions,
    get_path,
    trace_id,
)
from kit.reading.spans import segments
from kit.reliability.traffic.outcomes import Answer

# Read a few items, then four times as many while all are new. This runs every second: a hundred
# error events would take 50 ms and 4 MB, which longer-lived objects keep from being reused.
FEW, MANY = 8, 8 * 4**4
METRIC, KEPT = "trace_metric", "game.replay_cache"
HOLE, RETRY = "spin was not stored", "payment did not answer"
SPIN_ROUTE = "spin"


class AnswerSource(Protocol):
    """Traffic whose answers can be observed."""

    def observe(self, callback: Callable[[Answer], None]) -> Callable[[], object]:
        """Call ``callback`` for each answer until the returned function is called."""


@dataclass(frozen=True)
class SeenEvent:
    """An error event; ``result`` is the flag's result in it, None without such a flag.

    ``is_exit`` says that a supervisor wrote it. ``at`` is when it was received.
    """

    project: str
    trace_id: str
    result: bool | None
    is_exit: bool
    at: float


class Evidence:
    """Collects what is seen, from now on, of the requests for which ``flag`` is evaluated.

    ``is_own`` recognises the traces of requests that set faults: their events are left out.
    ``read_store`` reads the store bit by bit, and keeps only what the reconciliation needs.
    """

    def __init__(
        self, store: Store, flag: str, is_own: Callable[[str], bool] = lambda trace_id: False
    ) -> None:
        self._store, self._flag, self._is_own = store, flag, is_own
        self._changing = threading.Lock()
        self._last_ids = {kind: self._last_id(kind) for kind in ("event", "log", METRIC)}
        self._memory_mb = self.highest_mb = read_memory_mb()
        self.began_at = time.time()
        self.ended_at: float | None = None
        self.answers: dict[str, Answer] = {}
        self.events: list[SeenEvent] = []
        # Traces with such a log line.
        self.holes: set[str] = set()
        self.retries: set[str] = set()
        # Traces with such a metric.
        self.kept: set[str] = set()

    @property
    def exits(self) -> tuple[str, ...]:
        """The traces of the requests in flight when a process ended."""
        return tuple(each.trace_id for each in self.events if each.is_exit)

    @property
    def exit_at(self) -> float | None:
        """When a process last ended, in seconds since the epoch; None if none did."""
        return max((each.at for each in self.events if each.is_exit), default=None)

    def has_exit_of(self, service: Service) -> bool:
        """Whether the process of a service ended."""
        return any(each.is_exit and each.project == service.name for each in self.events)

    @property
    def grown_mb(self) -> float:
        """The largest growth of this process's memory, in MiB."""
        return self.highest_mb - self._memory_mb

    def note(self, answer: Answer) -> None:
        """Keep an answer; called in the traffic's thread."""
        self.answers[answer.trace_id] = answer

    def read_store(self) -> None:
        """Read what has arrived since the last call. Raises StoreError."""
        with self._changing:
            self.highest_mb = max(self.highest_mb, read_memory_mb())
            arrived = (_read_event(item, self._flag) for item in self._arrivals("event"))
            self.events += [each for each in arrived if not self._is_own(each.trace_id)]
            for item in self._arrivals("log"):
                for key, text in _read_members(item, "body"):
                    if text.startswith(HOLE):
                        self.holes.add(key)
                    elif text.startswith(RETRY):
                        self.retries.add(key)
            for item in self._arrivals(METRIC):
                named = _read_members(item, "name")
                self.kept.update(key for key, name in named if name == KEPT)

    def find_answer(self, key: str) -> Answer | None:
        """Return the answer to a request, as the traffic saw it or as the gateway's span has it.

        A request that was not sampled has no span. Raises StoreError.
        """
        if key not in self.answers and (answer := _answer_of_span(self._store, key)):
            self.answers[key] = answer
        return self.answers.get(key)

    def _last_id(self, kind: str) -> int:
        return max((item.id for item in self._store.items(type=kind, limit=1)), default=0)

    def _arrivals(self, kind: str) -> list[StoredItem]:
        after, limit = self._last_ids[kind], FEW
        while True:
            items = self._store.items(type=kind, limit=limit)
            fresh = [item for item in items if item.id > after]
            if len(fresh) < limit or limit >= MANY:
                break
            limit *= 4
        self._last_ids[kind] = max((item.id for item in fresh), default=after)
        return [item for item in reversed(fresh) if item.project in SERVICES]


def read_memory_mb() -> float:
    """Return the resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss / 2**20)


def _read_event(item: StoredItem, flag: str) -> SeenEvent:
    event: Mapping[str, Any] = item.payload
    mechanism = get_path(exceptions(event), (-1, "mechanism", "type"))
    results = [
        each.get("result")
        for each in as_mappings(get_path(event, ("contexts", "flags", "values")))
        if each.get("flag") == flag
    ]
    result = results[-1] if results and isinstance(results[-1], bool) else None
    is_exit = mechanism == SUPERVISOR
    return SeenEvent(item.project, trace_id(event), result, is_exit, item.received_at)


def _read_members(item: StoredItem, field: str) -> Iterator[tuple[str, str]]:
    """Yield the trace and a field of each log line or metric of an item."""
    for each in as_mappings(as_list(as_mapping(item.payload).get("items"))):
        yield as_str(each.get("trace_id")), as_str(each.get(field))


def _answer_of_span(store: Store, key: str) -> Answer | None:
    items = store.items(trace_id=key, type="span")
    span = next((each for each in segments(items) if each.service == "gateway"), None)
    if span is None:
        return None
    status = span.attributes.get("http.response.status_code")
    return Answer(
        due=span.start,
        trace_id=key,
        route=SPIN_ROUTE if span.name.endswith("/spin") else span.name,
        player="",
        status=status if isinstance(status, int) else None,
        took_s=span.duration,
        kind="good" if isinstance(status, int) and status < 500 else "bad",
    )
