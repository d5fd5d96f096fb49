"""A game day on the running system: a schedule of faults, and live alert rules."""

from collections.abc import Callable, Sequence

from demo_services.services import SERVICES, Service
from kit.reliability.alerts.live import LiveAlerts
from kit.reliability.alerts.rule import AlertRule, make_rule
from kit.reliability.faults.leases import LeaseClient
from kit.reliability.faults.plan import opaque_flag
from kit.reliability.faults.schedule import Schedule
from kit.reliability.game_day.environment import GameMark, MarkLane, PlayedIncident
from kit.reliability.game_day.script import GameDayError
from kit.reliability.prediction.forecast import Forecast
from kit.reliability.prediction.meters import measure_process
from kit.reliability.slo.burn import BurnAlert

# The most memory that the fault engine-leaks leaks.
MAY_LEAK_MB = 128.0
BURNS = "The budget burns"


def default_rule() -> AlertRule:
    """Return the default alert rule of a game day.

    It fires for each event: a program takes the alerts, and several in one incident are one page.
    """
    return make_rule(
        "every event", ["level >= error", "events > 2 in 1m"], "page", name="Errors pile up"
    )


class ScheduledIncidents:
    """The incidents of a schedule, which stay hidden until ``reveal``."""

    def __init__(self, schedule: Schedule, leases: LeaseClient) -> None:
        self._schedule, self._leases = schedule, leases
        count = len(schedule.truth_for_judges())
        self._flags = [opaque_flag(schedule.seed, number) for number in range(count)]

    def start(self) -> None:
        """Start the schedule."""
        self._schedule.start()

    def stop(self) -> None:
        """End it, and everything that is on."""
        self._schedule.stop()

    def turn_off(self, flag: str) -> bool:
        """End the fault behind a flag; return whether it was on.

        Raises GameDayError for a flag that is not of this day, WorkshopError if a service does not
        answer.
        """
        if flag not in self._flags:
            raise GameDayError(
                f"This game day has no flag {flag}. Its flags begin with rollout-. Find them on "
                "the events of an incident, under Flags."
            )
        found = self._find(flag)
        if found is not None:
            self._leases.end(*found)
        return found is not None

    def is_on(self, flag: str, service: str) -> bool:
        """Return whether a service evaluates a flag of this day. Raises WorkshopError."""
        states = self._leases.read(SERVICES[service])
        return any(state.flag == flag and state.ended_at is None for state in states)

    def _find(self, flag: str) -> tuple[Service, str] | None:
        """Return the service that has the flag on, and its fault."""
        for service, states in self._leases.read_all():
            for state in states if isinstance(states, tuple) else ():
                if state.flag == flag and state.ended_at is None:
                    return service, state.fault
        return None

    def reveal(self) -> Sequence[PlayedIncident]:
        """Return what happened, and name it on event cards from now on."""
        began = self._schedule.began_at or 0.0
        truth = self._schedule.reveal()
        known = {each.terms.flag: each.incident for each in self._schedule.injections}
        return [
            PlayedIncident(
                planned.fault,
                flag,
                planned.starts_at,
                planned.ends_at,
                known[flag].starts_at - began if flag in known else planned.starts_at,
                known[flag].ends_at - began if flag in known else planned.starts_at,
            )
            for flag, planned in zip(self._flags, truth, strict=True)
        ]


class MemoryForecast:
    """Predicts when the engine's memory runs out: ``begin`` starts a forecast to a limit in MB.

    The limit is the memory of the process at the start, plus what the engine may leak.
    """

    def __init__(self, begin: Callable[[float], Forecast]) -> None:
        self._begin = begin
        self._forecast: Forecast | None = None

    def start(self) -> None:
        """Start measuring."""
        self._forecast = self._begin(round(measure_process()() + MAY_LEAK_MB))

    def stop(self) -> None:
        """Stop measuring."""
        if self._forecast is not None:
            self._forecast.stop()

    @property
    def sentence(self) -> str:
        """When the limit is reached, or why there is no date; empty before the start."""
        return "" if self._forecast is None else self._forecast.sentence


class LivePages:
    """The alert rules that fired, and the burns of the error budget, which ``burns`` returns."""

    def __init__(self, live: LiveAlerts, burns: Callable[[], Sequence[BurnAlert]]) -> None:
        self._live, self._burns = live, burns

    def start(self) -> None:
        """Evaluate what arrives from now on."""
        self._live.start()

    def stop(self) -> None:
        """Stop evaluating."""
        self._live.stop()

    def marks(self) -> Sequence[GameMark]:
        """Return which rules fired, when, and for what, earliest first."""
        fired = [
            GameMark(each.at, MarkLane(each.rule.name), each.title, each.is_page)
            for each in self._live.firings
        ]
        burnt = [
            GameMark(
                each.began, MarkLane(BURNS), each.rule.sentence.partition(": ")[2], is_page=True
            )
            for each in self._burns()
            if each.severity == "page"
        ]
        return sorted([*fired, *burnt], key=lambda mark: mark.at)
