"""A fault that is switched on for a while, and its effects."""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from markupsafe import Markup

from kit.actionable import ActionableError, WorkshopError
from kit.ingest.store import Store
from kit.provenance.injections import INJECTIONS, KnownInjection
from kit.reliability.faults.catalogue import NO_OP_FAULT
from kit.reliability.faults.evidence import AnswerSource, Evidence
from kit.reliability.faults.fault import Fault
from kit.reliability.faults.incident import Incident
from kit.reliability.faults.journal import FaultJournal
from kit.reliability.faults.leases import LeaseClient, LeaseState
from kit.reliability.faults.reconciliation import Reconciliation, reconcile, shows_all
from kit.reliability.traffic.outcomes import Answer
from kit.threads import report_thread_failure

TICK_S = 1.0
# A service ends a lease by its own clock.
END_S, END_TICK_S = 5.0, 0.1
# The last hits may still wait for an answer, and their telemetry has to arrive.
SETTLE_S, SETTLE_TICK_S = 15.0, 0.3
# The minimum wait, for an event whose request no service reports as hit.
QUIET_S = 0.5
# A process exit becomes known a moment later, and unsent telemetry is lost with the process.
UNSENT_S = 1.5
MAX_SEED = 10_000


@dataclass(frozen=True)
class InjectionTerms:
    """The terms of an injection: which share of the requests, for how long, and which of them.

    ``flag`` is the name under which the fault is evaluated. With ``is_hidden``, neither event cards
    nor the table of faults say which fault it is.
    """

    share: float
    seconds: float
    seed: int
    flag: str
    is_hidden: bool = False


def make_terms(
    fault: Fault,
    share: float | None = None,
    seconds: float | None = None,
    seed: int | None = None,
    flag: str | None = None,
) -> InjectionTerms:
    """Return the terms of a fault; a missing seed is drawn.

    A flag with a name other than the fault's hides what it is.
    """
    return InjectionTerms(
        share=fault.share if share is None else share,
        seconds=fault.seconds if seconds is None else seconds,
        seed=secrets.randbelow(MAX_SEED) if seed is None else seed,
        flag=fault.name if flag is None else flag,
        is_hidden=flag not in (None, fault.name),
    )


@dataclass(frozen=True)
class Surroundings:
    """The surroundings of an injection: the services, the store, and the traffic, if any.

    ``flush`` makes the services send what they still hold. ``injections`` returns all injections of
    the workshop, this one included, on or off.
    """

    leases: LeaseClient
    store: Store
    flush: Callable[[], None]
    find_traffic: Callable[[], AnswerSource | None]
    injections: Callable[[], "Sequence[Injection]"]


