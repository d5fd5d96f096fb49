"""A responder: it receives alerts, finds the runbook that knows each, and acts within guards."""

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kit.actionable import WorkshopError
from kit.html import display_live
from kit.reliability.alerts.webhooks.receiver import AlertReceiver
from kit.reliability.remediation.casebook import Casebook
from kit.reliability.remediation.guards import BudgetPolicy, Guards, Refusal
from kit.reliability.remediation.hands import (
    CallHung,
    Hands,
    RemediationClock,
    ThreadHands,
    WallClock,
)
from kit.reliability.remediation.journal import (
    Decision,
    DecisionStep,
    RemediationJournal,
    RepairCase,
)
from kit.reliability.remediation.ladder import Ladder, LadderError, RepairLevel
from kit.reliability.remediation.repair import Repairer, describe_error
from kit.reliability.remediation.runbook import KnownAlert, Runbook, RunbookError
from kit.reliability.remediation.switch import KillSwitch
from kit.reliability.remediation.ticket import Ticket
from kit.threads import report_thread_failure

if TYPE_CHECKING:
    from kit.reliability.remediation.rehearsal.comparison import RemediationComparison

LOOK_EVERY_S = 0.25
STOP_WITHIN_S = 5.0


class RemediationError(WorkshopError):
    """The responder cannot accept an answer now; the message says why."""


