"""What a notebook holds: starts the system, crashes it, and returns what was captured."""

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import sentry_sdk
from IPython.core.getipython import get_ipython

from demo_services.services import FRONTEND, GAME_ENGINE, GATEWAY, PAYMENT
from kit.advice import Advice
from kit.course.exercise import Exercise
from kit.course.exercises import EXERCISES, make_exercise
from kit.course.notebooks import read_course
from kit.course.progress import Journal, Progress, read_progress
from kit.crashes.catalogue import CRASHES, find, variants
from kit.crashes.crash_type import CrashType
from kit.experiments.blind_spots.blind_spot import BlindSpot
from kit.experiments.blind_spots.table import Findings, fire_all, select
from kit.experiments.context.laboratory import Laboratory
from kit.experiments.time_to_fix.experiment import Experiment
from kit.experiments.time_to_fix.puzzles import run_puzzles
from kit.frontend.hook import Hook
from kit.frontend.slot_machine import SlotMachine, careless_spin
from kit.home import course_folder, default_home
from kit.hosting.server import ServerError
from kit.hosting.supervisor import Death, Supervisor
from kit.ingest.relay import Relay
from kit.ingest.store import Store, StoreError, Subscription
from kit.issues import LAST, Issues, read_issues
from kit.outcome import Outcome
from kit.provenance.python_source import source
from kit.reading.grouping import Rule
from kit.system.learner import learner
from kit.system.links import Link, link
from kit.system.system import Report, System
from kit.views import card, chart
from kit.views.gauges import OWN, Vitals
from kit.widgets.crash_widget import CrashWidget
from kit.widgets.panel import Panel, states

ANSWER_DEADLINE_S = 30.0
TELEMETRY_DEADLINE_S = 30.0
AUTOPLAY_MINUTES = 10.0

OnOutcome = Callable[[Outcome], None]


class WorkshopError(Advice, RuntimeError):
    """Something to act on; the message says what happened, why, and the next step."""


