"""The workshop of a notebook: starts the system, crashes it, and returns what was captured."""

import atexit
import os
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from IPython.core.getipython import get_ipython

from demo_services.services import FRONTEND, GAME_ENGINE, GATEWAY, PAYMENT
from demo_services.trace import start_span
from kit.actionable import WorkshopError
from kit.capture.capture import Capture
from kit.course.exercise import Exercise
from kit.course.exercises import EXERCISES, make_exercise
from kit.course.notebooks import read_course
from kit.course.progress import Progress, read_progress
from kit.crashes.catalogue import CRASHES, variants
from kit.crashes.crash_type import CrashType
from kit.experiments.blind_spots.blind_spot import BlindSpot
from kit.experiments.blind_spots.table import Findings, fire_all, select
from kit.experiments.context.laboratory import Laboratory
from kit.experiments.generations.side_by_side import SideBySide, find_generations
from kit.experiments.own_service.page import Page, bundle_script
from kit.experiments.own_service.program import OwnProgram
from kit.experiments.time_to_fix.experiment import Experiment
from kit.experiments.time_to_fix.puzzles import run_puzzles
from kit.frontend.hook import Hook
from kit.frontend.interrupt import shorten_interrupts
from kit.frontend.slot_machine import SlotMachine
from kit.home import course_folder, default_home
from kit.hosting.server import Report
from kit.ingest.relay import Relay
from kit.issues import LAST, Issues, read_issues
from kit.operations import Operations
from kit.outcome import Event, Outcome, Trace, TraceLogs, read_trace, read_trace_logs
from kit.reading.grouping import Rule
from kit.system.learner import learner
from kit.system.links import Link, link
from kit.system.system import System
from kit.trigger import CrashTrigger, OnOutcome
from kit.views.check_ins import CheckIns, read_check_ins
from kit.views.gauges import THIS_PROCESS, WatchTarget
from kit.views.project import ProjectPage, read_project
from kit.views.release_health import ReleaseHealth, read_release_health
from kit.views.sent_and_dropped import SentAndDropped, read_sent_and_dropped
from kit.warm_up import warm_up
from kit.widgets.crash_widget import CrashWidget
from kit.widgets.live_map import LiveMap
from kit.widgets.panel import Panel

AUTOPLAY_MINUTES = 10.0