class _Killed(Exception):
    """The kill switch was thrown before the action started."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Responder:
    """Handles alerts with ``runbooks``, one action at a time; use it in a ``with`` statement.

    ``on_alert`` takes an alert and returns at once. Answer its questions with ``approve()`` and
    ``deny()``; ``kill()`` ends all actions until ``revive()``. ``targets`` are the services that it
    may act on. ``on_decision`` is called with each decision, in the responder's thread. Without
    ``start()`` nothing happens by itself: then call ``work()``. Raises RunbookError if two runbooks
    have the same name.
    """

    def __init__(
        self,
        runbooks: Iterable[Runbook],
        *,
        targets: Collection[str],
        policy: BudgetPolicy | None = None,
        on_decision: Callable[[Decision], object] = lambda decision: None,
        switch: KillSwitch | None = None,
        clock: RemediationClock | None = None,
        hands: Hands | None = None,
    ) -> None:
        given = tuple(runbooks)
        self.runbooks = {runbook.name: runbook for runbook in given}
        if len(self.runbooks) != len(given):
            raise RunbookError("Two runbooks have the same name. Give each its own name.")
        self.levels: Mapping[str, Ladder] = {
            each.name: Ladder(each.level, each.evidence) for each in given
        }
        self.receiver: AlertReceiver | None = None
        self._clock = clock or WallClock()
        self._switch = switch or KillSwitch()
        self._guards = Guards(targets, self._switch, policy, self._clock.now)
        self._end = threading.Event()
        self._repairer = Repairer(hands or ThreadHands(), self._clock, self._end.is_set)
        self._book = Casebook(self._clock.now, on_decision)
        self._gate = threading.Lock()  # between the kill switch and the start of an action
        self._turn = threading.Lock()  # one action at a time, whoever calls work()
        self._work: queue.SimpleQueue[tuple[RepairCase, Callable[[], None]]] = queue.SimpleQueue()
        self._unfinished = 0
        self._idle = threading.Condition()
        self._asked: dict[int, tuple[RepairCase, Runbook, float]] = {}
        self._worker: threading.Thread | None = None
        self.tickets: list[Ticket] = []

    # Start and stop

    def start(self) -> Self:
        """Work in a thread from now on; no effect if it has started."""
        if self._worker is None:
            self._worker = threading.Thread(target=self._run, name="responder", daemon=True)
            self._worker.start()
        return self

    def stop(self) -> None:
        """Start nothing more; wait at most 5 seconds for a running action. Open questions lapse."""
        if self._end.is_set():
            return
        self._end.set()
        if isinstance(self._clock, WallClock):
            self._clock.end()
        if self._worker is not None:
            self._worker.join(STOP_WITHIN_S)
        for case in self.waiting:
            self._asked.pop(case.number, None)
            self._book.end(case, "escalated", "stopped", "stopped before an answer")
        if self.receiver is not None:
            self.receiver.stop()
        with self._gate:
            self._switch.close()

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
    def is_running(self) -> bool:
        """Whether alerts are being handled."""
        return self._worker is not None and self._worker.is_alive() and not self._end.is_set()

    @property
    def address(self) -> str:
        """The address for its webhooks. Raises RemediationError without a receiver."""
        return self._find_receiver().address

    @property
    def secret(self) -> str:
        """The secret that signs its webhooks. Raises RemediationError without a receiver."""
        return self._find_receiver().secret

    def wait(self, timeout: float = 60.0) -> RemediationJournal:
        """Return the journal once only questions are left. Raises TimeoutError."""
        with self._idle:
            if not self._idle.wait_for(lambda: not self._unfinished, timeout):
                raise TimeoutError(f"The responder is still working after {timeout:g} s.")
        return self.journal

    # What it shows

    @property
    def journal(self) -> RemediationJournal:
        """The decisions about each alert, earliest first."""
        return self._book.journal

    @property
    def waiting(self) -> tuple[RepairCase, ...]:
        """The cases that wait for an answer, oldest question first."""
        return tuple(case for case, _, _ in list(self._asked.values()))

    @property
    def flag(self) -> str:
        """The feature flag of the kill switch: actions are allowed while it is on."""
        return self._switch.flag

    @property
    def is_killed(self) -> bool:
        """Whether the kill switch is thrown."""
        return self._guards.check_switch() is not None

    def on_change(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` after each decision."""
        self._book.on_change(callback)

    def compare(self, seeds: Iterable[int] = range(20)) -> "RemediationComparison":
        """Return simulated incidents with and without these runbooks, on the same seeds.

        Probes and actions are virtual; limits, deadlines and levels are the runbooks' own.
        """
        # Imported late, because the rehearsal imports this module.
        from kit.reliability.remediation.rehearsal.comparison import compare_remediation

        return compare_remediation(seeds, tuple(self.runbooks.values()))

    # What people answer

    def approve(self, case: RepairCase | int | None = None) -> RepairCase:
        """Allow the requested action; without ``case``, the oldest request.

        Guards and the precondition are checked again. Raises RemediationError.
        """
        found, runbook, asked_at = self._take_question(case)
        found.state = "running"
        self._note(found, "approved", f"approved after {self._clock.now() - asked_at:.0f} s")
        self._put(found, partial(self._act_on_answer, found, runbook))
        return found

    def deny(self, case: RepairCase | int | None = None) -> RepairCase:
        """Forbid the requested action. Raises RemediationError."""
        found, runbook, asked_at = self._take_question(case)
        self.levels[runbook.name].learn(is_right=False)
        self._note(found, "denied", f"denied after {self._clock.now() - asked_at:.0f} s")
        self._escalate(found, "a person said no")
        return found

    def judge(self, case: RepairCase | int, is_right: bool) -> None:
        """Say whether a suggestion was right, as evidence for its runbook; once per case.

        Raises RemediationError for a case without a suggestion to judge.
        """
        found = self._book.find(case)
        if found is None or "suggested" not in found.steps or "judged" in found.steps:
            raise RemediationError(
                "There is no suggestion to judge in this case, or it was already judged. Next: "
                "choose one whose journal says “suggested”."
            )
        self.levels[found.runbook].learn(is_right)
        self._note(found, "judged", f"judged {'right' if is_right else 'wrong'}")

    def climb(self, runbook: str) -> RepairLevel:
        """Move a runbook up one level. Raises LadderError without enough evidence."""
        ladder = self.levels.get(runbook)
        if ladder is None:
            known = ", ".join(self.levels)
            raise LadderError(f"There is no runbook {runbook}. Choose one of: {known}.")
        level = ladder.climb()
        self._book.changed()
        return level

    def kill(self) -> None:
        """Throw the kill switch: once this returns, no action starts, not even an undo."""
        with self._gate:
            self._switch.set(is_on=False)
        self._book.changed()

    def revive(self) -> None:
        """Allow actions again."""
        with self._gate:
            self._switch.set(is_on=not self._end.is_set())
        self._book.changed()

    # What it does

    def on_alert(self, alert: KnownAlert) -> None:
        """Take an alert and return at once: it becomes a new case, or joins an open one."""
        case = self._book.open(alert)
        if case is None:
            return
        try:
            known = [each for each in self.runbooks.values() if each.matches(alert)]
        except Exception:
            report_thread_failure()
            known = []
        if not known:
            self._note(case, "unknown", "no runbook knows it")
            self._escalate(case, "unknown")
        else:
            self._put(case, partial(self._consider, case, known))

    def work(self) -> None:
        """Handle the alerts that have arrived, one after the other."""
        with self._turn:
            while not self._end.is_set():
                try:
                    case, task = self._work.get_nowait()
                except queue.Empty:
                    break
                self._handle(case, task)
            self._lapse()

    def _run(self) -> None:
        while not self._end.is_set():
            self.work()
            with self._idle:
                self._idle.wait_for(lambda: not self._work.empty(), LOOK_EVERY_S)

    def _put(self, case: RepairCase, task: Callable[[], None]) -> None:
        with self._idle:
            self._unfinished += 1
            self._work.put((case, task))
            self._idle.notify_all()

    def _handle(self, case: RepairCase, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:
            report_thread_failure()
            self._escalate(case, f"the responder failed: {describe_error(error)}")
        finally:
            with self._idle:
                self._unfinished -= 1
                self._idle.notify_all()

    def _consider(self, case: RepairCase, known: list[Runbook]) -> None:
        for runbook in known:
            case.runbook, case.action = runbook.name, runbook.action.name
            case.target = runbook.action.target
            self._note(case, "matched", f"matched {runbook.name}")
            if self._expects(case, runbook):
                break
        else:
            self._escalate(case, "known by its name only")
            return
        if self._guards.hides_a_bug(case.issue):
            self._write_ticket(case, runbook)
        elif refusal := self._guards.check(runbook):
            self._refuse(case, refusal)
        else:
            self._take_step(case, runbook, self.levels[runbook.name].level)

    def _expects(self, case: RepairCase, runbook: Runbook) -> bool:
        why_not = self._repairer.expects(runbook)
        self._note(
            case, "precondition", f"precondition ✗: {why_not}" if why_not else "precondition ✓"
        )
        return not why_not

    def _take_step(self, case: RepairCase, runbook: Runbook, level: RepairLevel) -> None:
        if level == "auto":
            self._act(case, runbook)
        elif level == "ask":
            case.state = "waiting"
            self._asked[case.number] = (case, runbook, self._clock.now())
            self._note(case, "asked", f"asked: {runbook.action.name}?")
        else:
            verb = "would" if level == "watch" else "suggested:"
            self._note(case, "suggested", f"{verb} {runbook.action.name}")
            self._escalate(case, f"level {level}")

    def _act_on_answer(self, case: RepairCase, runbook: Runbook) -> None:
        """Check again: the system may have changed while a person was thinking."""
        if not self._expects(case, runbook):
            self._escalate(case, "it changed before the answer")
        elif refusal := self._guards.check(runbook):
            self._refuse(case, refusal)
        else:
            self._act(case, runbook)

    def _act(self, case: RepairCase, runbook: Runbook) -> None:
        case.state = "running"
        before = self._repairer.measure_before(runbook.proof)
        self._guards.note_run(runbook)
        # Held until it has ended: an abandoned action may still change its service.
        self._guards.hold(runbook.action.target)
        on_late = partial(self._put, case, partial(self._end_late, case, runbook))
        try:
            took_s = self._repairer.do(runbook, self._begin, on_late)
        except CallHung:
            self._note(case, "hung", f"hung: abandoned after {runbook.deadline_s:g} s")
            self._fail(case, runbook, is_harm=True)
            return
        except _Killed as killed:
            self._guards.release(runbook.action.target)
            self._refuse(case, killed.refusal)
            return
        except Exception as error:
            self._guards.release(runbook.action.target)
            self._note(case, "failed", f"failed: {describe_error(error)}")
            self._fail(case, runbook, is_harm=False)
            return
        self._guards.release(runbook.action.target)
        self._note(case, "did", f"did {runbook.action.name} in {took_s:.1f} s")
        self._prove(case, runbook, before)

    def _begin(self) -> None:
        with self._gate:
            if refusal := self._guards.check_switch():
                raise _Killed(refusal)

    def _prove(self, case: RepairCase, runbook: Runbook, before: float | None) -> None:
        found = self._repairer.prove(runbook.proof, before)
        if found.holds:
            self.levels[runbook.name].learn(is_right=True)
            self._guards.note_repair(case.issue)
            self._book.end(case, "proved", "proved", f"proved after {found.took_s:.0f} s")
        elif self._end.is_set():
            self._book.end(case, "escalated", "stopped", "stopped before it was proved")
        else:
            step: DecisionStep = "harmed" if found.is_harm else "not proved"
            self._note(case, step, f"{step} within {found.took_s:.0f} s: {found.sentence}")
            self._fail(case, runbook, is_harm=found.is_harm)

    def _fail(self, case: RepairCase, runbook: Runbook, *, is_harm: bool) -> None:
        """Undo it, record that it was wrong, and hand the case to a person."""
        self._undo(case, runbook)
        ladder = self.levels[runbook.name]
        ladder.learn(is_right=False)
        if is_harm:
            self._note(case, "fell", f"{runbook.name} falls to {ladder.fall()}")
        self._escalate(case, "the repair did not work")

    def _undo(self, case: RepairCase, runbook: Runbook) -> None:
        if refusal := self._guards.check_switch():
            self._note(case, "refused", f"not undone: {refusal.reason}")
        else:
            self._note(case, "undone", self._repairer.undo(runbook))

    def _end_late(self, case: RepairCase, runbook: Runbook) -> None:
        """Undo the effect of an action that ended after it was abandoned."""
        self._note(case, "late", f"{runbook.action.name} ended late")
        self._undo(case, runbook)
        self._guards.release(runbook.action.target)

    def _refuse(self, case: RepairCase, refusal: Refusal) -> None:
        self._note(case, "refused", f"refused: {refusal}")
        self._escalate(case, f"stopped by a guard: {refusal.guard}")

    def _write_ticket(self, case: RepairCase, runbook: Runbook) -> None:
        repairs = self._guards.repairs_of(case.issue)
        found = next((each for each in self.tickets if each.repairs == repairs), None)
        if found is None:
            events = [each.event for each in self.journal if each.issue == case.issue]
            found = Ticket(
                self._clock.now(), case.issue, case.title, runbook.action.name, repairs, events
            )
            self.tickets.append(found)
        else:
            found.events.append(case.event)
        text = f"ticket: back after {len(repairs)} repairs within an hour"
        self._book.end(case, "ticket", "ticket", text)

    def _lapse(self) -> None:
        for case, runbook, asked_at in list(self._asked.values()):
            if self._clock.now() - asked_at < runbook.answer_within_s:
                continue
            if self._asked.pop(case.number, None) is not None:
                self._note(case, "lapsed", f"no answer within {runbook.answer_within_s:.0f} s")
                self._escalate(case, "the question lapsed")

    def _take_question(self, case: RepairCase | int | None) -> tuple[RepairCase, Runbook, float]:
        number = case.number if isinstance(case, RepairCase) else case
        if number is None:
            number = next(iter(list(self._asked)), -1)
        found = self._asked.pop(number, None)
        if found is None or self._end.is_set():
            raise RemediationError(
                "Nothing waits for an answer: the question does not exist, or it was answered. "
                "Next: look at .waiting."
            )
        return found

    def _note(self, case: RepairCase, step: DecisionStep, text: str) -> None:
        self._book.note(case, step, text)

    def _escalate(self, case: RepairCase, why: str) -> None:
        self._book.end(case, "escalated", "escalated", f"escalated: {why}")

    def _find_receiver(self) -> AlertReceiver:
        if self.receiver is None:
            raise RemediationError(
                "This responder has no address: it was made without a receiver. Next: make it "
                "with workshop.responder(...)."
            )
        return self.receiver

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<Responder {state}: {self.journal.sentence}>"

    def _ipython_display_(self) -> None:
        # Imports widgets only when one is shown.
        from kit.reliability.remediation.widget import ResponderWidget

        display_live(ResponderWidget(self).view)
