"""The parts of the system that a game day needs: traffic, hidden faults, alerts and repair."""

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
        """The outcomes of its requests."""

    def start(self) -> object:
        """Start sending requests."""

    def stop(self) -> object:
        """Stop sending."""


@dataclass(frozen=True)
class PlayedIncident:
    """An incident as it happened, in seconds since the start; a no-op has no ``fault``.

    It was planned from ``starts_s`` to ``planned_end_s``, and was on from ``began_s`` to
    ``ended_s``: no time at all if it could not be injected.
    """

    fault: str | None
    flag: str
    starts_s: float
    planned_end_s: float
    began_s: float
    ended_s: float


class HiddenIncidents(Protocol):
    """Faults and no-ops that follow a plan."""

    def start(self) -> object:
        """Start the plan."""

    def stop(self) -> object:
        """End it, and everything that is on."""

    def turn_off(self, flag: str) -> bool:
        """End the fault behind a flag; return whether it was on."""

    def reveal(self) -> Sequence[PlayedIncident]:
        """Return what happened, and name it on event cards from now on."""


@dataclass(frozen=True)
class MarkLane:
    """The lane of a mark on the timeline: an alert rule, or actions."""

    name: str


@dataclass(frozen=True)
class GameMark:
    """Something that happened at a time, in seconds since the epoch, as drawn on the timeline."""

    at: float
    rule: MarkLane
    text: str
    is_page: bool = False


class GameAlerts(Protocol):
    """Alert rules that are evaluated as events arrive."""

    def start(self) -> object:
        """Evaluate what arrives from now on."""

    def stop(self) -> object:
        """Stop evaluating."""

    def marks(self) -> Sequence[GameMark]:
        """Return which rules fired, when, and for what."""


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
    """A repair that waits for approval or denial."""

    id: str
    text: str


class RepairDesk(Protocol):
    """The responder: it receives the alerts, and repairs what it knows."""

    def start(self) -> object:
        """Start taking alerts."""

    def stop(self) -> object:
        """Stop taking alerts."""

    def notes(self) -> Sequence[RepairNote]:
        """Return its journal, earliest first."""

    def asks(self) -> Sequence[RepairAsk]:
        """Return the repairs that wait for an answer."""

    def approve(self, ask: str) -> object:
        """Approve a repair."""

    def deny(self, ask: str) -> object:
        """Deny a repair."""

    def kill(self) -> object:
        """Stop all further repairs."""


class NoRepair:
    """The desk of a game day without repair: people do everything."""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def notes(self) -> Sequence[RepairNote]:
        """Return nothing: there is no journal."""
        return ()

    def asks(self) -> Sequence[RepairAsk]:
        """Return nothing: there are no questions."""
        return ()

    def approve(self, ask: str) -> None:
        """Do nothing."""

    def deny(self, ask: str) -> None:
        """Do nothing."""

    def kill(self) -> None:
        """Do nothing."""


class GameForecast(Protocol):
    """Predicts when something will run out."""

    def start(self) -> object:
        """Start measuring."""

    def stop(self) -> object:
        """Stop measuring."""

    @property
    def sentence(self) -> str:
        """What will run out, and when; empty if there is nothing to say."""


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
