"""A game day without a system: its traffic and faults are made up, and its clock stands still."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kit.reliability.game_day.environment import (
    GameEnvironment,
    GameMark,
    MarkLane,
    NoRepair,
    PlayedIncident,
    RepairAsk,
    RepairDesk,
    RepairNote,
)
from kit.reliability.game_day.game_day import GameDay
from kit.reliability.game_day.result import GameIncident, GameResult, RepairMode
from kit.reliability.game_day.script import TARGET, GameScript, draw_script
from kit.reliability.slo.slo import make_slo
from kit.reliability.traffic.outcomes import Answer, Outcomes
from tests.reliability.drills import BEGAN, Clock

STEP_S = 0.25
RULE = MarkLane("Errors pile up")
SCRIPT = draw_script(7, minutes=2, faults=2, no_ops=1, kinds=["payment-fails", "bad-release"])

INCIDENT = GameIncident("payment-fails", 10.0, 30.0, 30.0, 40, 29.0, 4.0)
RESULT = GameResult(
    seed=7,
    minutes=2.0,
    rate=4.0,
    repair="off",
    at="2026-11-29T09:00:00+00:00",
    requests=480,
    failed=40,
    budget_spent=1.667,
    pages=1,
    actions=0,
    wrong_actions=0,
    incidents=(INCIDENT, GameIncident(None, 60.0, 20.0, 20.0, 0, None, None)),
)


class CountedTraffic:
    """Traffic whose answers are those that the stage gives."""

    def __init__(self) -> None:
        self.outcomes = Outcomes()
        self.is_running = False

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def answer(self, due: float, *, is_good: bool) -> None:
        kind = "good" if is_good else "bad"
        self.outcomes.add(Answer(due, "0" * 32, "spin", "p1", 200, 0.1, kind))


class MadeUpIncidents:
    """The incidents of a script, on a clock that stands still."""

    def __init__(self, script: GameScript, clock: Clock) -> None:
        self.clock = clock
        self.is_running = False
        self.revealed = 0
        self.played = [
            PlayedIncident(each.fault, f"rollout-{n}", *times, *times)
            for n, each in enumerate(script.faults.incidents)
            for times in [(each.starts_at, each.ends_at)]
        ]

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def turn_off(self, flag: str) -> bool:
        now_s = self.clock() - BEGAN
        was_on = any(each.flag == flag for each in self.on())
        self.played = [
            replace(each, ended_s=now_s) if was_on and each.flag == flag else each
            for each in self.played
        ]
        return was_on

    def on(self) -> list[PlayedIncident]:
        now_s = self.clock() - BEGAN
        return [each for each in self.played if each.starts_s <= now_s < each.ended_s]

    def reveal(self) -> list[PlayedIncident]:
        self.revealed += 1
        return self.played


class MadeUpAlerts:
    """Rules that fire when a test says so."""

    def __init__(self) -> None:
        self.is_running = False
        self.fired: list[GameMark] = []

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def marks(self) -> list[GameMark]:
        return list(self.fired)


@dataclass
class MadeUpDesk:
    """A responder that asks for one thing."""

    do: Callable[[], object]
    clock: Clock
    is_running: bool = False
    is_killed: bool = False
    waiting: list[RepairAsk] = field(default_factory=list)
    lines: list[RepairNote] = field(default_factory=list)

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def notes(self) -> list[RepairNote]:
        return self.lines

    def asks(self) -> list[RepairAsk]:
        return self.waiting

    def ask(self) -> None:
        self.waiting.append(RepairAsk("1", "Turn <b>rollout</b> off"))

    def approve(self, ask: str) -> None:
        self.waiting.clear()
        self.do()
        self.lines.append(RepairNote(self.clock(), "did it", "good", is_action=True))

    def deny(self, ask: str) -> None:
        self.waiting.clear()
        self.lines.append(RepairNote(self.clock(), "denied", "bad"))

    def kill(self) -> None:
        self.is_killed = True


class GameStage:
    """A game day and all that it works on. Every other request fails while a fault is on."""

    def __init__(self, script: GameScript = SCRIPT, repair: RepairMode = "off") -> None:
        self.script, self.clock = script, Clock()
        self.traffic = CountedTraffic()
        self.incidents = MadeUpIncidents(script, self.clock)
        self.alerts = MadeUpAlerts()
        self.made_up_desk = MadeUpDesk(self.turn_off_all, self.clock)
        self.desk: RepairDesk = NoRepair() if repair == "off" else self.made_up_desk
        self.remembered: list[GameResult] = []
        self.earlier: list[GameResult] = []
        self.cannot_remember = ""
        self.requests = 0
        slo = make_slo("requests", TARGET, script.seconds / 60, rate=4).reads(self.traffic.outcomes)
        environment = GameEnvironment(
            self.traffic,
            self.incidents,
            self.alerts,
            lambda at: slo.measure(now=at),
            self.desk,
        )
        self.day = GameDay(
            script,
            environment,
            repair,
            remember=self._remember,
            earlier=lambda: self.earlier,
            now=self.clock,
            ticks=False,
        )

    @property
    def faults(self) -> list[PlayedIncident]:
        return [each for each in self.incidents.played if each.fault is not None]

    @property
    def runs(self) -> list[bool]:
        """Whether traffic, incidents, alerts and the responder run."""
        parts = (self.traffic, self.incidents, self.alerts, self.made_up_desk)
        return [part.is_running for part in parts]

    def turn_off_all(self) -> None:
        for each in self.incidents.on():
            self.incidents.turn_off(each.flag)

    def page(self) -> None:
        self.alerts.fired.append(GameMark(self.clock(), RULE, "KeyError: '<x>'", is_page=True))

    def wait(self, until_s: float) -> None:
        """Let the day come to a time, in seconds since its start."""
        while self.day.phase == "running" and self.clock.seconds < BEGAN + until_s:
            is_hit = any(each.fault for each in self.incidents.on()) and self.requests % 2 == 0
            self.traffic.answer(self.clock(), is_good=not is_hit)
            self.requests += 1
            self.clock.seconds += STEP_S
            self.day.advance()

    def play(self) -> GameResult:
        """Let the day come to its end."""
        self.wait(self.script.seconds + 1)
        return self.day.result

    def _remember(self, result: GameResult) -> str:
        self.remembered.append(result)
        return self.cannot_remember
