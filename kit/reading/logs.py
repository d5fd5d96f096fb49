"""The structured logs of a trace, in the order in which they were written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from kit.ingest.store import StoredItem
from kit.reading.payload import as_mapping, as_mappings, as_str, parse_time, shorten
from kit.reading.spans import service_of

MAX_LOGS = 5000
# The SDK for JavaScript names the span in an attribute.
_SPAN_ID = "sentry.trace.parent_span_id"
# Of logs that were written within the same millisecond, in JavaScript.
_SEQUENCE = "sentry.timestamp.sequence"
# Attributes that SDKs add. The rest comes from the code.
_ADDED = ("sentry.", "process.", "server.", "user.", "user_agent.", "thread.", "code.", "logger.")


@dataclass(frozen=True)
class LogEntry:
    """A structured log; ``time`` is in seconds since the epoch, None if it has none.

    ``level`` is one of trace, debug, info, warn, error and fatal. ``span_id`` is that of the open
    span.
    """

    service: str
    time: float | None
    level: str
    message: str
    span_id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """The attributes that the code gave it; the others were added by the SDK."""
        return given_attributes(self.attributes)

    @property
    def template(self) -> str:
        """The message without its values, to group logs by."""
        return as_str(self.attributes.get("sentry.message.template")) or self.message


def given_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a log, a span or a metric without those that SDKs add."""
    return {name: each for name, each in attributes.items() if not name.startswith(_ADDED)}


def read_logs(items: Sequence[StoredItem], trace_id: str | None = None) -> list[LogEntry]:
    """Return the logs of a trace, or all, at most ``MAX_LOGS``, the earliest first.

    An item of type ``log`` has what a service wrote within seconds: logs of several traces.
    """
    sent = (each for item in items if item.type == "log" for each in _entries(item, trace_id))
    return sorted(islice(sent, MAX_LOGS), key=_order)


def _entries(item: StoredItem, trace_id: str | None) -> Iterator[LogEntry]:
    for each in as_mappings(as_mapping(item.payload).get("items")):
        if trace_id is not None and each.get("trace_id") != trace_id:
            continue
        sent = as_mapping(each.get("attributes"))
        attributes = {name: as_mapping(value).get("value") for name, value in sent.items()}
        then = parse_time(each.get("timestamp"))
        yield LogEntry(
            service=shorten(service_of(attributes, item.project)).text,
            time=then.timestamp() if then else None,
            level=shorten(as_str(each.get("level"))).text,
            message=as_str(each.get("body")),
            span_id=as_str(each.get("span_id")) or as_str(attributes.get(_SPAN_ID)),
            attributes=attributes,
        )


def _order(entry: LogEntry) -> tuple[float, float]:
    sequence = entry.attributes.get(_SEQUENCE)
    # Logs without a time come first, where they are seen.
    return entry.time or 0.0, sequence if isinstance(sequence, int) else 0