class Workshop:
    """The running workshop of this process. Made by ``Workshop.start()``."""

    _running: "Workshop | None" = None
    _starting = threading.Lock()

    def __init__(self, system: System) -> None:
        self._system = system
        self._payment_turn = threading.Lock()
        self._slots: SlotMachine | None = None
        self.hook = Hook(get_ipython(), system.clients[FRONTEND.name])
        # One client for all calls: making one costs more than a call. A proxy cannot reach this
        # machine's loopback, and a crash may have closed a kept connection.
        self._http = httpx.Client(
            timeout=ANSWER_DEADLINE_S,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @classmethod
    def start(cls, *, home: Path | None = None, report: Report = print) -> "Workshop":
        """Start the system, or return the one that this process runs already.

        ``home`` is the folder that keeps what is captured: by default ``WORKSHOP_HOME``, else
        ``.workshop`` beside the course, or a folder of the user's where that is somebody else's.
        ``report`` is given a line per service. With ``SENTRY_DSN`` set, the learner is asked for a
        name, once a folder. Raises ServerError with the reason when a service cannot start.
        """
        with cls._starting:
            if cls._running is None:
                home = home or default_home()
                system = System(home, learner(home) if os.environ.get("SENTRY_DSN") else None)
                system.start(report)
                cls._running = cls(system)
                cls._running.hook.on()
                # Cards read our source. Not in the background: CPython 3.11 fails when two threads
                # parse at once, and the next cell is parsed in this one.
                _ = source().sites
                threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
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
            self._system.stop()
            self._http.close()

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

    def flush(self) -> None:
        """Let every service send what it still holds, waiting at most 30 seconds for each."""
        for client in self._system.clients.values():
            client.client.flush(timeout=TELEMETRY_DEADLINE_S)

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
        if reason := self._system.lacking.get(database.name):
            raise WorkshopError(reason)
        return database.url

    def logs(self, service: str | None = None) -> list[str]:
        """Return the last log lines of one service, or of all, oldest first."""
        return self._system.log.lines(service)

    def spin(self, player: str = "ada", bet: int = 10) -> dict[str, Any]:
        """Play one spin through the gateway and return its result.

        Raises WorkshopError with the service's own words when it is refused.
        """
        with self.reporting(), sentry_sdk.start_transaction(op="ui.action.click", name="spin"):
            response = self._spin(player, bet)
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
        self._slots = SlotMachine(self._spin, self.hook, player=player, bet=bet, minutes=minutes)
        return self._slots

    def _end_autoplay(self) -> None:
        if self._slots is not None:
            self._slots.stop()

    def _spin(self, player: str, bet: int) -> httpx.Response:
        path = f"/api/v1/{GAME_ENGINE.prefix}/spin"
        return self._request("POST", path, json={"player": player, "bet": bet})

    def crash(self, crash_id: str) -> CrashWidget:
        """Return the widget of a crash type: what will happen, the button, what was captured.

        Raises UnknownCrashType.
        """
        crashes = variants(crash_id)
        return CrashWidget(crashes, self.trigger, partial(self.vitals, crashes[0].service.name))

    def panel(self) -> Panel:
        """Return the debug panel: every crash type, the state of the system, what is captured."""
        return Panel(
            CRASHES, self.trigger, self.store, partial(states, self._system), self.unavailable
        )

    def vitals(self, service: str) -> Vitals:
        """Return where ``watch`` looks for the memory, CPU or heap of a service.

        Services in Python share this process. Raises WorkshopError when the payment service is
        not running.
        """
        if service != PAYMENT.name:
            return OWN
        payment = self._payment()
        return Vitals(payment.pid, payment.url)

    def unavailable(self, crash: CrashType) -> str | None:
        """Return why a crash type cannot be triggered here, or None when it can."""
        needed = [crash.service.name, *([self._system.database.name] * crash.needs_database)]
        return next(filter(None, map(self._system.lacking.get, needed)), None)

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

    def laboratory(self) -> Laboratory:
        """Return the context laboratory: one crash, fired with two settings and compared."""
        dsn = self._system.clients[GAME_ENGINE.name].client.options["dsn"]
        return Laboratory(dsn, self._http, self._system.learner)

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
        crash, query = find(crash_id, parameters)
        whom = {"player": player} if player else {}
        if reason := self.unavailable(crash):
            raise WorkshopError(f"{crash.row_id} cannot be triggered: {reason}")
        if crash.needs_database:
            self._await_database()
        with self._alone(crash) as lives, self.reporting():
            transaction = sentry_sdk.start_transaction(
                op="ui.action.click", name=f"press {crash.row_id}"
            )
            with self.store.subscribe(transaction.trace_id) as arrivals:
                with transaction:
                    response = self._press(crash, whom | query)
                outcome = Outcome(crash, transaction.trace_id, response, time.time(), ())
                _tell(on_answer, outcome)
                outcome = _collect(outcome, arrivals, on_event)
            if crash.deadly:
                return replace(outcome, death=self._death(after=lives))
            return outcome

    def _await_database(self) -> None:
        """Wait for it: it may have died, and be on its way again. Raises WorkshopError."""
        try:
            self._system.database.wait()
        except ServerError as error:
            raise WorkshopError(str(error)) from error

    @contextmanager
    def _alone(self, crash: CrashType) -> Iterator[int]:
        """Keep other crashes of the payment service away; give the number of its lives so far.

        A process that dies takes all its requests with it.
        """
        if crash.service is not PAYMENT:
            yield 0
            return
        with self._payment_turn:
            yield self._payment().lives

    def _payment(self, *, after: int = 0) -> Supervisor:
        """Return the payment service, ready. Raises WorkshopError."""
        try:
            payment = self._system.payment
            payment.wait(after=after)
        except ServerError as error:
            raise WorkshopError(str(error)) from error
        return payment

    def _death(self, *, after: int) -> Death:
        """Return how the process died, once it is back."""
        return self._payment(after=after).deaths[-1]

    def reporting(self) -> AbstractContextManager[None]:
        """Return a context in which code of the notebook reports to Sentry as the frontend."""
        return self._system.clients[FRONTEND.name].bind()

    def _press(self, crash: CrashType, given: Mapping[str, Any]) -> httpx.Response:
        if crash.service is FRONTEND:
            return careless_spin(self.hook, self._spin, **{**(crash.body or {}), **given})
        return self._send(crash, given)

    def _send(self, crash: CrashType, given: Mapping[str, Any]) -> httpx.Response:
        deadline = {"X-Deadline-Ms": str(crash.deadline_ms)} if crash.deadline_ms else {}
        return self._request(
            crash.method,
            gateway_path(crash),
            params={**crash.query, **given},
            json=crash.body,
            headers=deadline,
        )

    def _request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        sent = {"X-Debug-Token": self.token, **(headers or {})}
        url = self.url() + path
        try:
            return self._http.request(method, url, headers=sent, **options)
        except (httpx.HTTPError, RuntimeError) as error:
            raise WorkshopError(
                f"{method} {url} got no answer: {type(error).__name__}: {error}. "
                "Run workshop.stop() and Workshop.start() to start the system anew."
            ) from error


@cache
def _warm_up() -> None:
    """Let the first card and the first chart of this process be no later than the others."""
    card.warm_up()
    chart.warm_up()


def gateway_path(crash: CrashType) -> str:
    """Return the path of a crash type at the gateway."""
    service = crash.called
    if service is GATEWAY:
        return crash.route
    if not crash.route.startswith(service.debug_base):
        return crash.route.replace("/api/v1", f"/api/v1/{service.prefix}", 1)
    return f"/api/v1/{service.prefix}/debug{crash.route.removeprefix(service.debug_base)}"


def _collect(outcome: Outcome, arrivals: Subscription, on_event: OnOutcome | None) -> Outcome:
    deadline = time.monotonic() + TELEMETRY_DEADLINE_S
    while outcome.missing:
        try:
            item = arrivals.get(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            break
        except StoreError as error:
            raise WorkshopError(
                f"{outcome.crash.row_id} happened, but is not kept. {error}"
            ) from error
        outcome = outcome.with_item(item)
        if item.type == "event" and len(outcome.events) == len(outcome.crash.errors):
            _tell(on_event, outcome)
    return outcome


def _tell(listener: OnOutcome | None, outcome: Outcome) -> None:
    if listener:
        listener(outcome)
