"""Operating the system in production: traffic, faults, budgets, alerts, and drills."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from demo_services.services import GAME_ENGINE, GATEWAY, ROUTED
from kit.course.progress import Journal
from kit.frontend.gateway import GatewayClient
from kit.hosting.server import BackgroundServer
from kit.ingest.store import Store
from kit.provenance.injections import INJECTIONS
from kit.reliability.alerts.conditions import TODAY, EmptyBaseline
from kit.reliability.alerts.live import AlertRules
from kit.reliability.alerts.rule import AlertRule, Given, make_rule
from kit.reliability.alerts.webhooks.receiver import RECEIVER, AlertReceiver, OnAlert
from kit.reliability.chaos.experiment import ChaosExperiment, make_experiment
from kit.reliability.chaos.target import ExperimentTarget
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
from kit.reliability.faults.leases import LeaseClient
from kit.reliability.faults.schedule import Schedule
from kit.reliability.faults.table import FaultTable
from kit.reliability.game_day.board import GameBoard, draw_game_board, read_game_board
from kit.reliability.game_day.environment import GameEnvironment, NoRepair, RepairDesk
from kit.reliability.game_day.game_day import GameDay
from kit.reliability.game_day.live import (
    LivePages,
    MemoryForecast,
    ScheduledIncidents,
    default_rule,
)
from kit.reliability.game_day.repair import ResponderDesk, flag_runbooks
from kit.reliability.game_day.result import RepairMode
from kit.reliability.game_day.script import KINDS, TARGET, draw_script
from kit.reliability.game_day.script import MINUTES as GAME_MINUTES
from kit.reliability.patterns.library import Pattern, Patterns, Practices
from kit.reliability.patterns.recordings import StoredRecordings
from kit.reliability.prediction.forecast import Forecast, OnForecastAlarm
from kit.reliability.prediction.meters import make_forecast
from kit.reliability.prediction.trend import WINDOW_S
from kit.reliability.remediation.actions import LiveActions
from kit.reliability.remediation.controls import ServiceControls
from kit.reliability.remediation.ladder import LadderEvidence, RepairLevel
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import (
    AT_MOST_AN_HOUR,
    DEADLINE_S,
    Action,
    KnownAlert,
    Precondition,
    RepairProof,
    Runbook,
    make_runbook,
    sli_of,
)
from kit.reliability.slo.policy import FreezePolicy
from kit.reliability.slo.slo import Slo, make_slo
from kit.reliability.traffic.outcomes import Outcomes
from kit.reliability.traffic.plan import Shape, TrafficPlan
from kit.reliability.traffic.traffic import Traffic
from kit.system.system import System

FLUSH_DEADLINE_S = 30.0


class Operations:
    """The part of a workshop that runs, breaks and watches the system over time."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._drill: Drill | None = None
        self._experiments: list[ChaosExperiment] = []
        self._game_day: GameDay | None = None
        self._forecasts: list[Forecast] = []
        self._responder: Responder | None = None
        self._traffic: Traffic | None = None
        # The learner's own programs, pages and receivers, by project or name.
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
        """The learner's name in all events, if a class shares one Sentry; else None."""
        return self._system.learner

    def flush(self) -> None:
        """Have every service send its pending telemetry, waiting at most 30 seconds for each."""
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
        when the workshop stops, or when you create other traffic. Raises ValueError for an
        argument out of bounds.
        """
        plan = TrafficPlan(rate, shape, seed, minutes, sampled)
        self._end_traffic()
        self._traffic = Traffic(plan, self.url, self.store, self.flush)
        return self._traffic

    def _end_traffic(self) -> None:
        if self._traffic is not None:
            self._traffic.stop()

    def _find_traffic(self) -> Traffic | None:
        """Return the latest traffic, or None."""
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

        The service ends it by itself when the time is over; a ``with`` statement ends it with its
        block. ``share`` is from 0 to 1, ``seconds`` at most 600; the defaults are the fault's own.
        ``seed`` decides which requests are hit, and is random by default. ``flag`` is the name of
        the feature flag in events, by default that of the fault; under another name, event cards
        and ``workshop.faults`` do not reveal the fault. ``service`` is the service whose flag a
        ``no-op`` is. ``workshop.faults`` lists the names. Raises UnknownFault, and WorkshopError if
        the service does not accept it.
        """
        return self._injector.inject(name, share, seconds, seed, flag, service)

    @property
    def faults(self) -> FaultTable:
        """All faults that can be injected, and which are on: a table, and a mapping by name."""
        return self._injector.table()

    @property
    def actions(self) -> LiveActions:
        """The real actions that a runbook can take on the running system, each with a target.

        ``turn_off(flag)``, ``roll_back(service)``, ``restart(service)``, ``stop_leak(service)``,
        ``open_breaker(service)``, ``arm_breaker(service)`` and ``shed_load(share)`` create one. Its
        ``do()`` executes it. Pass ``tell`` to a responder as ``on_decision``.
        """
        restart = partial(restart_server, self._system.servers)
        return LiveActions(LeaseClient(self._gateway), ServiceControls(self._gateway), restart)

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
        """Return a schedule of faults and no-ops: ``start`` it, then ``reveal`` what it hid.

        Each is on for ``hold`` seconds, a range, and for one of ``shares`` of the requests; at
        most ``concurrency`` are on at once. ``kinds`` are the names to choose from, by default
        all. The same ``seed`` gives the same schedule; it is random by default. Raises PlanError
        if the plan does not fit, and UnknownFault.
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

    def experiment(
        self,
        name_or_path: str | Path,
        predict: str | None = None,
        *,
        share: float | None = None,
        seconds: int | None = None,
        window: float | None = None,
        rate: float | None = None,
        seed: int | None = None,
    ) -> ChaosExperiment:
        """Return a chaos experiment: a hypothesis, a fault, a rollback, and a check after it.

        ``name_or_path`` is one of the eight, such as ``payment-dies``, or a Chaos Toolkit JSON
        file. ``predict`` is ``holds`` or ``deviates``; without it the experiment does not run. The
        other arguments change a named experiment: the share of the spins that the fault hits, its
        seconds, the window in seconds over which the steady state is measured, the spins a second,
        and the seed. ``run()`` runs it in this process, its widget in a child process. Raises
        UnknownExperiment, DocumentError and PredictionMissing.
        """
        terms = {"share": share, "seconds": seconds, "window": window, "rate": rate, "seed": seed}
        experiment = make_experiment(name_or_path, self._experiment_target, predict, **terms)
        self._experiments.append(experiment)
        return experiment

    def _experiment_target(self) -> ExperimentTarget:
        home = self._system.home
        return ExperimentTarget(self.url(), self._system.token, os.getpid(), home, self.flush)

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

        ``name_or_path`` is its name, such as ``spins``, or an OpenSLO file, which takes precedence
        over the other arguments. ``rate`` is the planned number of requests a second: it defines
        the budget until the first ``minutes`` are over. With ``latency_s`` a response is good if it
        took at most that long. Raises OpenSloError for a file that cannot be read, ValueError for
        an argument out of bounds.
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

    def forecast(
        self,
        name: str,
        limit_mb: float | None = None,
        *,
        latency_s: float | None = None,
        window_s: float = WINDOW_S,
        on_alarm: OnForecastAlarm | None = None,
    ) -> Forecast:
        """Return a forecast of when a limit will be reached; it samples from now on.

        ``name`` is a service and ``limit_mb`` the limit of its memory: that of this process, which
        all Python services share, or the heap of the payment service. With ``latency_s`` it is the
        traffic, such as ``spins``, and the limit of its p95. The trend covers the last
        ``window_s`` seconds, sampled 24 times. ``on_alarm`` is called for each new alarm. The
        forecast ends with its ``stop()``, or with the workshop. Raises ForecastError for what
        cannot be forecast.
        """
        forecast = make_forecast(
            name,
            limit_mb,
            latency_s,
            find_url=self.url,
            find_traffic=self._find_traffic,
            services=list(self._system.servers),
            window_s=window_s,
            on_alarm=on_alarm,
        )
        self._forecasts.append(forecast)
        return forecast

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
        ``level >= error`` and ``users > 3 in 5m`` that must all hold, or ``{"any": [...]}``, or
        ``{"none": [...]}``, or several of those, each with its own ``then``. ``throttle``, such as
        ``30m``, mutes the rule for an issue after it fired. Rules are simulated:
        ``rule.would_have_fired(workshop.store)`` evaluates one over stored events. Raises
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
        """Return several alert rules, to evaluate over stored events, against the truth, or live.

        ``.would_have_fired()`` says when they would have fired, ``.judge(schedule)`` what their
        pages are worth, ``.live(receiver)`` evaluates them while events arrive. Simulated.
        """
        return AlertRules(rules, self.store)

    def receiver(self, on_alert: OnAlert | None = None) -> AlertReceiver:
        """Start a receiver of signed webhooks on this machine, and return it.

        ``on_alert`` is called with each accepted alert, in a separate thread. The previous
        receiver is stopped, and this one stops with the workshop. Raises ServerError.
        """
        self._stop_own(RECEIVER)
        receiver = AlertReceiver(on_alert)
        self._own[RECEIVER] = receiver
        receiver.launch().wait()
        return receiver

    def runbook(
        self,
        knows: str | Sequence[str] | Callable[[KnownAlert], bool],
        when: Precondition,
        do: Action,
        proves: RepairProof | Callable[[], bool] | None = None,
        *,
        undo: Callable[[], object] | None = None,
        name: str = "",
        level: RepairLevel = "ask",
        at_most: int = AT_MOST_AN_HOUR,
        deadline_s: float = DEADLINE_S,
        evidence: tuple[int, int] = (0, 0),
    ) -> Runbook:
        """Return a runbook: which alert it knows, when it may act, what it does, what proves it.

        ``knows`` is a fingerprint, an issue id, a rule, a title or a culprit, with ``*`` and ``?``
        as wildcards; or several; or a function of the alert. ``when`` is a probe that returns
        whether the system is in the state that the action expects. ``do`` is an action, such as
        one of ``workshop.actions``. ``proves`` is the result of ``workshop.proof``, or a probe that
        must be true for 5 seconds; by default the traffic must be good. ``level`` is watch,
        suggest, ask or auto, and auto must be earned: ``evidence`` is how many suggestions were
        right and how many wrong so far. It acts ``at_most`` times an hour, and abandons an action
        after ``deadline_s`` seconds. Raises RunbookError.
        """
        return make_runbook(
            knows,
            when,
            do,
            self.proof() if proves is None else proves,
            undo=undo,
            name=name,
            level=level,
            at_most=at_most,
            deadline_s=deadline_s,
            evidence=LadderEvidence(*evidence),
        )

    def proof(
        self, at_least: float = 0.99, seconds: float = 20.0, within: float = 60.0
    ) -> RepairProof:
        """Return the proof of a repair: the traffic is good for some seconds after it.

        ``at_least`` is the share of good requests over ``seconds`` in a row, the last at most
        ``within`` seconds after the action. Raises RunbookError for an argument out of bounds.
        """

        def find_outcomes() -> Outcomes | None:
            return self._traffic.outcomes if self._traffic else None

        return RepairProof(sli_of(find_outcomes), at_least, seconds, within)

    def responder(self, *runbooks: Runbook, policy: FreezePolicy | None = None) -> Responder:
        """Return a responder: it receives signed webhooks, and repairs what its runbooks know.

        Use it in a ``with`` statement, and pass it to ``workshop.alerts(rule).live(...)`` as the
        receiver. ``policy`` forbids releases while the error budget is frozen. It stops the
        previous responder, and stops with the workshop. Raises RunbookError, ServerError.
        """
        self._end_responder()
        targets = [GATEWAY.name, *(service.name for service in ROUTED.values())]
        responder = Responder(
            runbooks, targets=targets, policy=policy, on_decision=self.actions.tell
        )
        responder.receiver = self.receiver(responder.on_alert)
        self._responder = responder
        return responder

    def _end_responder(self) -> None:
        if self._responder is not None:
            self._responder.stop()

    def pattern(self, name: str) -> Pattern:
        """Return the page of a crash type or a fault: how it looks, how to find and fix it.

        ``name`` is an id such as ``payment/crash``, or a fault such as ``payment-fails``. The page
        shows its newest stored event, if there is one. Raises UnknownPattern, StoreError.
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
        """Return an on-call drill: traffic, an unannounced incident, and a clock.

        ``seed`` draws the incident, the noise around it and who writes when; the same for a class.
        By default it is that of the day. The drill takes at most ``minutes``, up to 10. ``rule`` is
        an alert rule whose first page counts as detection; ``rate`` is the traffic's. The previous
        drill is stopped. Raises ValueError for an argument out of bounds.
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
        """Return the drills played so far, those with the same seed side by side: a page.

        ``reports`` are those of a class: by learner, the object that ``workshop progress --json``
        printed. By default it shows the drills of this workshop folder.
        """
        if reports is not None:
            return read_board(reports)
        return draw_board({self.learner or ALONE: self._journal.read_drills()})

    def game_day(
        self,
        seed: int | None = None,
        minutes: float = GAME_MINUTES,
        repair: RepairMode = "ask",
        *,
        rules: Sequence[AlertRule] = (),
        rate: float = 4.0,
        faults: int | None = None,
        no_ops: int | None = None,
        hold: tuple[float, float] | None = None,
    ) -> GameDay:
        """Return a game day: traffic, hidden faults, alerts, a budget and repair, on one screen.

        ``seed`` draws the faults, their times, the players and their bets; by default it is that
        of the day. ``repair`` is off, ask (you approve each action of the responder) or auto.
        ``rules`` are your alert rules; the default is one that fires when errors pile up. In ten
        minutes there are five ``faults`` and two ``no_ops``, each on for ``hold`` seconds, a range.
        The error budget is 5 % of the requests. The previous game day is stopped. Raises ValueError
        for an argument out of bounds, GameDayError without any fault.
        """
        self._end_game_day()
        missing = missing_faults(FAULTS, self._system.unavailable)
        script = draw_script(
            seed_of_the_day() if seed is None else seed,
            minutes=minutes,
            rate=rate,
            faults=faults,
            no_ops=no_ops,
            hold=hold,
            kinds=[name for name in KINDS if name not in missing],
        )
        plan = script.traffic
        traffic = self.traffic(rate=rate, seed=plan.seed, minutes=plan.minutes)
        slo = self.slo("requests", TARGET, minutes, rate=rate).reads(traffic)
        incidents = ScheduledIncidents(
            Schedule(script.faults, self._injector.begin), LeaseClient(self._gateway)
        )
        desk, address = self._staff_game_day(repair, incidents, script.seconds)
        live = self.alerts(*(rules or [default_rule()])).live(address)
        environment = GameEnvironment(
            traffic=traffic,
            incidents=incidents,
            alerts=LivePages(live, lambda: slo.budget.alerts),
            budget=lambda at: slo.measure(now=at),
            desk=desk,
            forecast=MemoryForecast(partial(self.forecast, GAME_ENGINE.name)),
        )
        self._game_day = GameDay(
            script,
            environment,
            repair,
            remember=self._journal.record_game_day,
            earlier=self._journal.read_game_days,
        )
        return self._game_day

    def _staff_game_day(
        self, repair: RepairMode, incidents: ScheduledIncidents, seconds: float
    ) -> tuple[RepairDesk, Responder | None]:
        """Return who repairs in a game day, and where the webhooks for it go."""
        if repair == "off":
            return NoRepair(), None

        def find_outcomes() -> Outcomes | None:
            return self._traffic.outcomes if self._traffic else None

        responder = self.responder(
            *flag_runbooks(self.actions.turn_off, incidents.is_on, find_outcomes, repair, seconds)
        )
        return ResponderDesk(responder), responder

    def _end_game_day(self) -> None:
        if self._game_day is not None:
            self._game_day.stop()

    def game_board(self, reports: Mapping[str, Any] | None = None) -> GameBoard:
        """Return the game days played so far, those with the same seed side by side: a page.

        ``reports`` are those of a class: by learner, the object that ``workshop progress --json``
        printed. By default it shows the game days of this workshop folder.
        """
        if reports is not None:
            return read_game_board(reports)
        return draw_game_board({self.learner or ALONE: self._journal.read_game_days()})

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
        """Return what context is worth here: a page of measured and assumed figures.

        ``experiments`` are results of ``time_to_fix``, or pairs of seconds of a class: with log
        lines, and with event cards. A ratio needs five pairs. ``board`` has the drills, by default
        those of this workshop folder. The other arguments are assumptions: change them. Raises
        ValueError for an argument out of bounds.
        """
        assumed = Assumptions(
            incidents_a_month, people, cost_an_hour, price_a_month, care_hours_a_month
        )
        board = self.drill_board() if board is None else board
        return make_case(experiments, board.results, assumed)

    def _stop_own(self, project: str) -> None:
        """Stop what the learner ran under this project before, if anything."""
        if before := self._own.pop(project, None):
            before.stop()

    @property
    def _journal(self) -> Journal:
        return Journal(self._system.home)

    def _end_operations(self) -> None:
        """Stop everything in the background, the drill before the traffic that it counts."""
        self._is_stopped = True
        for forecast in self._forecasts:
            forecast.stop()
        self._end_drill()
        self._end_game_day()
        self._end_responder()
        self._injector.stop()
        self._end_traffic()
        for own in self._own.values():
            own.stop()
