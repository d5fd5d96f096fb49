"""The cases of a responder while it works: notes each decision, and passes it on."""

import threading
from collections.abc import Callable

from kit.reading.payload import escape_bidi, truncate
from kit.reliability.remediation.journal import (
    CaseState,
    Decision,
    DecisionStep,
    RemediationJournal,
    RepairCase,
)
from kit.reliability.remediation.runbook import KnownAlert
from kit.threads import report_thread_failure

# How many of the latest are kept; older ones are dropped.
MAX_CASES = 2000
_OPEN: frozenset[CaseState] = frozenset({"open", "waiting", "running"})


class Casebook:
    """All cases, at most one open per issue; safe to use from several threads.

    ``now`` returns seconds since the epoch; ``on_decision`` is called with each decision.
    """

    def __init__(self, now: Callable[[], float], on_decision: Callable[[Decision], object]) -> None:
        self._now = now
        self._on_decision = on_decision
        self._lock = threading.RLock()
        self._cases: list[RepairCase] = []
        self._open: dict[str, RepairCase] = {}
        self._number = 0
        self._on_change: list[Callable[[], object]] = []

    @property
    def journal(self) -> RemediationJournal:
        """The cases, earliest first."""
        with self._lock:
            return RemediationJournal(self._cases)

    def on_change(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` after each decision."""
        self._on_change.append(callback)

    def find(self, case: RepairCase | int) -> RepairCase | None:
        """Return a case by its number."""
        number = case.number if isinstance(case, RepairCase) else case
        with self._lock:
            return next((each for each in self._cases if each.number == number), None)

    def open(self, alert: KnownAlert) -> RepairCase | None:
        """Return a new case for an alert; None if it joins an open case of its issue."""
        issue = alert.issue_id or f"{alert.rule}: {alert.title}"
        with self._lock:
            if before := self._open.get(issue):
                before.joined += 1
                return None
            self._number += 1
            title = escape_bidi(truncate(alert.title or alert.rule or "?", 200))
            case = RepairCase(self._number, issue, title, event=alert.event)
            self._cases = [*self._cases[1 - MAX_CASES :], case]
            self._open[issue] = case
        self.note(case, "alert", "alert")
        return case

    def note(self, case: RepairCase, step: DecisionStep, text: str) -> None:
        """Add a decision to a case, and pass it on."""
        made = Decision(
            self._now(), case.number, step, text, case.issue, case.runbook, case.action, case.target
        )
        with self._lock:
            case.decisions.append(made)
        try:
            self._on_decision(made)
        except Exception:
            report_thread_failure()
        self.changed()

    def end(self, case: RepairCase, state: CaseState, step: DecisionStep, text: str) -> None:
        """Close a case with a last decision: the next alert of its issue opens another."""
        with self._lock:
            case.state = state
            if self._open.get(case.issue) is case:
                del self._open[case.issue]
        self.note(case, step, text)

    def changed(self) -> None:
        """Call all callbacks."""
        for callback in self._on_change:
            try:
                callback()
            except Exception:
                report_thread_failure()
