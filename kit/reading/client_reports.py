"""Client reports: what an SDK dropped and why, beside what it sent.

https://develop.sentry.dev/sdk/telemetry/client-reports/
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kit.ingest.store import StoredItem
from kit.reading.payload import as_list, as_mapping, as_mappings, as_str, truncate
from kit.reading.sessions import as_count

MAX_WORD = 40

_CATEGORIES = {
    "event": "error",
    "transaction": "transaction",
    "span": "span",
    "log": "log_item",
    "trace_metric": "trace_metric",
    "check_in": "monitor",
    "session": "session",
    "sessions": "session",
    "profile_chunk": "profile_chunk",
    "feedback": "feedback",
}
# These items contain many entries, and a report counts the entries.
_BATCHES = {"span", "log", "trace_metric"}
SENT_TYPES = tuple(_CATEGORIES)

# What the reasons mean that the SDKs of the workshop give.
REASONS = {
    "before_send": "before_send, or a hook like before_send_span, returned None",
    "callback_error": "before_send or another of your functions raised an error",
    "event_processor": "an event processor returned None, for example Dedupe, which drops an error "
    "that was already reported",
    "sample_rate": "left out by sample_rate or traces_sample_rate",
    "ratelimit_backoff": "the server said to wait, so the SDK did not send it",
    "queue_overflow": "the queue of the transport was full",
    "network_error": "the server could not be reached, or answered with an error",
    "send_error": "the server rejected it for good, for example because of its size",
    "backpressure": "sampled down because the queue was full",
    "internal_sdk_error": "an error inside the SDK",
}


@dataclass(frozen=True)
class Discard:
    """What was dropped: its data category, such as ``error``, and the reason."""

    category: str
    reason: str


@dataclass(frozen=True)
class ServiceTelemetry:
    """What the SDK of a service sent, by data category, and what it reports as dropped."""

    service: str
    sent: Counter[str] = field(default_factory=Counter)
    dropped: Counter[Discard] = field(default_factory=Counter)

    def reasons(self, category: str = "error") -> dict[str, int]:
        """Return why data of a category was dropped, and how much of it for each reason."""
        return {
            discard.reason: count
            for discard, count in self.dropped.items()
            if discard.category == category
        }


def count_telemetry(items: Iterable[StoredItem]) -> dict[str, ServiceTelemetry]:
    """Return what each service sent and dropped, by its name."""
    found: dict[str, ServiceTelemetry] = {}
    for item in items:
        service = found.setdefault(item.project, ServiceTelemetry(item.project))
        if item.type == "client_report":
            service.dropped.update(_discards(as_mapping(item.payload)))
        elif item.type in _CATEGORIES:
            service.sent[_CATEGORIES[item.type]] += _quantity(item)
    return found


def _quantity(item: StoredItem) -> int:
    if item.type not in _BATCHES:
        return 1
    return len(as_list(as_mapping(item.payload).get("items")))


def _discards(report: Mapping[str, object]) -> Counter[Discard]:
    discards: Counter[Discard] = Counter()
    for each in as_mappings(report.get("discarded_events")):
        discard = Discard(_word(each.get("category")), _word(each.get("reason")))
        discards[discard] += as_count(each.get("quantity"))
    return discards


def _word(value: object) -> str:
    return truncate(as_str(value), MAX_WORD) or "unnamed"
