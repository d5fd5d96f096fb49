"""A drill: an unannounced incident, under traffic, with a clock."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, Self

from kit.actionable import WorkshopError
from kit.html import display_live
from kit.reliability.drill.environment import DrillEnvironment
from kit.reliability.drill.impact import TARGET, Impact, ImpactMeter, SpentBudget
from kit.reliability.drill.inbox import InboxMessage
from kit.reliability.drill.mitigation import Injections, Mitigation, one_action, perform
from kit.reliability.drill.phases import PHASES, DrillError, DrillPhase, PhaseName
from kit.reliability.drill.postmortem import Postmortem
from kit.reliability.drill.result import DrillResult
from kit.reliability.drill.scenario import SERVICES, Scenario
from kit.reliability.drill.timeline import DrillTimeline, EntryKind, minutes_and_seconds
from kit.reliability.drill.verdict import DrillVerdict
from kit.threads import report_thread_failure

DrillState = Literal["not started", "running", "over"]
TICK_S = 0.5
MAX_UPDATE = 500
NOTHING_WRONG = "nothing was wrong yet"
PAGES_EVERY_S = 2.0  # evaluating a rule reads the store
REACH = 0.25  # of the drill: an update this soon after the request counts as its answer


class Drill:
    """An on-call incident: say that you noticed it, where it is and why, and stop it.

    ``start()`` starts traffic and the clock. Some time later a fault begins. Answer with
    ``detected()``, ``localised("payment")``, ``diagnosed(cause)`` and ``mitigate(...)``, in any
    order after the first. The drill is over when all four are right, when time is up, or with
    ``give_up()``. Then ``verdict`` and ``postmortem()`` show how it went.

    ``remember`` is called with the result, and returns why it could not be saved, if so. With
    ``ticks=False`` nothing happens by itself: call ``advance()``.
    """

    def __init__(
        self,
        scenario: Scenario,
        environment: DrillEnvironment,
        *,
        remember: Callable[[DrillResult], str] = lambda result: "",
        now: Callable[[], float] = time.time,
        ticks: bool = True,
    ) -> None:
        self._scenario = scenario
        self._environment = environment
        self._remember = remember
        self._now = now
        self._ticks = ticks
        self._turn = threading.RLock()
        self._hands = threading.Lock()
        self._injections = Injections(scenario, environment, self._remaining)
        self._meter = ImpactMeter()
        self._phases = {name: DrillPhase(name) for name in PHASES}
        self._events = _events(scenario)
        self._seen_pages: set[float] = set()
        self._pages_due = 0.0
        self._began: float | None = None
        self._incident_at: float | None = None
        self._ended_at: float | None = None
        self._undo: list[Callable[[], object]] = []
        self._on_change: list[Callable[[], object]] = []
        self.timeline = DrillTimeline()
        self.inbox: tuple[InboxMessage, ...] = ()
        self.remark = ""
        self.ended = threading.Event()

    @property
    def seed(self) -> int:
        """The seed that the incident was drawn from: the same for each member of a class."""
        return self._scenario.seed

    @property
    def minutes(self) -> float:
        """The maximum length of the drill."""
        return self._scenario.minutes

    @property
    def state(self) -> DrillState:
        """Whether it has not started, is running or is over."""
        if self._began is None:
            return "not started"
        return "over" if self.ended.is_set() else "running"

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, until the end."""
        if self._began is None:
            return 0.0
        return self._ended_at if self._ended_at is not None else self._now() - self._began

    @property
    def causes(self) -> tuple[str, ...]:
        """What ``diagnosed()`` accepts: one of these is right."""
        return self._scenario.causes

    @property
    def flags(self) -> tuple[str, ...]:
        """The feature flags that are or were on: what ``mitigate(turn_off=...)`` accepts."""
        return self._scenario.flags

    @property
    def services(self) -> tuple[str, ...]:
        """What ``localised()``, ``mitigate(restart=...)`` and ``(roll_back=...)`` accept."""
        return SERVICES

    @property
    def phases(self) -> tuple[DrillPhase, ...]:
        """The state of each phase."""
        return tuple(self._phases.values())

    @property
    def budget(self) -> SpentBudget:
        """How much of the error budget of these minutes is spent."""
        allowed = (1 - TARGET) * self._environment.rate * 60 * self.minutes
        if self._began is None:
            return SpentBudget(allowed, 0)
        until = self._began + self.elapsed_s
        return SpentBudget(
            allowed, self._environment.traffic.outcomes.between(self._began, until).bad
        )

    def start(self) -> Self:
        """Start the traffic and the clock; no effect once it has started."""
        with self._turn:
            if self._began is not None:
                return self
            traffic = self._environment.traffic
            self._undo.append(traffic.observe(self._meter.watch))
            if not traffic.is_running:
                self._undo.append(traffic.stop)
                traffic.start()
            self._began = self._now()
            self._note("drill", f"The drill with seed {self.seed} begins.")
            self._injections.begin_decoys()
            for decoy in self._scenario.decoys:
                self._note("noise", f"Flag {decoy.flag} is on in {decoy.service}; it does nothing.")
        if self._ticks:
            threading.Thread(target=self._tick, name="drill", daemon=True).start()
        self._changed()
        return self

    def stop(self) -> None:
        """End without a result: turn every flag off, and stop the drill's own traffic."""
        self._finish("The drill was stopped.", keeps=False)

    def give_up(self) -> None:
        """End it now; unanswered phases count as missed."""
        self._require_running()
        self._finish("You gave up.")

    def detected(self, by: str = "you") -> bool:
        """Say that something is wrong; return whether it is. False alarms are counted."""
        with self._turn:
            self._require_running()
            has_begun = self._incident_at is not None
            return self._answer("detected", NOTHING_WRONG, has_begun, by=by)

    def localised(self, service: str) -> bool:
        """Say which service the fault is in; return whether you are right."""
        if service not in SERVICES:
            known = ", ".join(SERVICES)
            raise DrillError(f"There is no service {service}. Choose one of: {known}.")
        with self._turn:
            self._require_detected()
            return self._answer("localised", service, service in self._scenario.services)

    def diagnosed(self, cause: str) -> bool:
        """Say what is wrong, in the words of one of ``causes``; return whether you are right."""
        if cause not in self.causes:
            raise DrillError("Choose one of these causes:\n" + "\n".join(self.causes))
        with self._turn:
            self._require_detected()
            return self._answer("diagnosed", cause, cause == self._scenario.cause)

    def mitigate(
        self,
        *,
        turn_off: str | None = None,
        restart: str | None = None,
        roll_back: str | None = None,
    ) -> Mitigation:
        """Turn a flag off, restart a service or roll it back, then check the steady state.

        This really happens to the running system, and takes its time. An action that does not
        help changes nothing.
        """
        action, target = one_action(turn_off, restart, roll_back)
        self._require_detected()
        with self._hands:
            done = perform(self._injections, action, target, self._environment.probe)
        with self._turn:
            if self.state == "running":
                self._note("mitigation", done.sentence)
                self._answer("mitigated", f"{action} {target}", done.is_steady)
        return done

    def update(self, text: str) -> None:
        """Write a status update; it goes on the timeline."""
        with self._turn:
            self._require_running()
            self._note("update", " ".join(text.split())[:MAX_UPDATE])
        self._changed()

    @property
    def impact(self) -> Impact:
        """The spins that failed while the incident lasted, and their players."""
        if self._began is None or self._incident_at is None:
            return Impact()
        until = self._phases["mitigated"].at or self.elapsed_s
        return self._meter.between(self._began + self._incident_at, self._began + until)

    @property
    def verdict(self) -> DrillVerdict:
        """How it went, phase by phase. Raises DrillError while it runs."""
        if self.state != "over":
            raise DrillError("The verdict comes when the drill is over. drill.give_up() ends it.")
        return DrillVerdict(
            scenario=self._scenario,
            began_at=self._incident_at,
            ended_at=self.elapsed_s,
            phases=self.phases,
            budget=self.budget,
            impact=self.impact,
            status=self._status(),
            remark=self.remark,
        )

    @property
    def result(self) -> DrillResult:
        """The result to save. Raises DrillError while it runs."""
        verdict = self.verdict
        times = {f"{name}_s": verdict.seconds(name) for name in PHASES}
        return DrillResult(
            seed=self.seed,
            fault=self._scenario.fault,
            minutes=self.minutes,
            at=datetime.fromtimestamp((self._began or 0.0) + self.elapsed_s, UTC).isoformat(
                timespec="seconds"
            ),
            wrong=sum(phase.wrong for phase in self.phases),
            budget_spent=round(verdict.budget.share, 3),
            failed=verdict.impact.failed,
            players=verdict.impact.players,
            **times,
        )

    def postmortem(self) -> Postmortem:
        """Return a draft of the post-mortem. Raises DrillError while it runs."""
        verdict = self.verdict
        assert self._began is not None
        return Postmortem(verdict, tuple(self.timeline), self._began)

    def truth_for_judges(self) -> Scenario:
        """Return what the seed drew: the answers. For tests and judges."""
        return self._scenario

    def advance(self) -> None:
        """Do everything that is due: begin the incident, deliver messages, end the drill."""
        with self._turn:
            if self.state != "running":
                return
            while self._events and self._events[0][0] <= self.elapsed_s:
                _, happen = self._events.pop(0)
                happen(self)
            self._take_pages()
            is_late = self.elapsed_s >= self._scenario.ends_at
        if is_late:
            self._finish("Time is up.")

    def on_change(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` after each change, in the thread that made it."""
        self._on_change.append(callback)

    def __repr__(self) -> str:
        if self.state == "over":
            return str(self.verdict)
        return f"<Drill {self.seed}, {self.state}, {minutes_and_seconds(self.elapsed_s)}>"

    def _ipython_display_(self) -> None:
        # Imports widgets only when one is shown.
        from kit.reliability.drill.widget import DrillWidget

        display_live(DrillWidget(self).view)

    def _tick(self) -> None:
        while not self.ended.wait(TICK_S):
            try:
                self.advance()
            except WorkshopError as error:
                self._finish(f"The drill ended: {error}", keeps=False)
            except Exception:
                report_thread_failure()
                self._finish("The drill ended because of its own error.", keeps=False)
            self._changed()

    def _answer(
        self,
        name: PhaseName,
        answer: str,
        is_right: bool,
        *,
        by: str = "",
        at: float | None = None,
    ) -> bool:
        """Record an answer, given now or ``at``; end the drill with the last right one."""
        at = self.elapsed_s if at is None else at
        phase = self._phases[name]
        if phase.is_done:
            return is_right
        self._phases[name] = phase.with_answer(answer, is_right=is_right, at=at, by=by)
        if name != "mitigated":
            self.timeline.add(at, "phase", _describe_answer(name, answer, is_right=is_right, by=by))
        if all(each.is_done for each in self.phases):
            self._finish("All four phases are done.")
        self._changed()
        return is_right

    def _take_pages(self) -> None:
        """Count pages of the learner's alert rule as detection."""
        if self._began is None or self._phases["detected"].is_done:
            return
        if self.elapsed_s < self._pages_due:
            return
        self._pages_due = self.elapsed_s + PAGES_EVERY_S
        new = {at for at in self._environment.pages() if at >= self._began} - self._seen_pages
        self._seen_pages |= new
        for at in sorted(page - self._began for page in new):
            is_right = self._incident_at is not None and at >= self._incident_at
            self._answer("detected", NOTHING_WRONG, is_right, by="your alert rule", at=at)

    def _finish(self, why: str, *, keeps: bool = True) -> None:
        with self._turn:
            if self.state != "running":
                return
            self._ended_at = self._now() - (self._began or 0.0)
            self._note("drill", why)
            self.timeline.is_open = False
            self.ended.set()
        with suppress(WorkshopError):  # each lease also ends by itself
            self._injections.end()
        for undo in reversed(self._undo):
            undo()
        self._environment.reveal()
        if keeps:
            self.remark = self._remember(self.result)
        self._changed()

    def _begin_incident(self) -> None:
        self._incident_at = self.elapsed_s
        drawn = self._scenario
        self._note("incident", f"It begins: {drawn.cause}, behind the flag {drawn.flag}.")
        self._injections.begin_incident()

    def _deliver(self, message: InboxMessage) -> None:
        delivered = replace(message, at=self.elapsed_s)
        self.inbox = (*self.inbox, delivered)
        self._note("message", f"{message.sender}: {message.text}")

    def _fail_naturally(self, number: int) -> None:
        error = self._scenario.natural_errors[number]
        self._note("noise", f"An everyday error: {error.crash_id}, {error.variant}.")
        # Its answer may take a while, and the clock must not wait.
        act = self._environment.fail
        threading.Thread(target=lambda: act(error), name="drill-noise", daemon=True).start()

    def _status(self) -> float | None:
        """Return after how many seconds the requested status was written."""
        asked = [message.at for message in self.inbox if message.wants_status]
        if not asked:
            return None
        written = [entry.at for entry in self.timeline.of("update")]
        reach = REACH * self._scenario.ends_at
        return next((at - asked[0] for at in written if 0 <= at - asked[0] <= reach), None)

    def _remaining(self) -> float:
        if self.state != "running":
            return 0.0
        return max(0.0, self._scenario.ends_at - self.elapsed_s)

    def _require_running(self) -> None:
        if self.state == "not started":
            raise DrillError("The drill has not started. Start it with drill.start().")
        if self.state == "over":
            raise DrillError("The drill is over. Make another one with another seed.")

    def _require_detected(self) -> None:
        self._require_running()
        if not self._phases["detected"].is_done:
            raise DrillError("Say first that something is wrong: drill.detected().")

    def _note(self, kind: EntryKind, text: str) -> None:
        self.timeline.add(self.elapsed_s, kind, text)

    def _changed(self) -> None:
        for callback in list(self._on_change):
            callback()


_Happening = Callable[[Drill], None]


def _events(scenario: Scenario) -> list[tuple[float, _Happening]]:
    """Return what happens in the drill, in order of time."""

    def deliver(message: InboxMessage) -> _Happening:
        return lambda drill: drill._deliver(message)

    def fail(number: int) -> _Happening:
        return lambda drill: drill._fail_naturally(number)

    events: list[tuple[float, _Happening]] = [
        (scenario.starts_at, lambda drill: drill._begin_incident()),
        *((message.at, deliver(message)) for message in scenario.messages),
        *((error.at, fail(number)) for number, error in enumerate(scenario.natural_errors)),
    ]
    return sorted(events, key=lambda event: event[0])


def _describe_answer(name: PhaseName, answer: str, *, is_right: bool, by: str) -> str:
    if name == "detected":
        return f"Detected by {by}." if is_right else f"False alarm by {by}: {answer}."
    return f"{name.capitalize()}: {answer}. {'Right.' if is_right else 'Wrong.'}"
