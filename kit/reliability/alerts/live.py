"""A set of rules: run over stored events, judged by the truth, and live as events arrive."""

import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

from markupsafe import Markup

from kit.html import render
from kit.ingest.store import Store, StoredItem, StoreError, Subscription
from kit.reliability.alerts.evaluate import Evaluator, load_event, replay
from kit.reliability.alerts.firings import AlertFiring, Firings
from kit.reliability.alerts.judge import GRACE_S, AlertJudgement
from kit.reliability.alerts.lint import AlertFinding
from kit.reliability.alerts.occurrences import (
    LAST_EVENTS,
    IssueChange,
    Occurrence,
    as_occurrence,
)
from kit.reliability.alerts.pages import ALERTS_NOT_IMITATED, CREATE_ALERTS
from kit.reliability.alerts.rule import AlertRule
from kit.reliability.alerts.webhooks.webhook import Delivery, Webhook
from kit.reliability.faults.incident import Incident
from kit.threads import report_thread_failure
from kit.words import count_noun

# The longest that stopping may take; nothing arrives in the meantime.
_POLL_S = 0.2


class Plan(Protocol):
    """Knows which incidents there were, such as a revealed schedule."""

    def reveal(self) -> Sequence[Incident]:
        """Return the incidents, in seconds since the epoch or since its start."""


class Address(Protocol):
    """Where webhooks go, such as a receiver."""

    @property
    def address(self) -> str:
        """The URL."""

    @property
    def secret(self) -> str:
        """The secret they are signed with."""


class AlertRules(Sequence[AlertRule]):
    """Rules, and the store that they read."""

    def __init__(self, rules: Iterable[AlertRule], store: Store) -> None:
        self._rules = tuple(rules)
        self._store = store

    def __getitem__(self, index: Any) -> Any:
        return self._rules[index]

    def __len__(self) -> int:
        return len(self._rules)

    def would_have_fired(
        self,
        *,
        since: float = 0.0,
        until: float | None = None,
        last: int | None = None,
        changes: Iterable[IssueChange] = (),
    ) -> Firings:
        """Return when the rules would have fired for the ``last`` stored error events.

        They fire from ``since`` until ``until``; earlier events count as history. Simulated. Raises
        StoreError.
        """
        return replay(
            self._rules, self._store, since=since, until=until, last=last, changes=changes
        )

    def judge(self, truth: Plan | Iterable[Incident]) -> AlertJudgement:
        """Return what the rules are worth, judged by what really happened.

        ``truth`` is incidents, or a schedule, which gets revealed. Only the time from the first to
        the last of them counts, no-ops included. Raises StoreError.
        """
        incidents = incidents_of(truth)
        if not incidents:
            return self.would_have_fired().judge(())
        start = min(each.starts_at for each in incidents)
        end = max(each.ends_at for each in incidents)
        fired = self.would_have_fired(since=start, until=end + GRACE_S)
        return fired.judge(incidents, span=(start, end))

    def lint(self) -> list[tuple[AlertRule, list[AlertFinding]]]:
        """Return what is wrong with each rule; rules without a finding are left out."""
        return [(rule, found) for rule in self._rules if (found := rule.lint())]

    def live(self, receiver: Address | None = None) -> "LiveAlerts":
        """Return the rules, evaluated as events arrive; a ``receiver`` gets a webhook per firing.

        Use it in a ``with`` statement, or call its ``start()`` and ``stop()``.
        """
        hook = Webhook(receiver.address, receiver.secret) if receiver else None
        return LiveAlerts(self._rules, self._store, hook)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._rules))

    def __repr__(self) -> str:
        return f"<AlertRules: {count_noun(len(self), 'rule')}>"

    def _repr_html_(self) -> Markup:
        return render(
            "alerts_rule.html",
            rules=self._rules,
            findings=self.lint(),
            modelled=CREATE_ALERTS,
            not_imitated=ALERTS_NOT_IMITATED,
        )


