"""What a notebook holds: starts the system, crashes it, and returns what was captured."""

import atexit
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
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
from kit.course.progress import Journal, Progress, read_progress
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
from kit.frontend.gateway import GatewayClient
from kit.frontend.hook import Hook
from kit.frontend.interrupt import shorten_interrupts
from kit.frontend.slot_machine import SlotMachine
from kit.home import course_folder, default_home
from kit.hosting.server import BackgroundServer, Report
from kit.ingest.relay import Relay
from kit.ingest.store import Store
from kit.issues import LAST, Issues, read_issues
from kit.outcome import Event, Outcome, Trace, TraceLogs, read_trace, read_trace_logs
from kit.provenance.injections import INJECTIONS
from kit.reading.grouping import Rule
from kit.reliability.alerts.conditions import TODAY, EmptyBaseline
from kit.reliability.alerts.live import AlertRules
from kit.reliability.alerts.rule import AlertRule, Given, make_rule
from kit.reliability.alerts.webhooks.receiver import RECEIVER, AlertReceiver, OnAlert
from kit.reliability.drill.board import ALONE, DrillBoard, draw_board, read_board
from kit.reliability.drill.drill import Drill
from kit.reliability.drill.environment import (
    DrillEnvironment,
    PagingRule,
    fail_naturally,
    missing_faults,
    page_times,
    play_probe,
    restart_server,
)
from kit.reliability.drill.scenario import MINUTES, draw_scenario, seed_of_the_day
from kit.reliability.drill.worth import Assumptions, CaseForSentry, TimedExperiment, make_case
from kit.reliability.faults.catalogue import FAULTS
from kit.reliability.faults.injection import Injection
from kit.reliability.faults.injector import Injector
from kit.reliability.faults.schedule import Schedule
from kit.reliability.faults.table import FaultTable
from kit.reliability.patterns.library import Pattern, Patterns, Practices
from kit.reliability.patterns.recordings import StoredRecordings
from kit.reliability.slo.slo import Slo, make_slo
from kit.reliability.traffic.plan import Shape, TrafficPlan
from kit.reliability.traffic.traffic import Traffic
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
from kit.widgets.panel import Panel

AUTOPLAY_MINUTES = 10.0
FLUSH_DEADLINE_S = 30.0