class Injection:
    """A fault that is on from its creation; use it in a ``with`` statement to end it.

    The service ends it when its time is up, even if this process is gone. Raises WorkshopError if
    the service rejects it.
    """

    def __init__(self, fault: Fault, terms: InjectionTerms, around: Surroundings) -> None:
        self.fault, self.terms = fault, terms
        self._around = around
        self._evidence = Evidence(around.store, terms.flag, around.leases.has_sent)
        self._ended_by: str | None = None
        self._over, self._halt = threading.Event(), threading.Event()
        self._final: FaultJournal | None = None
        self._observing: tuple[AnswerSource, Callable[[], object]] | None = None
        # Only one thread at a time reads the service's state.
        self._refreshing = threading.RLock()
        self._observe()
        try:
            self._state = around.leases.begin(
                fault.service,
                fault.name,
                share=terms.share,
                seconds=terms.seconds,
                seed=terms.seed,
                flag=terms.flag,
            )
        except BaseException:
            self._stop_observing()
            raise
        self._evidence.began_at = self._state.began_at
        self._ends_at = self._state.until
        INJECTIONS.remember(self._known())
        name = f"fault-{fault.name}"
        self._thread = threading.Thread(target=self._follow, name=name, daemon=True)
        self._thread.start()

    # What notebooks use

    @property
    def is_on(self) -> bool:
        """Whether it may still hit a request."""
        return not self._over.is_set() and time.time() < self._ends_at

    @property
    def incident(self) -> Incident:
        """What was injected, and when, in seconds since the epoch; for judges."""
        fault = None if self.fault.name == NO_OP_FAULT.name else self.fault.name
        began_at, terms = self._state.began_at, self.terms
        return Incident(fault, began_at, self._ends_at, terms.share, terms.seed)

    @property
    def journal(self) -> FaultJournal:
        """What is known so far, line by line; after the end, all hits and what was seen of them.

        After the end it first waits for telemetry in flight, at most 15 seconds. Raises StoreError.
        """
        if self._final is not None:
            return self._final
        if not self._over.is_set():
            self._refresh()
        if self._over.is_set():
            return self._settle()
        self._evidence.read_store()
        return self._make_journal(self._reconcile())

    def stop(self) -> None:
        """Switch it off now; a second call changes nothing.

        Raises WorkshopError if the service does not answer; the fault then ends by itself.
        """
        if self._over.is_set():
            return
        try:
            self._around.leases.end(self.fault.service, self.fault.name)
        except WorkshopError:
            self._evidence.read_store()
            if not self._evidence.has_exit_of(self.fault.service):
                raise
            # The process that had the lease ended, and is not back yet.
            self._end(self._evidence.exit_at or time.time(), "lost")
            return
        self._await_end()

    def note(self, answers: Iterable[Answer]) -> None:
        """Add answers that the workshop's traffic does not report."""
        for answer in answers:
            self._evidence.note(answer)

    def reveal(self) -> None:
        """Let event cards and the table of faults name it, although its flag has another name."""
        INJECTIONS.unhide({self.terms.flag})

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most ``seconds``; return whether it has ended."""
        return self._over.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except WorkshopError:
            # An error raised in the block matters more than a service that does not answer.
            if kind is None:
                raise

    def __repr__(self) -> str:
        terms, until = self.terms, time.strftime("%H:%M:%S", time.localtime(self._ends_at))
        state = f"on until {until}" if self.is_on else f"off since {until}"
        return f"<Injection {self.fault.name}: {state}, {100 * terms.share:g} %, seed {terms.seed}>"

    def _repr_html_(self) -> Markup:
        return self.journal._repr_html_()

    # What the injector uses

    def refresh(self) -> None:
        """Read its current state: another injection may have replaced it."""
        with suppress(ActionableError):
            self._refresh()

    def strikes(self, answer: Answer) -> bool:
        """Whether it hits a request, judging by its seed, share and time."""
        is_then = answer.due <= self._ends_at and answer.due + answer.took_s >= self._state.began_at
        return is_then and self._known().hits(answer.trace_id)

    def end_quietly(self) -> None:
        """Switch it off; if the service does not answer, it ends by itself."""
        with suppress(ActionableError):
            self.stop()

    def close(self) -> None:
        """End it and its thread without waiting for telemetry: the workshop stops."""
        if self._final is None:
            self.end_quietly()
            with suppress(ActionableError):
                self._evidence.read_store()
                self._final = self._make_journal(self._reconcile())
        self._halt.set()
        self._over.set()
        if self._thread is not threading.current_thread():
            self._thread.join(END_S)

    # Inside

    def _known(self) -> KnownInjection:
        terms, incident = self.terms, self.incident
        return KnownInjection(
            incident.fault,
            terms.flag,
            terms.share,
            terms.seed,
            incident.starts_at,
            incident.ends_at,
            makes_errors=self.fault.makes_errors,
            is_hidden=terms.is_hidden,
        )

    def _observe(self) -> None:
        """Follow the answers of the traffic, including traffic started since."""
        source = self._around.find_traffic()
        if source is not None and (self._observing is None or source is not self._observing[0]):
            self._stop_observing()
            self._observing = (source, source.observe(self._evidence.note))

    def _stop_observing(self) -> None:
        if self._observing is not None:
            _, end = self._observing
            self._observing = None
            end()

    def _follow(self) -> None:
        """Collect evidence until some time after the end."""
        try:
            while not self._over.is_set():
                self._tick()
                if time.time() >= self._ends_at:
                    self._await_end()
                else:
                    self._over.wait(min(TICK_S, max(self._ends_at - time.time(), 0)))
            while time.time() < self._ends_at + SETTLE_S and self._final is None:
                self._tick()
                if self._halt.wait(TICK_S):
                    return
        except Exception:
            report_thread_failure()
        finally:
            self._over.set()
            self._stop_observing()

    def _tick(self) -> None:
        # A store that cannot be read now may be readable again.
        with suppress(ActionableError):
            if not self._over.is_set():
                self._observe()
            self._evidence.read_store()
            if not self._over.is_set() and self._evidence.has_exit_of(self.fault.service):
                self._refresh()

    def _await_end(self) -> None:
        """Wait until the service reports the end."""
        deadline = time.monotonic() + END_S
        while not self._over.is_set() and time.monotonic() < deadline:
            self.refresh()
            self._over.wait(END_TICK_S)
        if not self._over.is_set():
            self._end(time.time(), "lost")

    def _refresh(self) -> None:
        """Read the service's state. Raises WorkshopError if it does not answer."""
        with self._refreshing:
            if self._over.is_set():
                return
            found = next(filter(self._is_mine, self._around.leases.read(self.fault.service)), None)
            if found is None:
                self._end(self._evidence.exit_at or time.time(), "lost")
                return
            self._state = found
            if found.ended_at is not None:
                self._end(found.ended_at, found.ended_by or "lease")

    def _is_mine(self, state: LeaseState) -> bool:
        mine = self._state
        return (state.fault, state.flag, state.seed, state.began_at) == (
            *(mine.fault, mine.flag, mine.seed, mine.began_at),
        )

    def _end(self, at: float, by: str) -> None:
        self._ends_at, self._ended_by = at, by
        self._evidence.ended_at = at
        self._over.set()

    def _settle(self) -> FaultJournal:
        """Wait until every hit is seen or time is up; return the final journal."""
        while True:
            self._around.flush()
            self._evidence.read_store()
            found = self._reconcile()
            is_late = time.time() > self._ends_at + SETTLE_S
            if is_late or (not found.unexplained and time.time() > self._ends_at + QUIET_S):
                break
            self._halt.wait(SETTLE_TICK_S)
        self._final = self._make_journal(found)
        return self._final

    def _reconcile(self) -> Reconciliation:
        state = self._state
        hits = state.hits if self._ended_by != "lost" else self._computed_hits()
        return reconcile(
            self.fault, hits, state.evaluated, state.share, self._evidence, self._also_hit
        )

    def _also_hit(self, answer: Answer) -> Iterable[Fault]:
        others = self._around.injections()
        return (each.fault for each in others if each is not self and each.strikes(answer))

    def _computed_hits(self) -> tuple[str, ...]:
        """Return the hits, computed from trace ids because the service has lost its own list.

        Requests in flight when its process ended count only with all signs of a hit: they may have
        been retried without the fault, and an unsent event is lost.
        """
        known, evidence = self._known(), self._evidence
        answers = [each for each in list(evidence.answers.values()) if each.due <= self._ends_at]
        seen = [
            each.trace_id
            for each in answers
            if known.hits(each.trace_id)
            and (
                each.due + each.took_s < self._ends_at - UNSENT_S
                or shows_all(self.fault, evidence, each.trace_id)
            )
        ]
        exits = [key for key in evidence.exits if known.hits(key)]
        hits = tuple(dict.fromkeys([*(exits if "exit" in self.fault.shows else []), *seen]))
        return hits[: self.fault.most_hits] if self.fault.most_hits else hits

    def _make_journal(self, found: Reconciliation) -> FaultJournal:
        return FaultJournal(self.fault, self.terms.flag, self.incident, self._ended_by, found)
