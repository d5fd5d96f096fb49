"""What a game day works on: traffic, hidden faults, alerts and repair, as far as it needs them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from kit.reliability.slo.budget import ErrorBudget
from kit.reliability.traffic.outcomes import Outcomes


class GameTraffic(Protocol):
    """Traffic in the background."""

    @property
    def is_running(self) -> bool:
        """Whether it sends requests."""

    @property
    def outcomes(self) -> Outcomes:
        """What came of them."""

    def start(self) -> object:
        """Begin to send requests."""

    def stop(self) -> object:
        """Send no more."""


@dataclass(frozen=True)
class PlayedIncident:
    """An incident as it happened, in seconds since the start; a no-op has no ``fault``.

    It was planned from ``starts_s`` to ``planned_end_s``, and was on from ``began_s`` to
    ``ended_s``: no time at all when it could not be injected.
    """

    fault: str | None
    flag: str
    starts_s: float
    planned_end_s: float
    began_s: float
    ended_s: float


class HiddenIncidents(Protocol):
    """Faults and no-ops that come by a plan."""

    def start(self) -> object:
        """Begin."""

    def stop(self) -> object:
        """End it, and all that is on."""

    def turn_off(self, flag: str) -> bool:
        """End what is behind a flag; return whether it was on."""

    def reveal(self) -> Sequence[PlayedIncident]:
        """Return what happened, and name it on event cards from now on."""


@dataclass(frozen=True)
class MarkLane:
    """What a mark on the time line is of: an alert rule, or what was done."""

    name: str


@dataclass(frozen=True)
class GameMark:
    """Something that happened at a time, in seconds since the epoch, as the time line has it."""

    at: float
    rule: MarkLane
    text: str
    is_page: bool = False


class GameAlerts(Protocol):
    """Alert rules that are evaluated while events arrive."""

    def start(self) -> object:
        """Evaluate what arrives from now on."""

    def stop(self) -> object:
        """Evaluate no more."""

    def marks(self) -> Sequence[GameMark]:
        """Return when which of them fired, and what for."""


AskState = Literal["good", "bad", "now", ""]


@dataclass(frozen=True)
class RepairNote:
    """A line of the responder's journal, in seconds since the epoch.

    ``is_action`` says that something was done to the system.
    """

    at: float
    text: str
    state: AskState = ""
    is_action: bool = False


@dataclass(frozen=True)
class RepairAsk:
    """A repair that waits for a yes or a no."""

    id: str
    text: str


class RepairDesk(Protocol):
    """The responder: it is given the alerts, and repairs what it knows."""

    def start(self) -> object:
        """Take alerts from now on."""

    def stop(self) -> object:
        """Take no more."""

    def notes(self) -> Sequence[RepairNote]:
        """Return its journal, the earliest first."""

    def asks(self) -> Sequence[RepairAsk]:
        """Return what waits for an answer."""

    def approve(self, ask: str) -> object:
        """Let it be done."""

    def deny(self, ask: str) -> object:
        """Let it be."""

    def kill(self) -> object:
        """Let nothing be done any more."""


class NoRepair:
    """The desk of a game day without repair: people do it all."""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def notes(self) -> Sequence[RepairNote]:
        """Return nothing: there is no journal."""
        return ()

    def asks(self) -> Sequence[RepairAsk]:
        """Return nothing: nothing is asked."""
        return ()

    def approve(self, ask: str) -> None:
        """Do nothing."""

    def deny(self, ask: str) -> None:
        """Do nothing."""

    def kill(self) -> None:
        """Do nothing."""


class GameForecast(Protocol):
    """What says when something will run out."""

    def start(self) -> object:
        """Measure from now on."""

    def stop(self) -> object:
        """Measure no more."""

    @property
    def sentence(self) -> str:
        """What will run out, and when; empty without anything to say."""


class NoForecast:
    """The forecast of a game day without one."""

    sentence = ""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class GameEnvironment:
    """The running system as a game day sees it.

    ``budget`` returns the error budget at a time, in seconds since the epoch.
    """

    traffic: GameTraffic
    incidents: HiddenIncidents
    alerts: GameAlerts
    budget: Callable[[float], ErrorBudget]
    desk: RepairDesk = field(default_factory=NoRepair)
    forecast: GameForecast = field(default_factory=NoForecast)
