"""The traffic object of a notebook: it starts and stops requests, and reads their outcomes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from IPython.core.getipython import get_ipython
from markupsafe import Markup

from kit.ingest.store import Store
from kit.reliability.traffic.face import TrafficFace
from kit.reliability.traffic.outcomes import Answer, Counts, Outcomes
from kit.reliability.traffic.picture import TrafficState, draw_traffic
from kit.reliability.traffic.plan import TrafficPlan
from kit.reliability.traffic.readings import Readings, read_readings
from kit.reliability.traffic.run import TrafficRun
from kit.threads import report_thread_failure

Observer = Callable[[Answer], object]

THRESHOLD_S = 2.0


class Traffic:
    """Players who spin in the background at a given rate, and the outcomes of their requests.

    Shown in a notebook as a widget with a button, and once it has ended as a picture with a
    sentence. While a cell runs, the button has no effect until it is done: interrupt the kernel
    instead. The traffic ends after the minutes of its ``plan``, or with the workshop.
    """

    def __init__(
        self,
        plan: TrafficPlan,
        url: Callable[[], str],
        store: Store,
        flush: Callable[[], object],
        *,
        threshold_s: float = THRESHOLD_S,
    ) -> None:
        self.plan = plan
        self.threshold_s = threshold_s
        self.outcomes = Outcomes()
        self._url, self._store, self._flush = url, store, flush
        self._changing = threading.Lock()
        self._run: TrafficRun | None = None
        self._running_plan = plan
        self._observers: list[Observer] = []
        self._face: TrafficFace | None = None

    @property
    def is_running(self) -> bool:
        """Whether it sends requests or waits for the last answers."""
        return self._run is not None and self._run.is_running

    @property
    def began_at(self) -> float | None:
        """When the last run began, in seconds since the epoch; None before the first."""
        return self._run.began_at if self._run else None

    @property
    def ended_at(self) -> float | None:
        """When the last run ended, in seconds since the epoch; None before that."""
        return self._run.ended_at if self._run else None

    @property
    def counts(self) -> Counts:
        """The outcomes of the last run's requests, all together."""
        began, ended = self._times()
        return self.outcomes.between(began, ended) if self._run else Counts()

    def start(self) -> Self:
        """Start sending in the background and return; no effect if it already runs."""
        return self._start(self.plan)

    def stop(self) -> None:
        """Stop within half a second."""
        if run := self._run:
            run.stop()

    @contextmanager
    def running(
        self, minutes: float | None = None, *, seconds: float | None = None
    ) -> Iterator[Self]:
        """Send while a ``with`` block runs, for at most the given time, by default the plan's.

        It ends with the block, even if that is interrupted. Traffic that already runs goes on.
        """
        ran_before = self.is_running
        length = minutes if seconds is None else seconds / 60
        plan = self.plan if length is None else replace(self.plan, minutes=length)
        try:
            yield self._start(plan)
        finally:
            if not ran_before:
                self.stop()

    def wait(self) -> Self:
        """Wait until it ends by itself, showing its progress; an interrupt stops it, too."""
        try:
            if self._face is None and get_ipython() is not None:
                self._ipython_display_()
            while self._run is not None and not self._run.wait(1.0):
                pass
        except BaseException:
            self.stop()
            raise
        return self

    def observe(self, callback: Observer) -> Callable[[], None]:
        """Call ``callback`` with each answer from now on; return a function that unsubscribes it.

        It runs in the traffic's thread, so it must return at once. A callback that raises is not
        called again.
        """

        # A wrapper per call: even equal callbacks are separate subscriptions.
        def observer(answer: Answer) -> object:
            return callback(answer)

        self._observers = [*self._observers, observer]
        return lambda: self._forget(observer)

    def readings(self) -> Readings:
        """Return what three sources report about the last run: this client, sessions and a metric.

        Flushes the services first. Raises StoreError.
        """
        self._flush()
        began, ended = self._times()
        return read_readings(self._store, began, ended, self.counts)

    def _times(self) -> tuple[float, float]:
        now = time.time()
        return self.began_at or now, self.ended_at or now

    def _start(self, plan: TrafficPlan) -> Self:
        with self._changing:
            if not self.is_running:
                # Flush telemetry of earlier requests: it does not belong to this run.
                self._flush()
                self._running_plan = plan
                self._run = TrafficRun(
                    plan,
                    self._url,
                    self.outcomes,
                    threshold_s=self.threshold_s,
                    on_answer=self._note,
                    on_tick=self._show,
                )
                self._run.start()
        self._show()
        return self

    def _note(self, answer: Answer) -> None:
        for observer in self._observers:
            try:
                observer(answer)
            except Exception:
                report_thread_failure()
                self._forget(observer)

    def _forget(self, observer: Observer) -> None:
        self._observers = [each for each in self._observers if each is not observer]

    def _state(self) -> TrafficState:
        run = self._run
        began, now = self._times()
        return TrafficState(
            plan=self._running_plan,
            began_at=began if run else None,
            now=now,
            is_running=self.is_running,
            counts=self.counts,
            recent=self.outcomes.last(60, now),
            in_flight=run.in_flight if run else 0,
            unfinished=run.unfinished if run else 0,
            seconds=self.outcomes.per_second(began, now),
        )

    def _show(self) -> None:
        if self._face is not None:
            self._face.show(draw_traffic(self._state()), self.is_running)

    def _press(self) -> None:
        if self.is_running:
            self.stop()
        else:
            self.start()

    def _ipython_display_(self) -> None:
        if self._face is None:
            self._face = TrafficFace(self._press)
            self._show()
        self._face.display()

    def _repr_html_(self) -> Markup:
        return draw_traffic(self._state())

    def __repr__(self) -> str:
        return f"<Traffic {self._state().sentence}>"