class Workshop:
    """The running workshop of this process. Made by ``Workshop.start()``."""

    _running: "Workshop | None" = None
    _starting = threading.Lock()

    def __init__(self, system: System) -> None:
        self._system = system
        self._slots: SlotMachine | None = None
        self._drill: Drill | None = None
        self._traffic: Traffic | None = None
        # Programs and pages of the learner's own, by project.
        self._own: dict[str, BackgroundServer] = {}
        self.hook = Hook(get_ipython(), system.clients[FRONTEND.name])
        self._gateway = GatewayClient(system.servers[GATEWAY.name].url, system.token)
        self._crash_trigger = CrashTrigger(system, self._gateway, self.hook)
        self._injector = Injector(self._gateway, system.store, self.flush, self._find_traffic)

    @classmethod
    def start(cls, *, home: Path | None = None, report: Report = print) -> "Workshop":
        """Start the system, or return the one that this process runs already.

        ``home`` is the folder that keeps what is captured: by default ``WORKSHOP_HOME``, else
        ``.workshop`` beside the course, or a folder of the user's where that is somebody else's.
        ``report`` is given a line per service. With ``SENTRY_DSN`` set, the learner is asked for a
        name, once a folder. Raises ServerError with the reason when a service cannot start.
        """
        shorten_interrupts(get_ipython())
        with cls._starting:
            if cls._running is None:
                home = home or default_home()
                system = System(home, learner(home) if os.environ.get("SENTRY_DSN") else None)
                system.start(report, meanwhile=warm_up)
                cls._running = cls(system)
                cls._running.hook.on()
                # The SDK itself closes the client of the main context only.
                atexit.register(cls._running.stop)
            else:
                for line in cls._running._system.status_lines():
                    report(line)
            return cls._running

    def stop(self) -> None:
        """Stop every service, sending what it still holds. ``Workshop.start()`` starts anew."""
        with Workshop._starting:
            if Workshop._running is self:
                Workshop._running = None
            atexit.unregister(self.stop)
            self.hook.off()
            self._end_autoplay()
            self._end_drill()
            self._injector.stop()
            self._end_traffic()
            for own in self._own.values():
                own.stop()
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
    def store(self) -> Store:
        """Everything captured in this folder, by this run and by earlier ones."""
        return self._system.store

    @property
    def relay(self) -> Relay | None:
        """What forwards to the Sentry of ``SENTRY_DSN``; None without one."""
        return self._system.relay

    @property
    def learner(self) -> str | None:
        """The name in all events, for the Sentry that a class shares; None without one."""
        return self._system.learner

    @property
    def token(self) -> str:
        """What debug routes want in the header X-Debug-Token; new at each start."""
        return self._system.token

    def dsn(self, name: str) -> str:
        """Return the DSN for a program of one's own, which reports to the project ``name``.

        The same name has the same DSN after every start on this folder, as long as the port in it
        is free; the start says when it is not. Raises WorkshopError for a name that a project
        cannot have.
        """
        return self._system.dsn(name)

    def run(self, file: str | Path, project: str) -> OwnProgram:
        """Start a program of one's own, in Python, that reports as ``project``, and return it.

        It gets its DSN in ``SENTRY_DSN`` and a free port in ``PORT``, and ends with the workshop.
        One that ran as this project before is ended first. Raises ServerError with the end of what
        it wrote when it does not start, WorkshopError for a name that a project cannot have.
        """
        self._stop_own(project)
        program = OwnProgram(Path(file), project, self.dsn(project))
        self._own[project] = program
        return program.run()

    def page(self, project: str, backend: str, report: Report = print) -> Page:
        """Return a web page whose button asks for ``backend``, and which reports as ``project``.

        It has Sentry's SDK for browsers, which is installed from npm once. Raises ServerError when
        that cannot be, WorkshopError for a name that a project cannot have.
        """
        self._stop_own(project)
        page = Page(self.dsn(project), backend, bundle_script(self._system.home, report))
        self._own[project] = page
        page.launch().wait()
        return page

    def _stop_own(self, project: str) -> None:
        """End what ran as a project of one's own before, if anything did."""
        if before := self._own.pop(project, None):
            before.stop()

    def capture(self, project: str) -> Capture:
        """Return what a project of one's own captures from now on; use it in a ``with`` statement.

        Its ``event`` waits for the first error event, from whatever process that comes.
        ``dsn(project)`` is what the program has to report to. Raises WorkshopError for a name that
        a project cannot have.
        """
        return Capture(self.store, project, self.dsn(project))

    def flush(self) -> None:
        """Let every service send what it still holds, waiting at most 30 seconds for each."""
        for client in self._system.clients.values():
            client.client.flush(timeout=FLUSH_DEADLINE_S)

    def url(self, service: str = GATEWAY.name) -> str:
        """Return the base URL of a service. Raises KeyError for an unknown one."""
        return self._system.servers[service].url

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
        """Return what is stored of a trace: a waterfall, and a sequence of its spans.

        The services send what they still hold first.
        """
        self.flush()
        return read_trace(self.store, trace_id)

    def trace_logs(self, trace_id: str) -> TraceLogs:
        """Return the structured logs of a trace, of all services: a log explorer, and a sequence.

        The services send what they still hold first.
        """
        self.flush()
        return read_trace_logs(self.store, trace_id)

    def spin(self, player: str = "ada", bet: int = 10) -> dict[str, Any]:
        """Play one spin through the gateway and return its result.

        Raises WorkshopError with the service's own words when it is refused.
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

        The autoplay ends after ``minutes``, when the workshop stops, and when another slot machine
        is made: of one whose cell was run again nobody could stop it.
        """
        self._end_autoplay()
        self._slots = SlotMachine(
            self._gateway.spin, self.hook, player=player, bet=bet, minutes=minutes
        )
        return self._slots

    def _end_autoplay(self) -> None:
        if self._slots is not None:
            self._slots.stop()

    def traffic(
        self,
        rate: float = 4.0,
        shape: Shape = "flat",
        seed: int = 7,
        minutes: float = 10.0,
        sampled: float = 1 / 50,
    ) -> Traffic:
        """Return players that spin in the background: ``rate`` requests a second, once started.

        The same ``seed`` gives the same players, bets and times. ``shape`` is flat, day or spike;
        ``sampled`` is the share of the requests whose spans are sent. It ends after ``minutes``,
        when the workshop stops, and when other traffic is made. Raises ValueError for what is out
        of bounds.
        """
        plan = TrafficPlan(rate, shape, seed, minutes, sampled)
        self._end_traffic()
        self._traffic = Traffic(plan, self.url, self.store, self.flush)
        return self._traffic

    def _end_traffic(self) -> None:
        if self._traffic is not None:
            self._traffic.stop()

    def crash(self, crash_id: str) -> CrashWidget:
        """Return the widget of a crash type: what will happen, the button, what was captured.

        Raises UnknownCrashType.
        """
        crashes = variants(crash_id)
        return CrashWidget(
            crashes, self.trigger, partial(self.watch_target, crashes[0].service.name)
        )

    def panel(self) -> Panel:
        """Return the debug panel: every crash type, the state of the system, what is captured."""
        return Panel(CRASHES, self.trigger, self.store, self._system.parts, self.unavailable)

    def watch_target(self, service: str) -> WatchTarget:
        """Return where ``watch`` looks for the memory, CPU or heap of a service.

        Services in Python share this process. Raises WorkshopError when the payment service is
        not running.
        """
        if service != PAYMENT.name:
            return THIS_PROCESS
        payment = self._crash_trigger.payment()
        return WatchTarget(payment.pid, payment.url)

    def unavailable(self, crash: CrashType) -> str | None:
        """Return why a crash type cannot be triggered here, or None when it can."""
        return self._crash_trigger.unavailable(crash)

    def inject(
        self,
        name: str,
        share: float | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        flag: str | None = None,
        service: str | None = None,
    ) -> Injection:
        """Switch a fault on for a share of the requests, for some seconds, and return it.

        The service itself ends it then; a ``with`` statement ends it with its block. ``share`` is
        from 0 to 1, ``seconds`` at most 600; without them the fault's own are used. ``seed``
        decides which requests are hit, and is drawn when it is not given. ``flag`` is the name of
        the feature flag in events, by default that of the fault; under another name event cards
        and ``workshop.faults`` do not say what it is. ``service`` is whose flag a ``no-op`` is.
        ``workshop.faults`` lists the names. Raises UnknownFault, and WorkshopError when the service
        does not take it.
        """
        return self._injector.inject(name, share, seconds, seed, flag, service)

    def _find_traffic(self) -> Traffic | None:
        """Return the traffic that was made last; None when there is none."""
        return self._traffic

    @property
    def faults(self) -> FaultTable:
        """All faults that can be injected, and which are on: a table, and a mapping by name."""
        return self._injector.table()

    def schedule(
        self,
        minutes: float = 8,
        faults: int = 5,
        no_ops: int = 2,
        seed: int | None = None,
        *,
        hold: tuple[float, float] = (20.0, 40.0),
        concurrency: int = 1,
        kinds: tuple[str, ...] | None = None,
        shares: tuple[float, ...] = (0.25, 0.5),
    ) -> Schedule:
        """Return a schedule of faults and no-ops, hidden until its ``reveal``; ``start`` it.

        Each is on for a time between those of ``hold``, in seconds, for one of ``shares`` of the
        requests; at most ``concurrency`` are on at once. ``kinds`` are the names to choose from,
        all by default. The same ``seed`` gives the same schedule; one that is not given is drawn.
        Raises PlanError for what does not fit, and UnknownFault.
        """
        return self._injector.schedule(
            minutes=minutes,
            faults=faults,
            no_ops=no_ops,
            seed=seed,
            hold=hold,
            concurrency=concurrency,
            kinds=kinds,
            shares=shares,
        )

    def blind_spots(self, *wanted: str | BlindSpot) -> Findings:
        """Fire blind spots, each without and with one line, and return what Sentry captured.

        ``wanted`` are ids such as ``node/exit``, runtimes such as ``tornado``, or failures of your
        own; all of the table when none is given. Each is fired with the SDK's default options, in
        child processes. Raises KeyError for an unknown one, FiringError when one cannot be fired.
        """
        return fire_all(select(wanted), self._system.clients[FRONTEND.name].client, self.store)

    def issues(self, *, fingerprint: Rule | None = None, last: int = LAST) -> Issues:
        """Return the ``last`` error events stored, grouped as issues: a table, and a sequence.

        The grouping is simulated. ``fingerprint`` is a function to try out: it is given each event,
        and returns its fingerprint, a list of strings, or None to leave it as it was sent. Raises
        FingerprintError when that fails, ValueError when ``last`` is not positive.
        """
        return read_issues(self.store, fingerprint, last=last)

    def alert(
        self,
        when: str | Sequence[str],
        if_: Given | Sequence[Mapping[str, Any]] = (),
        then: str = "page",
        throttle: str | None = None,
        *,
        name: str = "",
        environment: str | None = None,
        project: str | None = None,
        empty_baseline: EmptyBaseline = TODAY,
    ) -> AlertRule:
        """Return an alert rule: WHEN one of its triggers, IF its filters hold, THEN an action.

        ``when`` is a trigger such as ``new issue``, or several; ``if_`` a list of filters such as
        ``level >= error`` and ``users > 3 in 5m`` that all have to hold, or ``{"any": [...]}``, or
        ``{"none": [...]}``, or several of those, each with a ``then`` of its own. ``throttle``,
        such as ``30m``, leaves an issue alone after the rule fired for it. Rules are simulated:
        ``rule.would_have_fired(workshop.store)`` evaluates one over what is stored. Raises
        AlertRuleError, which says what is allowed.
        """
        return make_rule(
            when,
            if_,
            then,
            throttle,
            name=name,
            environment=environment,
            project=project,
            empty_baseline=empty_baseline,
        )

    def alerts(self, *rules: AlertRule) -> AlertRules:
        """Return alert rules together: over what is stored, against the truth, or live.

        ``.would_have_fired()`` says when they would have fired, ``.judge(schedule)`` what their
        pages are worth, ``.live(receiver)`` evaluates them while events arrive. Simulated.
        """
        return AlertRules(rules, self.store)

    def receiver(self, on_alert: OnAlert | None = None) -> AlertReceiver:
        """Start a receiver of signed webhooks on this machine, and return it.

        ``on_alert`` is given each alert that it accepts, in a thread of its own. The one that was
        started before is ended, and this one ends with the workshop. Raises ServerError.
        """
        self._stop_own(RECEIVER)
        receiver = AlertReceiver(on_alert)
        self._own[RECEIVER] = receiver
        receiver.launch().wait()
        return receiver

    def release_health(self, since: float = 0.0) -> ReleaseHealth:
        """Return how the sessions ended that arrived ``since`` a time: a table, and numbers.

        ``since`` is in seconds since the epoch. SDKs send sessions once a minute, and when they
        are flushed. Raises StoreError.
        """
        return read_release_health(self.store, since)

    def pattern(self, name: str) -> Pattern:
        """Return the page of a crash type or a fault: how it looks, how to find and fix it.

        ``name`` is an id such as ``payment/crash``, or a fault such as ``payment-fails``. The page
        shows the newest stored event of it, if there is one. Raises UnknownPattern, StoreError.
        """
        return self.patterns.page(name)

    @property
    def patterns(self) -> Patterns:
        """The error pattern library: an index, and a sequence of its pages.

        ``workshop patterns`` writes it as web pages.
        """
        return Patterns(StoredRecordings(self.store))

    @property
    def practices(self) -> Practices:
        """The guide of practices, each with the crash type, fault or blind spot that proves it."""
        return Practices(StoredRecordings(self.store))

    def check_ins(self, now: float | None = None) -> CheckIns:
        """Return the jobs that checked in, and which of their runs are late: tables, and states.

        What is late is simulated. ``now``, in seconds since the epoch, sets the clock by which that
        is decided. Raises StoreError.
        """
        return read_check_ins(self.store, now)

    def sent_and_dropped(self, since: float = 0.0) -> SentAndDropped:
        """Return what each service sent, and what its SDK dropped and why: a table, and numbers.

        Below the table is everything that is stored, by item type, the newest of each as it was
        sent. ``since`` is in seconds since the epoch. Raises StoreError.
        """
        return read_sent_and_dropped(self.store, since)

    def slo(
        self,
        name_or_path: str | Path,
        target: float = 0.99,
        minutes: float = 10,
        *,
        rate: float = 4.0,
        latency_s: float | None = None,
    ) -> Slo:
        """Return a service level objective over the traffic: its error budget, rules and exports.

        ``name_or_path`` is its name, such as ``spins``, or a file of OpenSLO, which goes before the
        other arguments. ``rate`` is how many requests a second are planned: the budget is counted
        from it until the first ``minutes`` are over. With ``latency_s`` an answer is good when it
        took at most that long. Raises OpenSloError for a file that is not read, ValueError for
        what is out of bounds.
        """
        return make_slo(
            name_or_path,
            target,
            minutes,
            rate=rate,
            latency_s=latency_s,
            find_source=self._find_traffic,
            is_over=lambda: Workshop._running is not self,
        )

    def project(self, name: str) -> ProjectPage:
        """Return all that a project sent, such as ``my-app`` or a service: a page, and lists.

        Of each kind of telemetry it is the newest, as the page says. The services send what they
        still hold first. Raises StoreError.
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
        once. ``report`` is given a line about that, or about why it cannot be: then the other is
        shown alone.
        """
        return find_generations(self._system.home, report)

    def exercise(self, name: str, *given: Any) -> Exercise:
        """Return the exercise of that name. Raises KeyError for an unknown one.

        What ``check()`` says of its answers is remembered in the workshop folder.
        """
        exercise = make_exercise(name, self.trigger, *given)
        return replace(exercise, remember=partial(self._journal.record, name))

    def progress(self) -> Progress:
        """Return which exercises were solved in this workshop folder, by whatever kernel: a page.

        ``workshop progress --json`` is the same for a script.
        """
        return read_progress(self._journal, read_course(course_folder()), EXERCISES)

    @property
    def _journal(self) -> Journal:
        return Journal(self._system.home)

    def time_to_fix(self, seed: int) -> Experiment:
        """Let three planted bugs fail, and return the experiment that times how each is found.

        ``seed`` draws their order, and whether log lines or an event card come first. Raises
        TimeoutError when what failed is not captured within 30 seconds.
        """
        engine = GAME_ENGINE.name
        client, log = self._system.clients[engine], partial(self.logs, engine)
        return Experiment(run_puzzles(client, self.reporting, self.store, log), seed)

    def drill(
        self,
        seed: int | None = None,
        minutes: float = MINUTES,
        *,
        rule: PagingRule | None = None,
        rate: float = 4.0,
    ) -> Drill:
        """Return a drill on call: traffic, an incident that nobody announces, and a clock.

        ``seed`` draws the incident, the noise around it and who writes when; the same for a class.
        Without one it is that of the day. It takes at most ``minutes``, of 10. ``rule`` is an alert
        rule whose first page counts as detection; ``rate`` is the traffic's. One that was made
        before is stopped. Raises ValueError for what is out of bounds.
        """
        self._end_drill()
        missing = missing_faults(FAULTS, self._system.unavailable)
        drawn = seed_of_the_day() if seed is None else seed
        scenario = draw_scenario(drawn, FAULTS, minutes=minutes, unavailable=missing)
        environment = DrillEnvironment(
            traffic=self.traffic(rate=rate, seed=drawn, minutes=minutes + 1),
            inject=self.inject,
            restart=partial(restart_server, self._system.servers),
            probe=partial(play_probe, self._gateway),
            fail=partial(fail_naturally, self._gateway),
            pages=partial(page_times, rule, self.store),
            reveal=partial(INJECTIONS.unhide, scenario.flags),
            rate=rate,
        )
        self._drill = Drill(scenario, environment, remember=self._journal.record_drill)
        return self._drill

    def _end_drill(self) -> None:
        if self._drill is not None:
            self._drill.stop()

    def drill_board(self, reports: Mapping[str, Any] | None = None) -> DrillBoard:
        """Return the drills that were played, those with the same seed side by side: a page.

        ``reports`` are those of a class: by learner, the object that ``workshop progress --json``
        printed. Without them it is what was played in this workshop folder.
        """
        if reports is not None:
            return read_board(reports)
        return draw_board({self.learner or ALONE: self._journal.read_drills()})

    def case_for_sentry(
        self,
        experiments: Iterable[TimedExperiment | tuple[float, float]] = (),
        board: DrillBoard | None = None,
        *,
        incidents_a_month: float = 4.0,
        people: float = 2.0,
        cost_an_hour: float = 80.0,
        price_a_month: float = 100.0,
        care_hours_a_month: float = 2.0,
    ) -> CaseForSentry:
        """Return what context is worth here: a page of measured and of assumed figures.

        ``experiments`` are results of ``time_to_fix``, or pairs of seconds of a class: with log
        lines, and with event cards. Five pairs make a ratio. ``board`` has the drills, by default
        those of this workshop folder. All else is assumed: change it. Raises ValueError for what
        is out of bounds.
        """
        assumed = Assumptions(
            incidents_a_month, people, cost_an_hour, price_a_month, care_hours_a_month
        )
        board = self.drill_board() if board is None else board
        return make_case(experiments, board.results, assumed)

    def trigger(
        self,
        crash_id: str,
        *,
        player: str | None = None,
        on_answer: OnOutcome | None = None,
        on_event: OnOutcome | None = None,
        **parameters: Any,
    ) -> Outcome:
        """Crash a service, wait for all telemetry that the crash type declares, and return both.

        ``parameters`` are those of the crash type, for example ``mb=64`` or ``type="value"``. It
        happens to ``player``, or to whom the service chooses. ``on_answer`` is given the outcome
        when the HTTP answer is there, ``on_event`` when the error events are. What has not arrived
        30 seconds after the answer is in ``outcome.missing``. Raises KeyError for an unknown crash
        type, ValueError for a parameter out of its bounds, WorkshopError when the gateway does not
        answer.
        """
        return self._crash_trigger(
            crash_id, player=player, on_answer=on_answer, on_event=on_event, **parameters
        )

    def reporting(self) -> AbstractContextManager[None]:
        """Return a context in which code of the notebook reports to Sentry as the frontend."""
        return self._system.clients[FRONTEND.name].bind()
