"""The plan of a schedule: which faults are on, when, and for which requests.

The same seed gives the same plan. Numbers are drawn from hashes, not from the random module,
whose methods may change between versions of Python.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from kit.reliability.faults.catalogue import FAULTS, NO_OP_FAULT, find_fault
from kit.reliability.faults.incident import Incident

MAX_SEED = 10_000
# The minimum gap between incidents, in seconds: the effects of the first have to be over.
GAP_S = 5.0
MAX_HOLD_S = 600.0
DECIMALS = 1
# The limit of the search for an order; a plan of 20 incidents needs about as many steps.
MAX_STEPS = 20_000


class PlanError(ValueError):
    """A schedule cannot be planned like this; the message says what would fit."""


@dataclass(frozen=True)
class FaultPlan:
    """Incidents within ``seconds``, earliest first; their times are in seconds from the start."""

    seed: int
    seconds: float
    incidents: tuple[Incident, ...]

    def as_json(self) -> str:
        """Return the plan as JSON: the same seed and the same numbers give the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


def make_plan(
    *,
    minutes: float,
    faults: int,
    no_ops: int,
    seed: int | None = None,
    hold: tuple[float, float] = (20.0, 40.0),
    concurrency: int = 1,
    kinds: Sequence[str] | None = None,
    shares: Sequence[float] = (0.25, 0.5),
) -> FaultPlan:
    """Return a plan of that many faults and no-ops within ``minutes``.

    Each is on for a time between the two of ``hold``, in seconds, and hits one of ``shares``. At
    most ``concurrency`` are on at once. ``kinds`` are the faults to choose from, all by default;
    each comes once before any comes twice. A missing ``seed`` is drawn. Raises PlanError, and
    UnknownFault for a name in ``kinds``.
    """
    seed = secrets.randbelow(MAX_SEED) if seed is None else seed
    names = [find_fault(name).name for name in kinds or [fault.name for fault in FAULTS]]
    seconds, count = 60.0 * minutes, faults + no_ops
    _check(seconds, faults, no_ops, hold, concurrency, shares)
    draw = _Draw(seed)
    slots = list(_slots(draw, seconds, count, hold, concurrency))
    what = draw.shuffle("what", [*draw.rounds("kind", names, faults), *[NO_OP_FAULT.name] * no_ops])
    what = _apart(what, slots)
    incidents = [
        Incident(
            fault=None if name == NO_OP_FAULT.name else name,
            starts_at=starts_at,
            ends_at=ends_at,
            share=shares[draw.below(f"share {number}", len(shares))],
            seed=draw.below(f"seed {number}", MAX_SEED),
        )
        for number, (name, (starts_at, ends_at)) in enumerate(zip(what, slots, strict=True))
    ]
    return FaultPlan(seed, seconds, tuple(incidents))


def _check(
    seconds: float,
    faults: int,
    no_ops: int,
    hold: tuple[float, float],
    concurrency: int,
    shares: Sequence[float],
) -> None:
    least, most = hold
    if faults < 0 or no_ops < 0 or faults + no_ops < 1:
        raise PlanError("A schedule needs at least one fault or no-op.")
    if concurrency < 1:
        raise PlanError("concurrency, the number of faults on at once, must be at least 1.")
    if not 0 < least <= most <= MAX_HOLD_S:
        raise PlanError(f"hold must be two lengths in seconds, lower first, up to {MAX_HOLD_S:g}.")
    if not shares or not all(0 < share <= 1 for share in shares):
        raise PlanError("shares must be numbers above 0 and at most 1.")
    needed = -(-(faults + no_ops) // concurrency) * (least + GAP_S)
    if needed > seconds:
        raise PlanError(
            f"{faults + no_ops} incidents of at least {least:g} s, with {GAP_S:g} s between them, "
            f"take {needed / 60:.1f} minutes with a concurrency of {concurrency}. Give it more "
            "minutes, a shorter hold or fewer incidents."
        )


def _slots(
    draw: "_Draw", seconds: float, count: int, hold: tuple[float, float], concurrency: int
) -> Iterator[tuple[float, float]]:
    """Yield when each incident starts and ends, earliest first.

    The time is split into equal parts, as many as each of ``concurrency`` lanes has incidents. The
    position of an incident within its part is drawn.
    """
    parts = -(-count // concurrency)
    part_s = seconds / parts
    found = []
    for number in range(count):
        part, least, most = number // concurrency, hold[0], min(hold[1], part_s - GAP_S)
        length = least + draw.number(f"hold {number}") * (most - least)
        starts_at = part * part_s + draw.number(f"start {number}") * (part_s - GAP_S - length)
        found.append((round(starts_at, DECIMALS), round(starts_at + length, DECIMALS)))
    yield from sorted(found)


def _apart(what: Sequence[str], slots: Sequence[tuple[float, float]]) -> list[str]:
    """Return the names so that no two equal ones overlap, in the given order if possible.

    The same fault injected again would replace the first. Raises PlanError if it is impossible.
    """
    steps = 0

    def place(found: list[str], left: Sequence[str]) -> list[str] | None:
        nonlocal steps
        steps += 1
        if not left or steps > MAX_STEPS:
            return found if not left else None
        starts_at = slots[len(found)][0]
        on = {name for name, slot in zip(found, slots, strict=False) if slot[1] > starts_at}
        for name in dict.fromkeys(each for each in left if each not in on):
            rest = list(left)
            rest.remove(name)
            if placed := place([*found, name], rest):
                return placed
        return None

    placed = place([], what)
    if placed is None:
        raise PlanError(
            "The same fault would be on twice at once and replace itself. Give it more kinds, "
            "fewer no-ops or a lower concurrency."
        )
    return placed


class _Draw:
    """Numbers that depend only on a seed and on their purpose."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def number(self, what: str) -> float:
        """Return a number from 0 up to, but not including, 1."""
        digest = sha256(f"{self._seed}:{what}".encode()).digest()
        # 53 bits, which a float holds exactly.
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

    def below(self, what: str, bound: int) -> int:
        """Return a whole number from 0 up to, but not including, ``bound``."""
        return int(self.number(what) * bound)

    def shuffle(self, what: str, names: Sequence[str]) -> list[str]:
        """Return the names in another order."""
        keyed = [(self.number(f"{what} {n}"), n, name) for n, name in enumerate(names)]
        return [name for _, _, name in sorted(keyed)]

    def rounds(self, what: str, names: Sequence[str], count: int) -> list[str]:
        """Return ``count`` names: all of them in one order, then all in another, and so on."""
        rounds = -(-count // len(names))
        found = [name for n in range(rounds) for name in self.shuffle(f"{what} {n}", names)]
        return found[:count]


def opaque_flag(seed: int, number: int) -> str:
    """Return the flag name of an incident, which does not reveal the fault."""
    return f"rollout-{sha256(f'{seed}:flag {number}'.encode()).hexdigest()[:6]}"


def no_op_service(seed: int, number: int, count: int) -> int:
    """Return which of ``count`` services evaluates the flag of a no-op."""
    return _Draw(seed).below(f"service {number}", count)