class Workshop(Operations):
    """The running workshop of this process. Made by ``Workshop.start()``."""

    _running: "Workshop | None" = None
    _starting = threading.Lock()

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._slots: SlotMachine | None = None
        self._map: LiveMap | None = None
        self.hook = Hook(get_ipython(), system.clients[FRONTEND.name])
        self._crash_trigger = CrashTrigger(system, self._gateway, self.hook)

    @classmethod
    def start(cls, *, home: Path | None = None, report: Report = print) -> "Workshop":
        """Start the system, or return the one that this process already runs.

        ``home`` is the folder for captured data: by default ``WORKSHOP_HOME``, else ``.workshop``
        beside the course, or a per-user folder if you do not own that. ``report`` is called with a
        line per service. With ``SENTRY_DSN`` set, it asks the learner for a name, once per folder.
        Raises ServerError with the reason if a service cannot start.
        """
        shorten_interrupts(get_ipython())
        with cls._starting:
            if cls._running is None:
                home = home or default_home()
                system = System(home, learner(home) if os.environ.get("SENTRY_DSN") else None)
                system.start(report, meanwhile=warm_up)
                cls._running = cls(system)
                cls._running.hook.on()
                # The SDK only closes the client of the main context.
                atexit.register(cls._running.stop)
            else:
                for line in cls._running._system.status_lines():
                    report(line)
            return cls._running

    def stop(self) -> None:
        """Stop every service, sending pending telemetry. ``Workshop.start()`` starts them again."""
        with Workshop._starting:
            if Workshop._running is self:
                Workshop._running = None
            atexit.unregister(self.stop)
            self.hook.off()
            self._end_autoplay()
            self._end_operations()
            self._system.stop()
            self._gateway.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def relay(self) -> Relay | None:
        """The relay to the Sentry of ``SENTRY_DSN``; None without one."""
        return self._system.relay

    @property
    def token(self) -> str:
        """The token that debug routes require in the header X-Debug-Token; new at each start."""
        return self._system.token

    def dsn(self, name: str) -> str:
        """Return the DSN for your own program, which reports to the project ``name``.

        The same name has the same DSN after every start on this folder, if the port in it is free;
        the start says if it is not. Raises WorkshopError for an invalid project name.
        """
        return self._system.dsn(name)

    def run(self, file: str | Path, project: str) -> OwnProgram:
        """Start your own Python program, which reports as ``project``, and return it.

        It gets its DSN in ``SENTRY_DSN`` and a free port in ``PORT``, and ends with the workshop.
        An earlier program of this project is stopped first. Raises ServerError with the end of its
        output if it does not start, WorkshopError for an invalid project name.
        """
        self._stop_own(project)
        program = OwnProgram(Path(file), project, self.dsn(project))
        self._own[project] = program
        return program.run()

    def page(self, project: str, backend: str, report: Report = print) -> Page:
        """Return a web page whose button requests ``backend``, and which reports as ``project``.

        It uses Sentry's SDK for browsers, which is installed from npm once. Raises ServerError if
        that fails, WorkshopError for an invalid project name.
        """
        self._stop_own(project)
        page = Page(self.dsn(project), backend, bundle_script(self._system.home, report))
        self._own[project] = page
        page.launch().wait()
        return page

    def capture(self, project: str) -> Capture:
        """Capture what your own project sends from now on; use it in a ``with`` statement.

        Its ``event`` waits for the first error event, from any process. The program has to report
        to ``dsn(project)``. Raises WorkshopError for an invalid project name.
        """
        return Capture(self.store, project, self.dsn(project))

    def link(self, service: str = GATEWAY.name, path: str = "/health") -> Link:
        """Return an address of a service for the browser, also through JupyterHub or Binder.

        In a notebook it is shown as a link. Raises KeyError for an unknown service.
        """
        return link(self.url(service) + path)

    @property
    def database_url(self) -> str:
        """The connection string of the database. Raises WorkshopError when there is none."""
        database = self._system.database
        if reason := self._system.unavailable.get(database.name):
            raise WorkshopError(reason)
        return database.url

    def logs(self, service: str | None = None) -> list[str]:
        """Return the last log lines of one service, or of all, oldest first."""
        return self._system.log.lines(service)

    def trace(self, trace_id: str) -> Trace:
        """Return a stored trace: a waterfall, and a sequence of its spans.

        Flushes the services first.
        """
        self.flush()
        return read_trace(self.store, trace_id)

    def trace_logs(self, trace_id: str) -> TraceLogs:
        """Return the structured logs of a trace, of all services: a log explorer, and a sequence.

        Flushes the services first.
        """
        self.flush()
        return read_trace_logs(self.store, trace_id)

    def spin(self, player: str = "ada", bet: int = 10) -> dict[str, Any]:
        """Play one spin through the gateway and return its result.

        Raises WorkshopError with the service's message if it is refused.
        """
        with self.reporting(), start_span(op="ui.action.click", name="spin"):
            response = self._gateway.spin(player, bet)
        result: dict[str, Any] = response.json()
        if response.is_error:
            raise WorkshopError(
                f"The spin was refused with HTTP {response.status_code}: {result['detail']}"
            )
        return result

    def slot_machine(
        self, player: str = "ada", bet: int = 10, *, minutes: float = AUTOPLAY_MINUTES
    ) -> SlotMachine:
        """Return a slot machine that plays real spins, with a button and an autoplay.

        The autoplay ends after ``minutes``, when the workshop stops, or when you create another
        slot machine: once its cell runs again, you could not stop the old one.
        """
        self._end_autoplay()
        self._slots = SlotMachine(
            self._gateway.spin, self.hook, player=player, bet=bet, minutes=minutes
        )
        return self._slots

    def _end_autoplay(self) -> None:
        if self._slots is not None:
            self._slots.stop()

    def crash(self, crash_id: str) -> CrashWidget:
        """Return the widget of a crash type: what will happen, the button, what was captured.

        Raises UnknownCrashType.
        """
        crashes = variants(crash_id)
        return CrashWidget(
            crashes, self.trigger, partial(self.watch_target, crashes[0].service.name)
        )

    def map(self) -> LiveMap:
        """Return the live map: a request runs through the services, a crash turns one red.

        An earlier map is no longer updated: once its cell runs again, nobody sees it.
        """
        if self._map is not None:
            self._map.stop()
        self._map = LiveMap(self.store)
        return self._map

    def panel(self) -> Panel:
        """Return the debug panel: every crash type, the state of the system, what is captured."""
        return Panel(CRASHES, self.trigger, self.store, self._system.parts, self.unavailable)

    def watch_target(self, service: str) -> WatchTarget:
        """Return where ``watch`` measures the memory, CPU or heap of a service.

        Python services share this process. Raises WorkshopError if the payment service is not
        running.
        """
        if service != PAYMENT.name:
            return THIS_PROCESS
        payment = self._crash_trigger.payment()
        return WatchTarget(payment.pid, payment.url)

    def unavailable(self, crash: CrashType) -> str | None:
        """Return why a crash type cannot be triggered here, or None when it can."""
        return self._crash_trigger.unavailable(crash)

    def blind_spots(self, *wanted: str | BlindSpot) -> Findings:
        """Fire blind spots, each without and with one line, and return what Sentry captured.

        ``wanted`` are ids such as ``node/exit``, runtimes such as ``tornado``, or your own
        failures; by default the whole table. Each is fired with the SDK's default options, in child
        processes. Raises KeyError for an unknown one, FiringError if one cannot be fired.
        """
        return fire_all(select(wanted), self._system.clients[FRONTEND.name].client, self.store)

    def issues(self, *, fingerprint: Rule | None = None, last: int = LAST) -> Issues:
        """Return the ``last`` stored error events, grouped as issues: a table, and a sequence.

        The grouping is simulated. ``fingerprint`` is a function to try out: it takes an event and
        returns its fingerprint, a list of strings, or None to leave it as it was sent. Raises
        FingerprintError if that fails, ValueError if ``last`` is not positive.
        """
        return read_issues(self.store, fingerprint, last=last)

    def release_health(self, since: float = 0.0) -> ReleaseHealth:
        """Return how the sessions that arrived ``since`` a time ended: a table, and numbers.

        ``since`` is in seconds since the epoch. SDKs send sessions once a minute, and when they
        are flushed. Raises StoreError.
        """
        return read_release_health(self.store, since)

    def check_ins(self, now: float | None = None) -> CheckIns:
        """Return the jobs that checked in, and which of their runs are late: tables, and states.

        Lateness is simulated. ``now``, in seconds since the epoch, sets the clock that decides it.
        Raises StoreError.
        """
        return read_check_ins(self.store, now)

    def sent_and_dropped(self, since: float = 0.0) -> SentAndDropped:
        """Return what each service sent, and what its SDK dropped and why: a table, and numbers.

        Below the table is everything stored, by item type, the newest of each as it was sent.
        ``since`` is in seconds since the epoch. Raises StoreError.
        """
        return read_sent_and_dropped(self.store, since)

    def project(self, name: str) -> ProjectPage:
        """Return all that a project such as ``my-app`` or a service sent: a page, and lists.

        Of each kind of telemetry it has the newest, as the page says. Flushes the services first.
        Raises StoreError.
        """
        self.flush()
        return read_project(self.store, name, Event)

    def laboratory(self) -> Laboratory:
        """Return the context laboratory: one crash, fired with two settings and compared."""
        dsn = self._system.clients[GAME_ENGINE.name].client.options["dsn"]
        return Laboratory(dsn, self._gateway.http, self._system.learner)

    def sdk_generations(self, report: Report = print) -> SideBySide:
        """Return both generations of Sentry's Python SDK, to run programs with in child processes.

        The one that is not installed in this environment is installed into the workshop folder,
        once. ``report`` is called with a line about that, or about why it failed: then only the
        other is shown.
        """
        return find_generations(self._system.home, report)

    def exercise(self, name: str, *given: Any) -> Exercise:
        """Return the exercise of that name. Raises KeyError for an unknown one.

        The results of its ``check()`` are saved in the workshop folder.
        """
        exercise = make_exercise(name, self.trigger, *given)
        return replace(exercise, remember=partial(self._journal.record, name))

    def progress(self) -> Progress:
        """Return which exercises were solved in this workshop folder, by any kernel: a page.

        For a script, run ``workshop progress --json``.
        """
        return read_progress(self._journal, read_course(course_folder()), EXERCISES)

    def time_to_fix(self, seed: int) -> Experiment:
        """Trigger three planted bugs, and return the experiment that times how you find each.

        ``seed`` draws their order, and whether log lines or an event card come first. Raises
        TimeoutError if a failure is not captured within 30 seconds.
        """
        engine = GAME_ENGINE.name
        client, log = self._system.clients[engine], partial(self.logs, engine)
        return Experiment(run_puzzles(client, self.reporting, self.store, log), seed)

    def trigger(
        self,
        crash_id: str,
        *,
        player: str | None = None,
        on_answer: OnOutcome | None = None,
        on_event: OnOutcome | None = None,
        **parameters: Any,
    ) -> Outcome:
        """Crash a service, wait for the telemetry that the crash type declares; return the outcome.

        ``parameters`` are those of the crash type, for example ``mb=64`` or ``type="value"``. The
        crash hits ``player``, or one that the service chooses. ``on_answer`` is called with the
        outcome when the HTTP response arrives, ``on_event`` when the error events do. What has not
        arrived 30 seconds after the response is in ``outcome.missing``. Raises UnknownCrashType,
        ValueError for a parameter out of bounds, WorkshopError if the gateway does not respond.
        """
        return self._crash_trigger(
            crash_id, player=player, on_answer=on_answer, on_event=on_event, **parameters
        )

    def reporting(self) -> AbstractContextManager[None]:
        """Return a context in which notebook code reports to Sentry as the frontend."""
        return self._system.clients[FRONTEND.name].bind()
