"""What a seed draws: the incident of a drill, the noise around it, and who writes when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from demo_services.services import ANALYTICS, GAME_ENGINE, GATEWAY, PAYMENT
from kit.actionable import WorkshopError
from kit.reliability.drill.chance import Chance
from kit.reliability.drill.inbox import InboxMessage, draw_messages
from kit.reliability.faults.fault import Fault

# A service leases a fault for ten minutes at most.
MINUTES, LEAST_MINUTES, MOST_MINUTES = 8.0, 0.1, 10.0
CHOICES = 5
NO_OP = "no-op"
SERVICES = tuple(service.name for service in (GATEWAY, GAME_ENGINE, PAYMENT, ANALYTICS))
# Names that say nothing about a fault: the flag on an event is a clue, not the answer.
FLAG_NAMES = (
    *("fast-charge", "reel-cache", "new-wallet", "bonus-round", "lazy-lobby"),
    *("short-receipts", "dark-reels", "batch-entries", "quick-stats", "warm-start"),
)
# Errors that such a system has every day; none of them makes a spin of the traffic fail.
NATURAL_ERRORS = (
    ("game-engine/error", "value"),
    ("game-engine/error", "key"),
    ("payment/error", "declined"),
    ("payment/error", "validation"),
)
# Faults between two services show at both ends, so either answer is right.
_BOTH_ENDS = {
    "payment-resets": (PAYMENT.name, GAME_ENGINE.name),
    "payment-down": (PAYMENT.name, GAME_ENGINE.name),
    "ledger-slow": (ANALYTICS.name, GAME_ENGINE.name),
    "ledger-down": (ANALYTICS.name, GAME_ENGINE.name),
}
# What players notice: failures, and answers slow enough to count against the error budget.
# Without any of these, nobody would be called.
_FELT = frozenset({"refused", "broken"})
_FELT_SLOW_S = 2.0
# A restart drops the leases of a service. A flag provider would send them again, and so does the
# drill, unless the restart itself is the cure, as for full memory.
CURED_BY_RESTART = frozenset({"engine-leaks"})
CURED_BY_ROLL_BACK = frozenset({"bad-release"})


@dataclass(frozen=True)
class Decoy:
    """A flag that is on but does nothing; ``service`` evaluates it."""

    flag: str
    service: str
    share: float
    seed: int


@dataclass(frozen=True)
class NaturalError:
    """An error that has nothing to do with the incident, ``at`` seconds into the drill."""

    at: float
    crash_id: str
    variant: str


@dataclass(frozen=True)
class Scenario:
    """The hidden truth of a drill. Times are seconds since its start.

    ``cause`` is the right one of ``causes``; each of ``services`` is a right location.
    """

    seed: int
    minutes: float
    fault: str
    flag: str
    evaluated_by: str
    services: tuple[str, ...]
    cause: str
    causes: tuple[str, ...]
    share: float
    fault_seed: int
    starts_at: float
    decoys: tuple[Decoy, ...]
    natural_errors: tuple[NaturalError, ...]
    messages: tuple[InboxMessage, ...]

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that are on at some time of the drill, in alphabetical order."""
        return tuple(sorted([self.flag, *(decoy.flag for decoy in self.decoys)]))

    @property
    def ends_at(self) -> float:
        """The latest time at which the drill ends."""
        return 60 * self.minutes


def seed_of_the_day() -> int:
    """Return the seed that everyone has today, such as 20261129."""
    return int(f"{date.today():%Y%m%d}")


def draw_scenario(
    seed: int,
    faults: Sequence[Fault],
    *,
    minutes: float = MINUTES,
    unavailable: Collection[str] = (),
) -> Scenario:
    """Return what ``seed`` draws from the ``faults`` that players notice, the same everywhere.

    ``unavailable`` has the names of faults to skip. ``minutes`` stretches the times, and changes
    nothing else. Raises ValueError for minutes out of bounds, WorkshopError if no fault is left.
    """
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise ValueError(
            f"A drill takes {LEAST_MINUTES:g} to {MOST_MINUTES:g} minutes, not {minutes!r}."
        )
    chance = Chance(f"drill {seed}")
    felt = sorted(filter(_is_felt, faults), key=lambda fault: fault.name)
    ranked = chance.sample(felt, len(felt))
    fault = next((each for each in ranked if each.name not in unavailable), None)
    if fault is None:
        raise WorkshopError("A drill needs a fault that players notice. None can be injected here.")
    starts_at = 60 * minutes * chance.between(0.06, 0.14)
    flag, *decoy_flags = chance.sample(FLAG_NAMES, 3)
    evaluated_by = fault.service.name
    return Scenario(
        seed=seed,
        minutes=minutes,
        fault=fault.name,
        flag=flag,
        evaluated_by=evaluated_by,
        services=_BOTH_ENDS.get(fault.name, (evaluated_by,)),
        cause=fault.title,
        causes=_draw_causes(chance, fault, faults),
        share=fault.share,
        fault_seed=chance.whole(2**31),
        starts_at=starts_at,
        decoys=_draw_decoys(chance, evaluated_by, decoy_flags),
        natural_errors=_draw_natural_errors(chance, minutes),
        messages=draw_messages(chance, starts_at=starts_at, minutes=minutes),
    )


def _is_felt(fault: Fault) -> bool:
    is_slow = fault.slow_s is not None and fault.slow_s >= _FELT_SLOW_S
    return is_slow or bool(_FELT.intersection(fault.shows)) or fault.name in CURED_BY_RESTART


def _draw_causes(chance: Chance, fault: Fault, faults: Sequence[Fault]) -> tuple[str, ...]:
    others = sorted({each.title for each in faults} - {fault.title})
    wrong = chance.sample(others, min(CHOICES - 1, len(others)))
    return tuple(chance.sample([fault.title, *wrong], len(wrong) + 1))


def _draw_decoys(chance: Chance, service: str, flags: Sequence[str]) -> tuple[Decoy, ...]:
    """Return one in the same service, so that its events have two flags, and one elsewhere."""
    elsewhere = chance.pick([name for name in SERVICES if name != service])
    places = zip(flags, (service, elsewhere), (1.0, 0.5), strict=True)
    return tuple(Decoy(*place, seed=chance.whole(2**31)) for place in places)


def _draw_natural_errors(chance: Chance, minutes: float) -> tuple[NaturalError, ...]:
    times = sorted(60 * minutes * chance.between(0.02, 0.9) for _ in range(3 + chance.whole(3)))
    return tuple(NaturalError(at, *chance.pick(NATURAL_ERRORS)) for at in times)
