"""The outcome of one trigger of a crash type."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import httpx
import jmespath
from markupsafe import Markup

from demo_services.services import PAYMENT
from kit.crashes import expectation
from kit.crashes.crash_type import CrashType
from kit.hosting.process_exit import ProcessExit
from kit.html import render
from kit.ingest.store import Store, StoredItem
from kit.reading.event import headline
from kit.reading.logs import LogEntry, read_logs
from kit.reading.profiles import active_samples
from kit.reading.spans import Span, spans
from kit.views.card import event_card
from kit.views.card.highlights import Sightings
from kit.views.flame import flame_graph
from kit.views.logs import log_explorer
from kit.views.waterfall import waterfall

# The payment service is a separate process, and sends its logs a tenth of a second later.
PAYMENT_LOGS_S = 1.0


class Event(dict[str, Any]):
    """An error event: the payload as a dict, shown in a notebook as its card."""

    crash: CrashType | None = None
    answered_at: float | None = None
    # The name of its DSN's project; empty if unknown.
    project: str = ""
    # How often its issue was captured here; None when that is not known.
    seen: Sightings | None = None

    @property
    def title(self) -> str:
        """The type of the last exception, or the message of an event without one."""
        return headline(self).name

    def find(self, path: str) -> Any:
        """Return the value at a JMESPath, for example ``contexts.spin.bet``; None if missing.

        Raises jmespath.exceptions.ParseError if ``path`` is not a JMESPath.
        """
        return jmespath.search(path, dict(self))

    def __repr__(self) -> str:
        return f"<Event {self.title} {self.get('event_id')}>"

    def _repr_html_(self) -> Markup:
        return event_card(
            self,
            crash=self.crash,
            answered_at=self.answered_at,
            project=self.project,
            seen=self.seen,
        )


@dataclass(frozen=True)
class Fold:
    """An event of several, and the line that stands for its card while that is folded."""

    level: str
    title: str
    message: str
    card: Markup


def event_cards(events: Sequence[Event]) -> Markup:
    """Return the cards of events; of several, all but the first are folded."""
    return render("events.html", events=list(map(_fold, events))) if events else Markup("")


def _fold(event: Event) -> Fold:
    named = headline(event)
    told = named.message if named.type else ""
    return Fold(str(event.get("level") or "error"), named.name, told, event._repr_html_())


def make_event(item: StoredItem) -> Event:
    """Return the event of a stored item."""
    event = Event(item.payload)
    event.project = item.project
    return event


class Trace(list[Span]):
    """The spans of one trace, the earliest first; shown in a notebook as a waterfall."""

    trace_id: str = ""
    items: tuple[StoredItem, ...] = ()

    @property
    def segments(self) -> list[Span]:
        """The service spans: what each service did for this request, from beginning to end."""
        return [span for span in self if span.is_segment]

    def of(self, service: str) -> list[Span]:
        """Return the spans of one service, the earliest first."""
        return [span for span in self if span.service == service]

    def __repr__(self) -> str:
        return f"<Trace of {', '.join(span.service for span in self.segments)}>"

    def _repr_html_(self) -> Markup:
        # Event cards link to it.
        return Markup('<div id="trace-{}">{}</div>').format(self.trace_id, waterfall(self.items))


def make_trace(items: Sequence[StoredItem], trace_id: str) -> Trace:
    """Return the trace of these items."""
    trace = Trace(spans(items))
    trace.trace_id, trace.items = trace_id, tuple(items)
    return trace


class TraceLogs(list[LogEntry]):
    """The logs of one trace, the earliest first; shown in a notebook as the log explorer."""

    trace_id: str = ""
    items: tuple[StoredItem, ...] = ()

    def of(self, service: str) -> list[LogEntry]:
        """Return the logs of one service, the earliest first."""
        return [entry for entry in self if entry.service == service]

    def __repr__(self) -> str:
        return f"<TraceLogs of {len(self)} lines>"

    def _repr_html_(self) -> Markup:
        # Event cards link to it.
        explorer = log_explorer(self.items, self.trace_id)
        return Markup('<div id="logs-{}">{}</div>').format(self.trace_id, explorer)


def read_trace(store: Store, trace_id: str) -> Trace:
    """Return a trace, waiting for the payment service's part. Raises StoreError.

    The Python services must have been flushed.
    """
    return make_trace(_wait_for_payment(store, trace_id), trace_id)


def read_trace_logs(store: Store, trace_id: str) -> TraceLogs:
    """Return the logs of a trace, waiting for those of the payment service. Raises StoreError.

    The Python services must have been flushed.
    """
    items = _wait_for_payment(store, trace_id)
    logs = TraceLogs(read_logs(items, trace_id))
    logs.trace_id, logs.items = trace_id, tuple(items)
    return logs


def _wait_for_payment(store: Store, trace_id: str) -> list[StoredItem]:
    """Return the items of a trace once all calls are answered, or after ``PAYMENT_LOGS_S``."""
    deadline = time.monotonic() + PAYMENT_LOGS_S
    with store.subscribe(trace_id) as arrivals:
        while True:
            items = store.items(trace_id=trace_id)
            if _has_all_logs(items, trace_id):
                return items
            try:
                arrivals.get(deadline - time.monotonic())
            except TimeoutError:
                return items


def _has_all_logs(items: list[StoredItem], trace_id: str) -> bool:
    """Whether each call has its matching service span, and the payment service logged each request.

    It logs at least one line per request.
    """
    found = spans(items)
    answered = {span.parent_id for span in found if span.is_segment}
    requests = sum(span.is_segment and span.service == PAYMENT.name for span in found)
    logged = sum(entry.service == PAYMENT.name for entry in read_logs(items, trace_id))
    calls = (span for span in found if span.op == "http.client")
    return logged >= requests and all(call.id in answered for call in calls)


class Profile(dict[str, Any]):
    """A profile chunk: the payload as a dict, shown in a notebook as a flame graph.

    The graph shows the thread of ``span`` while the span was open.
    """

    span: Span | None = None

    def __repr__(self) -> str:
        return f"<Profile of {len(active_samples(self, self.span))} samples>"

    def _repr_html_(self) -> Markup:
        return flame_graph(self, self.span)


@dataclass(frozen=True)
class Outcome:
    """The response to a trigger and the telemetry of its trace.

    ``answered_at`` is when the response came, in seconds since the epoch. ``missing`` lists what
    the crash type declares but did not arrive in time. ``process_exit`` says how the process
    ended, if the crash type is deadly.
    """

    crash: CrashType
    trace_id: str
    response: httpx.Response
    answered_at: float
    items: tuple[StoredItem, ...]
    process_exit: ProcessExit | None = None
    sightings: Mapping[str | None, Sightings] = field(default_factory=dict, repr=False)

    @cached_property
    def events(self) -> list[Event]:
        """The error events, those that the crash type declares first, in its order."""
        order = [list(error.chain) for error in self.crash.errors]
        events = [self._event(item) for item in self.items if item.type == "event"]
        known = [event for event in events if expectation.exception_types(event) in order]
        known.sort(key=lambda event: order.index(expectation.exception_types(event)))
        return known + [event for event in events if event not in known]

    @property
    def event(self) -> Event | None:
        """The first error event, or None if none arrived."""
        return self.events[0] if self.events else None

    @cached_property
    def trace(self) -> Trace:
        """The spans of the trace, the earliest first."""
        return make_trace(self.items, self.trace_id)

    @property
    def profile(self) -> Profile | None:
        """The profile of the service that crashed, or None.

        Of several chunks of one profiler, the one with most of the service's work on this request.
        """
        name = self.crash.service.name
        span = next((each for each in self.trace.segments if each.service == name), None)
        if span is None:
            return None
        profiler = span.attributes.get("sentry.profiler_id")
        chunks = (i.payload for i in self.items if (i.type, i.project) == ("profile_chunk", name))
        own = [each for each in chunks if each.get("profiler_id") == profiler]
        if not own:
            return None
        samples = [len(active_samples(chunk, span)) for chunk in own]
        profile = Profile(own[samples.index(max(samples))])
        profile.span = span
        return profile

    @cached_property
    def missing(self) -> list[str]:
        """What the crash type declares but did not arrive, a phrase each."""
        return expectation.find_missing(self.crash, self.items)

    @cached_property
    def unexpected(self) -> list[str]:
        """The error events that arrived but are not declared, a phrase each."""
        return expectation.find_unexpected(self.crash, self.items)

    @property
    def captured(self) -> list[str]:
        """What arrived, a phrase each: error events by type, spans and profiles by service."""
        return [_PHRASES[i.type](i) for i in self.items if i.type in _PHRASES]

    @property
    def response_to_stored_ms(self) -> float | None:
        """Milliseconds from the response until the last error event was stored.

        Negative if the event was stored before the response came; None without an event.
        """
        stored = [item.received_at for item in self.items if item.type == "event"]
        return (max(stored) - self.answered_at) * 1000 if stored else None

    def with_item(self, item: StoredItem, seen: Sightings | None = None) -> "Outcome":
        """Return the same outcome with one more item; ``seen`` is how often its issue was seen."""
        sightings = {**self.sightings, item.event_id: seen} if seen else self.sightings
        return replace(self, items=(*self.items, item), sightings=sightings)

    def _event(self, item: StoredItem) -> Event:
        event = make_event(item)
        event.crash, event.answered_at = self.crash, self.answered_at
        event.seen = self.sightings.get(item.event_id)
        return event

    def show_trace(self) -> Markup:
        """Return its trace as a waterfall, and where the time went as a flame graph.

        That is for a crash that is slow, and for one that raises nothing.
        """
        is_slow = self.crash.profiled or not self.events
        views = [self.trace._repr_html_()]
        if is_slow and (profile := self.profile) is not None:
            views.append(profile._repr_html_())
        return Markup("").join(views)

    def _repr_html_(self) -> Markup:
        return render(
            "outcome.html", outcome=self, cards=event_cards(self.events), views=self.show_trace()
        )

    def __repr__(self) -> str:
        captured = ", ".join(event.title for event in self.events)
        lacks = f", missing {self.missing}" if self.missing else ""
        return (
            f"<Outcome {self.crash.full_id}: HTTP {self.response.status_code}, "
            f"captured {captured or 'no error'}{lacks}>"
        )


_PHRASES: dict[str, Callable[[StoredItem], str]] = {
    "event": lambda item: f"event {Event(item.payload).title}",
    "profile_chunk": lambda item: f"profile {item.project}",
    "span": lambda item: f"spans {item.project}",
}
