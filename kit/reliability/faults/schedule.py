"""Faults that follow a plan hidden until the end, as an incident drill needs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Self

from markupsafe import Markup

from kit.actionable import ActionableError, WorkshopError
from kit.html import render
from kit.provenance.injections import INJECTIONS
from kit.reliability.faults.catalogue import NO_OP_FAULT, find_fault
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.incident import Incident
from kit.reliability.faults.injection import Injection, InjectionTerms
from kit.reliability.faults.leases import LESSORS
from kit.reliability.faults.plan import FaultPlan, no_op_service, opaque_flag
from kit.threads import report_thread_failure
from kit.words import count_noun

# The injecting thread has at most one request in flight.
STOP_S = 10.0

Begin = Callable[[Fault, InjectionTerms], Injection]
ScheduleState = Literal["planned", "running", "ended"]


@dataclass(frozen=True)
class Scheduled:
    """An incident of the plan, and its outcome.

    ``failure`` says why it could not be injected; it is empty before the attempt and on success.
    """

    incident: Incident
    injection: Injection | None = None
    failure: str = ""

    @property
    def outcome(self) -> str:
        """Its outcome, in a word or a sentence."""
        if self.failure:
            return f"not injected: {self.failure}"
        return "injected" if self.injection else "not injected"


class Schedule:
    """Injects the faults of a plan, each at its time, in its own thread.

    Which faults those are, and when, stays hidden until ``reveal``: in its own display, in the
    table of faults, and on event cards, where the flag names give nothing away.
    """

    def __init__(self, plan: FaultPlan, begin: Begin) -> None:
        self._plan, self._begin = plan, begin
        self._entries = [Scheduled(incident) for incident in plan.incidents]
        self._is_revealed = False
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.began_at: float | None = None

    @property
    def seed(self) -> int:
        """The seed of the plan; the same seed and numbers give the same plan."""
        return self._plan.seed

    @property
    def seconds(self) -> float:
        """How long it takes, in seconds."""
        return self._plan.seconds

    @property
    def state(self) -> ScheduleState:
        """Whether it is planned, running or ended."""
        if self._thread is None:
            return "planned"
        return "running" if self._thread.is_alive() else "ended"

    @property
    def is_running(self) -> bool:
        """Whether it still injects faults or has one on."""
        return self.state == "running"

    def start(self) -> Self:
        """Start; a schedule runs once. Raises WorkshopError if it has already started."""
        if self._thread is not None:
            raise WorkshopError(
                f"This schedule is {self.state}. Make another with "
                f"workshop.schedule(seed={self.seed}, …)."
            )
        self.began_at = time.time()
        self._thread = threading.Thread(target=self._run, name="fault-schedule", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it, and the faults that are on; a second call changes nothing."""
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most ``seconds``; return whether it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.state == "ended"

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run it while the ``with`` block runs."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def reveal(self) -> tuple[Incident, ...]:
        """Return the incidents, in seconds from the start, and show them from now on."""
        self._is_revealed = True
        INJECTIONS.unhide({self._flag(number) for number in range(len(self._entries))})
        return self._plan.incidents

    def truth_for_judges(self) -> tuple[Incident, ...]:
        """Return the incidents, in seconds from the start, and keep them hidden."""
        return self._plan.incidents

    @property
    def injections(self) -> tuple[Injection, ...]:
        """The injections made so far, with their journals.

        Raises WorkshopError before ``reveal``: they would give the faults away.
        """
        if not self._is_revealed:
            raise WorkshopError("The injections are hidden. Call reveal() first.")
        return tuple(each.injection for each in self._entries if each.injection)

    @property
    def sentence(self) -> str:
        """A summary that gives nothing away."""
        count = len(self._entries)
        head = f"{count_noun(count, 'incident')} in {self.seconds / 60:g} minutes, no-ops included"
        return f"{head}; seed {self.seed}; {self.state}."

    def __repr__(self) -> str:
        lines = [f"<Schedule {self.sentence}>"]
        if self._is_revealed:
            lines += [_as_line(each) for each in self._entries]
        return "\n".join(lines)

    def _repr_html_(self) -> Markup:
        shown = self._entries if self._is_revealed else []
        now = None if self.began_at is None else time.time() - self.began_at
        return render(
            "faults_schedule.html",
            schedule=self,
            entries=shown,
            is_revealed=self._is_revealed,
            done=0.0 if now is None else min(100 * now / self.seconds, 100.0),
            percent=lambda seconds: round(100 * seconds / self.seconds, 2),
        )

    def _flag(self, number: int) -> str:
        return opaque_flag(self.seed, number)

    def _run(self) -> None:
        try:
            for number, each in enumerate(self._entries):
                if self._sleep_until(each.incident.starts_at):
                    return
                self._entries[number] = self._inject(number, each)
            self._sleep_until(max(each.incident.ends_at for each in self._entries))
        except Exception:
            report_thread_failure()
        finally:
            self._end_all()

    def _sleep_until(self, seconds: float) -> bool:
        """Wait for a time of the plan; return whether the schedule was stopped before it."""
        assert self.began_at is not None
        return self._end.wait(max(self.began_at + seconds - time.time(), 0.0))

    def _inject(self, number: int, each: Scheduled) -> Scheduled:
        incident = each.incident
        fault = NO_OP_FAULT if incident.fault is None else find_fault(incident.fault)
        if incident.fault is None:
            service = LESSORS[no_op_service(self.seed, number, len(LESSORS))]
            fault = replace(fault, service=service)
        terms = InjectionTerms(
            share=incident.share,
            seconds=incident.ends_at - incident.starts_at,
            seed=incident.seed,
            flag=self._flag(number),
            is_hidden=not self._is_revealed,
        )
        try:
            return replace(each, injection=self._begin(fault, terms))
        except ActionableError as error:
            return replace(each, failure=str(error))

    def _end_all(self) -> None:
        for each in self._entries:
            if each.injection is not None and each.injection.is_on:
                each.injection.end_quietly()


def _as_line(each: Scheduled) -> str:
    incident = each.incident
    name = incident.fault or "no-op"
    times = f"{incident.starts_at:6.1f} to {incident.ends_at:6.1f} s"
    return f"  {times}  {name:<18} {100 * incident.share:3.0f} %  {each.outcome}"
