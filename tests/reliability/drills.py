"""A drill without a system: what it works on is made up, and its clock stands still."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT, Service
from kit.reliability.drill.drill import Drill
from kit.reliability.drill.environment import DrillEnvironment
from kit.reliability.drill.result import DrillResult
from kit.reliability.drill.scenario import NaturalError, Scenario, draw_scenario
from kit.reliability.faults.fault import Fault, Sign
from kit.reliability.traffic.outcomes import Answer, AnswerKind

BEGAN = 1_700_000_000.0


def make_fault(
    name: str, service: Service, *shows: Sign, share: float = 0.25, slow_s: float | None = None
) -> Fault:
    """Return a fault with a title of its own, and no advice."""
    advice = dict.fromkeys(("happens", "find", "fix", "mitigate", "alert"), "")
    title = f"This is {name.replace('-', ' ')}"
    return Fault(name, title, service, "code", shows=shows, share=share, slow_s=slow_s, **advice)  # type: ignore[arg-type]


FAULTS = (
    make_fault("payment-fails", PAYMENT, "event", "refused"),
    make_fault("payment-slow", PAYMENT, "slow", slow_s=2.5),
    make_fault("payment-down", GAME_ENGINE, "event", "refused"),
    make_fault("engine-blocks", GAME_ENGINE, "slow", share=0.05, slow_s=2),
    make_fault("engine-leaks", GAME_ENGINE),
    make_fault("bad-release", GAME_ENGINE, "event", "refused"),
    make_fault("gateway-truncates", GATEWAY, "broken"),
    make_fault("ledger-slow", GAME_ENGINE, "slow", slow_s=0.8),
    make_fault("ledger-down", GAME_ENGINE, "hole"),
    make_fault("mongo-down", ANALYTICS, "event", "hole"),
)


class Clock:
    """A clock that stands still until it is moved on."""

    def __init__(self) -> None:
        self.seconds = BEGAN

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Lease:
    """A fault that is on until it is stopped, or its service restarts."""

    fault: str
    flag: str
    service: str
    seconds: float
    share: float
    seed: int
    is_on: bool = True

    def stop(self) -> None:
        self.is_on = False


@dataclass(frozen=True)
class Totals:
    good: int
    bad: int


class MadeUpTraffic:
    """Traffic whose answers a test gives."""

    def __init__(self) -> None:
        self.is_running = False
        self.answers: list[Answer] = []
        self.callbacks: list[Callable[[Answer], None]] = []
        self.outcomes = self

    def start(self) -> None:
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False

    def observe(self, callback: Callable[[Answer], None], /) -> Callable[[], object]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def between(self, start: float, end: float, /) -> Totals:
        found = [each.kind for each in self.answers if start <= each.due <= end]
        return Totals(found.count("good"), found.count("bad"))

    def answer(self, due: float, kind: AnswerKind, player: str = "p1") -> None:
        """Let an answer arrive."""
        answer = Answer(due, "0" * 32, "spin", player, 503, 0.1, kind)
        self.answers.append(answer)
        for callback in list(self.callbacks):
            callback(answer)


@dataclass
class Stage:
    """A drill and all that it works on."""

    scenario: Scenario
    clock: Clock = field(default_factory=Clock)
    traffic: MadeUpTraffic = field(default_factory=MadeUpTraffic)
    leases: list[Lease] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    failed: list[NaturalError] = field(default_factory=list)
    remembered: list[DrillResult] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    cannot_remember: str = ""
    revealed: int = 0
    probed: int = 0
    late: Collection[int] = ()

    def __post_init__(self) -> None:
        environment = DrillEnvironment(
            traffic=self.traffic,
            inject=self._inject,
            restart=self._restart,
            probe=self._probe,
            fail=self.failed.append,
            pages=lambda: self.pages,
            reveal=self._reveal,
        )
        self.drill = Drill(
            self.scenario, environment, remember=self._remember, now=self.clock, ticks=False
        )

    @property
    def is_incident_on(self) -> bool:
        return any(lease.is_on and lease.fault == self.scenario.fault for lease in self.leases)

    def on(self) -> list[str]:
        return sorted(lease.flag for lease in self.leases if lease.is_on)

    def wait(self, until: float) -> None:
        """Let the drill come to a time, in seconds since its start."""
        while self.drill.state == "running" and self.clock.seconds < BEGAN + until:
            self.clock.seconds = min(self.clock.seconds + 0.5, BEGAN + until)
            self.drill.advance()

    def _probe(self) -> bool:
        self.probed += 1
        return self.probed not in self.late and not self.is_incident_on

    def _reveal(self) -> None:
        self.revealed += 1

    def _remember(self, result: DrillResult) -> str:
        self.remembered.append(result)
        return self.cannot_remember

    def _inject(
        self, name: str, *, share: float, seconds: float, seed: int, flag: str, service: str
    ) -> Lease:
        lease = Lease(name, flag, service, seconds, share, seed)
        self.leases.append(lease)
        return lease

    def _restart(self, service: str) -> None:
        self.restarted.append(service)
        self.clock.seconds += 3
        for lease in self.leases:
            lease.is_on = lease.is_on and lease.service != service


def seed_of(fault: str) -> int:
    """Return the first seed that draws a fault."""
    return next(seed for seed in range(500) if draw_scenario(seed, FAULTS).fault == fault)


def make_stage(fault: str = "payment-fails", minutes: float = 8.0) -> Stage:
    """Return a drill with that incident, which has not started."""
    scenario = draw_scenario(seed_of(fault), FAULTS, minutes=minutes)
    # At a tick of the clock, so that times are whole.
    return Stage(replace(scenario, starts_at=float(round(scenario.starts_at))))
