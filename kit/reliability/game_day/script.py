"""What the seed of a game day draws: its traffic, its faults and its no-ops."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from kit.actionable import WorkshopError
from kit.reliability.faults.plan import GAP_S, FaultPlan, make_plan
from kit.reliability.traffic.plan import TrafficPlan

MINUTES, MOST_MINUTES = 10.0, 30.0
RATE = 4.0
# What players notice: three faults with an error event, and two that only the error budget sees.
KINDS = ("payment-fails", "bad-release", "payment-down", "payment-slow", "gateway-truncates")
# With 99 %, the faults would spend the budget within seconds, and nothing would be left to save.
TARGET = 0.95
_FAULTS_A_MINUTE, _NO_OPS_A_MINUTE = 0.5, 0.2
# The share of its own time that an incident is on, and the most seconds.
_LEAST_HOLD, _MOST_HOLD = (0.35, 30.0), (0.6, 50.0)
SHARES = (0.25, 0.5)
# The traffic runs a little longer, for the last answers.
_SPARE_MINUTES = 1.0


class GameDayError(WorkshopError):
    """The game day cannot do that now; the message says why, and what to do."""


@dataclass(frozen=True)
class GameScript:
    """The hidden truth of a game day: the same seed and numbers give the same truth everywhere."""

    traffic: TrafficPlan
    faults: FaultPlan

    @property
    def seed(self) -> int:
        """The seed that everything was drawn from."""
        return self.faults.seed

    @property
    def seconds(self) -> float:
        """The length of the day."""
        return self.faults.seconds

    def fingerprint(self) -> str:
        """Return a hash of the faults with their times, and of the players, bets and due times."""
        text = self.faults.as_json() + self.traffic.fingerprint(3000)
        return sha256(text.encode()).hexdigest()


def draw_script(
    seed: int,
    *,
    minutes: float = MINUTES,
    rate: float = RATE,
    faults: int | None = None,
    no_ops: int | None = None,
    hold: tuple[float, float] | None = None,
    kinds: Sequence[str] = KINDS,
    shares: Sequence[float] = SHARES,
) -> GameScript:
    """Return what ``seed`` draws.

    Without ``faults``, ``no_ops`` and ``hold``, their numbers follow from ``minutes``: five faults
    and two no-ops in ten minutes. ``kinds`` are the faults to choose from. Raises ValueError for
    numbers that do not fit, GameDayError if no fault is left.
    """
    if not 0 < minutes <= MOST_MINUTES:
        raise ValueError(f"A game day takes at most {MOST_MINUTES:g} minutes, not {minutes!r}.")
    if not kinds:
        raise GameDayError(
            "A game day needs a fault that players notice. None can be injected here: see "
            "workshop.unavailable for the missing part."
        )
    faults = max(round(minutes * _FAULTS_A_MINUTE), 1) if faults is None else faults
    no_ops = int(minutes * _NO_OPS_A_MINUTE) if no_ops is None else no_ops
    plan = make_plan(
        minutes=minutes,
        faults=faults,
        no_ops=no_ops,
        seed=seed,
        hold=hold or _hold(60 * minutes / max(faults + no_ops, 1)),
        kinds=kinds,
        shares=shares,
    )
    traffic = TrafficPlan(rate, seed=seed, minutes=minutes + _SPARE_MINUTES)
    return GameScript(traffic, plan)


def _hold(part_s: float) -> tuple[float, float]:
    """Return how long an incident is on, within the seconds it has to itself."""
    room_s = part_s - GAP_S
    least, most = (min(part_s * part, at_most) for part, at_most in (_LEAST_HOLD, _MOST_HOLD))
    return (max(min(least, room_s), 0.1), max(min(most, room_s), 0.1))