def incidents_of(truth: Plan | Iterable[Incident]) -> list[Incident]:
    """Return the incidents of a truth, in seconds since the epoch.

    A schedule has them in seconds since its start.
    """
    if isinstance(truth, Iterable):
        return list(truth)
    began = getattr(truth, "began_at", None) or 0.0
    return [
        replace(each, starts_at=began + each.starts_at, ends_at=began + each.ends_at)
        for each in truth.reveal()
    ]


class LiveAlerts:
    """Rules evaluated as events arrive; made by ``AlertRules.live``.

    Events stored before the start are history: no rule fires for them, and their issues are not
    new. It ends with its ``with`` block, or with the store.
    """

    def __init__(self, rules: Sequence[AlertRule], store: Store, webhook: Webhook | None) -> None:
        self.rules = tuple(rules)
        self.deliveries: list[Delivery] = []
        self._store = store
        self._webhook = webhook
        self._evaluator = Evaluator(self.rules, partial(load_event, store))
        self._fired: list[AlertFiring] = []
        self._span = (0.0, 0.0)
        self._end = threading.Event()
        self._ready = threading.Event()
        self._to_post: queue.SimpleQueue[tuple[AlertFiring, Mapping[str, Any]] | None]
        self._to_post = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def is_running(self) -> bool:
        """Whether events are being evaluated."""
        return any(thread.is_alive() for thread in self._threads[:1])

    def start(self) -> Self:
        """Evaluate what arrives from now on; a second call has no effect."""
        if self._threads:
            return self
        for name, work in (("alert rules", self._watch), ("alert webhooks", self._post)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        """Stop evaluating; pending webhooks are still sent. A second call has no effect."""
        self._end.set()
        for thread in self._threads:
            thread.join(5.0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def firings(self) -> Firings:
        """When the rules fired so far."""
        return Firings(
            list(self._fired),
            self.rules,
            span=self._span,
            events=self._evaluator.events,
            held_back=self._evaluator.held_back,
        )

    def _watch(self) -> None:
        try:
            with self._store.subscribe() as arrivals:
                newest = self._learn()
                self._ready.set()
                self._follow(arrivals, newest)
        except StoreError:
            # The store was closed: the workshop ends.
            pass
        except Exception:
            report_thread_failure()
        finally:
            self._ready.set()
            self._to_post.put(None)

    def _follow(self, arrivals: Subscription, newest: int) -> None:
        """Process arrivals until the end, including those that had arrived by then."""
        while True:
            is_last = self._end.is_set()
            try:
                item = arrivals.get(0.0 if is_last else _POLL_S)
            except TimeoutError:
                if is_last:
                    return
                continue
            if item.type == "event" and item.id > newest:
                try:
                    self._take(item)
                except Exception:
                    # One unreadable event must not end the alerts.
                    report_thread_failure()

    def _learn(self) -> int:
        """Note what is already stored; return the number of its newest item."""
        items = self._store.items(type="event", limit=LAST_EVENTS)
        newest = items[0].id if items else 0
        while items:
            self._evaluator.learn(as_occurrence(items.pop()))
        return newest

    def _take(self, item: StoredItem) -> None:
        occurrence = as_occurrence(item)
        self._span = (self._span[0] or occurrence.at, occurrence.at)
        for firing in self._evaluator.add(occurrence):
            self._fired.append(firing)
            self._notify(firing, occurrence)

    def _notify(self, firing: AlertFiring, occurrence: Occurrence) -> None:
        if self._webhook is not None:
            self._to_post.put((firing, occurrence.event))

    def _post(self) -> None:
        while (work := self._to_post.get()) is not None:
            if self._webhook is not None:
                try:
                    self.deliveries.append(self._webhook.post(*work))
                except Exception:
                    report_thread_failure()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<LiveAlerts {state}: {self.firings.sentence}>"

    def _repr_html_(self) -> Markup:
        return self.firings._repr_html_()
