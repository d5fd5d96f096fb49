"""What one project sent since a block of code began, and assertions about it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import sentry_sdk

from kit.actionable import ActionableError
from kit.capture.demands import find_mismatches
from kit.capture.leaks import find_leaks, masked
from kit.capture.silence import (
    MAX_TITLE,
    describe_arrivals,
    explain_silence,
    has_reporting_client,
)
from kit.ingest.members import sent_spans
from kit.ingest.store import Store, StoredItem
from kit.outcome import Event, Trace, make_event, read_trace
from kit.reading.grouping import reason, simulated_issue
from kit.reading.logs import LogEntry, read_logs
from kit.reading.payload import truncate
from kit.words import count_noun

DEADLINE_S = 10.0
# After an event arrived that is not the expected one.
SETTLE_S = 1.0
FLUSH_S = 5.0
MAX_LEAKS = 10
FIRST_READ = 100
SENSITIVE_DATA = "https://docs.sentry.io/platforms/python/data-management/sensitive-data/"

Enough = Callable[[list[StoredItem]], bool]


class NotAsExpected(ActionableError, AssertionError):
    """What was captured is not as expected; the message says what differs, and where."""


class Capture:
    """What the project called ``project`` sends from now on, from any process.

    As a context manager it starts with the block. Inside or after the block you read all that has
    arrived so far: an app in another process may still send when the block is over. Every read
    first flushes the SDK of this process, if there is one. ``timeout`` is how long ``event``,
    ``trace`` and ``expect`` wait, in seconds.
    """

    def __init__(
        self, store: Store, project: str, dsn: str, *, timeout: float = DEADLINE_S
    ) -> None:
        self.project = project
        self.dsn = dsn
        self._store = store
        self._timeout = timeout
        self._begin()

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Send what the block reported now, even if nothing is read before the program ends.
        flush_this_process()

    def __repr__(self) -> str:
        return f"<Capture of {self.project}: {describe_arrivals(self._stored())}>"

    # Reading

    @property
    def event(self) -> Event:
        """The first error event; waits for it. Raises NotAsExpected if none arrives."""
        __tracebackhide__ = True
        return self.wait_for_events(1)[0]

    @property
    def events(self) -> list[Event]:
        """The error events that have arrived, oldest first; does not wait."""
        return _events(self.items("event"))

    def wait_for_events(self, count: int) -> list[Event]:
        """Return the first ``count`` error events. Raises NotAsExpected if fewer arrive."""
        __tracebackhide__ = True
        items = self._collect(lambda items: len(_events(items)) >= count)
        events = _events(items)
        if len(events) < count:
            raise self._too_few(items, count)
        return events[:count]

    def items(self, type: str | None = None) -> list[StoredItem]:
        """Return the items that have arrived, of one type if given, oldest first.

        The types are those of the protocol, such as ``span``, ``log``, ``session`` and
        ``check_in``. Does not wait.
        """
        flush_this_process()
        return [item for item in self._stored() if type in (None, item.type)]

    def wait_for(
        self, type: str, is_wanted: Callable[[StoredItem], bool] = lambda item: True
    ) -> StoredItem:
        """Return the first item of a type, or the first for which ``is_wanted``; waits for it.

        Raises NotAsExpected if none arrives.
        """
        __tracebackhide__ = True
        items = self._collect(lambda items: any(i.type == type and is_wanted(i) for i in items))
        found = next((item for item in items if item.type == type and is_wanted(item)), None)
        if found is None:
            raise NotAsExpected(
                f"No such {type} item of {self.project} arrived within {self._timeout:g} s. "
                f"Arrived: {describe_arrivals(items)}."
            )
        return found

    @property
    def trace(self) -> Trace:
        """The trace of the first error event, or without an event the first trace.

        Waits for the span of a whole request. Raises NotAsExpected if none arrives.
        """
        __tracebackhide__ = True
        items = self._collect(lambda items: _traced(items) is not None)
        trace_id = _traced(items)
        if trace_id is None:
            raise NotAsExpected(
                f"No trace of {self.project} arrived within {self._timeout:g} s. Arrived: "
                f"{describe_arrivals(items)}. Is traces_sample_rate set, to 1.0 for a test? Spans "
                "are sent within five seconds, and when the SDK is flushed."
            )
        return read_trace(self._store, trace_id)

    @property
    def logs(self) -> list[LogEntry]:
        """The structured logs that have arrived, of all traces, earliest first."""
        items = self.items("log")
        traces = sorted({trace_id for item in items for trace_id in item.trace_ids})
        logs = [entry for trace_id in traces for entry in read_logs(items, trace_id)]
        return sorted(logs, key=lambda entry: entry.time or 0.0)

    @property
    def simulated_issues(self) -> list[list[Event]]:
        """The error events that have arrived, grouped by the rules that Sentry documents.

        Simulated: no Sentry server is involved.
        """
        issues: dict[tuple[str, ...], list[Event]] = {}
        for event in self.events:
            issues.setdefault(simulated_issue(event, self.project), []).append(event)
        return list(issues.values())

    # Assertions

    def expect(
        self,
        *,
        type: str | Sequence[str] | None = None,
        message: Any = None,
        handled: bool | None = None,
        level: str | None = None,
        transaction: Any = None,
        release: Any = None,
        environment: Any = None,
        user: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        contexts: Mapping[str, Any] | None = None,
        breadcrumbs: Sequence[Any] | None = None,
        fingerprint: Sequence[str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Event:
        """Return the first error event that is as expected; waits for it. Raises NotAsExpected.

        ``type`` is that of the last exception raised, or a list of the types of the whole chain,
        that one first. Of ``user``, ``tags`` and ``contexts`` only the given entries are compared.
        ``breadcrumbs`` are texts that must be in breadcrumbs in this order. ``fingerprint`` is as
        it was sent. ``values`` are by JMESPath, such as ``request.method``. Each text may be a
        compiled regular expression instead.
        """
        __tracebackhide__ = True
        given = {
            "type": type,
            "message": message,
            "handled": handled,
            "level": level,
            "transaction": transaction,
            "release": release,
            "environment": environment,
            "user": user,
            "tags": tags,
            "contexts": contexts,
            "breadcrumbs": breadcrumbs,
            "fingerprint": fingerprint,
            "values": values,
        }
        demands = {name: each for name, each in given.items() if each is not None}
        items = self._collect(lambda items: _as_demanded(items, demands) is not None, SETTLE_S)
        event = _as_demanded(items, demands)
        if event is None:
            raise self._too_few(items, 1) if not _events(items) else _unlike(items, demands)
        return event

    def assert_issues(self, count: int) -> None:
        """Check that the error events that have arrived become ``count`` issues.

        Simulated: no Sentry server is involved. Raises NotAsExpected with each issue, and why its
        events are one.
        """
        __tracebackhide__ = True
        issues = self.simulated_issues
        if len(issues) != count:
            told = [f"  {_title(each[-1])} – {reason(each[-1], len(each))}" for each in issues]
            events = count_noun(sum(map(len, issues)), "error event")
            raise NotAsExpected(
                "\n".join(
                    [
                        f"{events} of {self.project} would become "
                        f"{count_noun(len(issues), 'issue')} (simulated), expected {count}:",
                        *told,
                    ]
                )
            )

    def assert_no_secret(self, *secrets: str) -> None:
        """Check that nothing that arrived contains a secret, in any item.

        It looks for plain text, and for the encodings of JSON, URLs, HTML and base64. Waits until
        something has arrived, since an empty result proves nothing; for another process, first
        ``expect`` what it reports. Raises NotAsExpected with each place, ValueError without a
        secret to look for.
        """
        __tracebackhide__ = True
        if not secrets:
            raise ValueError("Pass the secrets that were planted: assert_no_secret(card_number).")
        items = self._collect(bool)
        if not items:
            raise self._too_few(items, 1)
        bodies = self._store.bodies(self.project, self._after)
        leaks = {secret: find_leaks(bodies, secret) for secret in secrets}
        if any(leaks.values()):
            raise NotAsExpected("\n".join(_leak_lines(leaks)))

    def assert_nothing_reported(self, *, settle: float | None = None) -> None:
        """Check that no error event was sent, for example for a mistake of the caller.

        The SDK of this process is flushed first, so all that it reported has arrived, and there is
        nothing to wait for. Another process may still send: pass the seconds to wait for that as
        ``settle``. Raises NotAsExpected.
        """
        __tracebackhide__ = True
        if settle is None and not has_reporting_client(self.dsn):
            raise NotAsExpected(
                f"No Sentry client of this process reports to {self.project}, so its silence "
                f"proves nothing. Call sentry_sdk.init(dsn={self.dsn!r}) first. If the app is "
                "another process, say how long to wait for its events: "
                "assert_nothing_reported(settle=1.0)."
            )
        items = self._collect(lambda items: bool(_events(items)), timeout=settle or 0.0)
        if _events(items):
            raise NotAsExpected(
                f"{self.project} should report nothing. Arrived: {describe_arrivals(items)}."
            )

    # Waiting

    def _begin(self) -> None:
        # What was reported before must not count.
        flush_this_process()
        last = self._store.items(limit=1)
        self._after = last[0].id if last else 0

    def _stored(self) -> list[StoredItem]:
        return _since(self._store, self._after, self.project)

    def _collect(
        self, enough: Enough, settle: float | None = None, *, timeout: float | None = None
    ) -> list[StoredItem]:
        """Return what has arrived, oldest first, once it is ``enough`` or the time is over.

        With ``settle`` the time is also over that many seconds after an error event arrived.
        """
        flush_this_process()
        end = time.monotonic() + (self._timeout if timeout is None else timeout)
        with self._store.subscribe() as arrivals:
            items = self._stored()
            while not enough(items):
                if settle is not None and _events(items):
                    end, settle = min(end, time.monotonic() + settle), None
                try:
                    item = arrivals.get(end - time.monotonic())
                except TimeoutError:
                    # Another process that shares the file may have stored it.
                    return self._stored()
                # Some may be both stored and still in the queue.
                if item.project == self.project and item.id not in {each.id for each in items}:
                    items.append(item)
        return items

    def _too_few(self, items: list[StoredItem], count: int) -> NotAsExpected:
        wanted = "No error event" if count == 1 else f"Fewer than {count} error events"
        others = [i for i in _since(self._store, self._after, None) if i.project != self.project]
        why = explain_silence(self.project, self.dsn, items, others)
        return NotAsExpected(
            "\n".join(
                [
                    f"{wanted} of {self.project} arrived within {self._timeout:g} s. Arrived: "
                    f"{describe_arrivals(items)}.",
                    *(f"  • {line}" for line in why),
                ]
            )
        )


def flush_this_process() -> None:
    """Flush the Sentry client of this process, as seen from here."""
    sentry_sdk.flush(timeout=FLUSH_S)


def _since(store: Store, after: int, project: str | None) -> list[StoredItem]:
    """Return the items with higher ids than ``after``, oldest first."""
    limit = FIRST_READ
    while True:
        found = store.items(project=project, limit=limit)
        if len(found) < limit or found[-1].id <= after:
            return [item for item in reversed(found) if item.id > after]
        limit *= 4


def _events(items: Sequence[StoredItem]) -> list[Event]:
    return [make_event(item) for item in items if item.type == "event"]


def _traced(items: Sequence[StoredItem]) -> str | None:
    """Return the trace of the first error event, once its spans are there, else the first one."""
    whole = [trace_id for item in items if item.has_segment for trace_id in _trace_ids(item)]
    failed = [trace_id for item in items if item.type == "event" for trace_id in item.trace_ids]
    return next((each for each in failed if each in whole), None if failed else _first(whole))


def _trace_ids(item: StoredItem) -> Iterator[str]:
    """Yield the traces whose span of a whole request is in an item."""
    if item.type != "span":
        yield from item.trace_ids
        return
    for span in sent_spans(item.payload):
        if isinstance(span, Mapping) and span.get("is_segment") is True:
            yield str(span.get("trace_id"))


def _first(found: Sequence[str]) -> str | None:
    return found[0] if found else None


def _as_demanded(items: Sequence[StoredItem], demands: Mapping[str, Any]) -> Event | None:
    events = _events(items)
    return next((event for event in events if not find_mismatches(event, demands)), None)


def _unlike(items: Sequence[StoredItem], demands: Mapping[str, Any]) -> NotAsExpected:
    """Say what differs in the most similar event."""
    events = _events(items)
    nearest = min(events, key=lambda event: len(find_mismatches(event, demands)))
    others = [_title(event) for event in events if event is not nearest]
    told = [
        f"The error event “{_title(nearest)}” is not as expected:",
        *(f"  • {mismatch}" for mismatch in find_mismatches(nearest, demands)),
    ]
    if others:
        told.append(f"Less similar: {', '.join(others[:5])}{', …' if others[5:] else ''}.")
    return NotAsExpected("\n".join(told))


def _title(event: Event) -> str:
    return truncate(event.title, MAX_TITLE)


def _leak_lines(leaks: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for secret, found in leaks.items():
        if found:
            yield f"The secret {masked(secret)} was sent:"
            yield from (f"  • {leak}" for leak in found[:MAX_LEAKS])
            if more := found[MAX_LEAKS:]:
                yield f"  • and in {count_noun(len(more), 'more place')}"
    yield f"Filter it with data_collection or before_send: {SENSITIVE_DATA}"
