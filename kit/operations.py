"""What is done with the system in production: traffic, faults, budgets, alerts, and drills."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from demo_services.services import GATEWAY
from kit.course.progress import Journal
from kit.frontend.gateway import GatewayClient
from kit.hosting.server import BackgroundServer
from kit.ingest.store import Store
from kit.provenance.injections import INJECTIONS
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
from kit.system.system import System

FLUSH_DEADLINE_S = 30.0


class Operations:
    """The part of a workshop that runs, breaks and watches the system over time."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._drill: Drill | None = None
        self._traffic: Traffic | None = None
        # Programs, pages and receivers of the learner's own, by project or name.
        self._own: dict[str, BackgroundServer] = {}
        self._is_stopped = False
        self._gateway = GatewayClient(system.servers[GATEWAY.name].url, system.token)
        self._injector = Injector(self._gateway, system.store, self.flush, self._find_traffic)

    @property
    def store(self) -> Store:
        """Everything captured in this folder, by this run and by earlier ones."""
        return self._system.store

    @property
    def learner(self) -> str | None:
        """The name in all events, for the Sentry that a class shares; None without one."""
        return self._system.learner

    def flush(self) -> None:
        """Let every service send what it still holds, waiting at most 30 seconds for each."""
        for client in self._system.clients.values():
            client.client.flush(timeout=FLUSH_DEADLINE_S)

    def url(self, service: str = GATEWAY.name) -> str:
        """Return the base URL of a service. Raises KeyError for an unknown one."""
        return self._system.servers[service].url

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

    def _find_traffic(self) -> Traffic | None:
        """Return the traffic that was made last; None when there is none."""
        return self._traffic

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
            is_over=lambda: self._is_stopped,
        )

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

    def _stop_own(self, project: str) -> None:
        """End what ran as a project of one's own before, if anything did."""
        if before := self._own.pop(project, None):
            before.stop()

    @property
    def _journal(self) -> Journal:
        return Journal(self._system.home)

    def _end_operations(self) -> None:
        """End what runs in the background, the drill before the traffic that it counts."""
        self._is_stopped = True
        self._end_drill()
        self._injector.stop()
        self._end_traffic()
        for own in self._own.values():
            own.stop()
