"""Injected faults: whom a flag hits, and which fault is behind a flag with a neutral name.

The faults of the second exercise are real: they are injected one after the other while spins are
played.
"""

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from demo_services.faults.split import is_hit
from demo_services.services import GAME_ENGINE
from kit.course.answer_parts import raise_all, require_choices
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.hosting.server import Report
from kit.reliability.faults.catalogue import NO_OP_FAULT, find_fault
from kit.reliability.faults.fault import Fault, Sign
from kit.reliability.faults.injection import MAX_SEED, Injection
from kit.reliability.faults.probe import Probe
from kit.reliability.faults.reconciliation import SIGN_NOUNS
from kit.reliability.traffic.outcomes import Answer

# Inputs for a split function.
FLAGS = ("payment-fails", "new-reels", "rollout-7f3a", "b", "ledger-down")
SHARES = (0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0)
TRIED = 400
_chance = random.SystemRandom()

Play = Callable[[], Sequence[Answer]]
Split = Callable[[int, str, str, float], object]

# The faults behind the flags, in the order in which they are turned on. None needs payment or the
# database.
HIDDEN: Mapping[str, str] = {
    "rollout-1": "gateway-truncates",
    "rollout-2": "clock-skew",
    "rollout-3": "no-op",
    "rollout-4": "bad-release",
}
CANDIDATES = (
    "payment-fails",
    "payment-down",
    "payment-resets",
    "bad-release",
    "ledger-down",
    "clock-skew",
    "gateway-truncates",
    "no-op",
)
# Slow enough that on a busy machine no spin misses a deadline, which would look like a fault.
SHARE, LEASE_S, SPINS, EVERY_S = 0.5, 60.0, 8, 0.15
# Signs that the evidence shows for the candidates.
TOLD: frozenset[Sign] = frozenset({"event", "broken", "hole", "retried"})


class FaultHost(Protocol):
    """The part of a workshop that is needed to play rollouts."""

    def inject(
        self,
        name: str,
        share: float | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        flag: str | None = None,
        service: str | None = None,
    ) -> Injection:
        """Turn a fault on."""

    def url(self) -> str:
        """Return the address of the gateway."""


@dataclass(frozen=True)
class HiddenRollout:
    """A flag that was on for a share of some spins.

    Its effect on a spin is hidden. ``hit`` and ``others`` are the responses to the spins for which
    it was on and off.
    """

    flag: str
    seed: int
    share: float
    answers: Sequence[Answer]

    @property
    def hit(self) -> list[Answer]:
        """The responses to the spins for which the flag was on."""
        return [answer for answer in self.answers if self._is_on(answer)]

    @property
    def others(self) -> list[Answer]:
        """The responses to all other spins."""
        return [answer for answer in self.answers if not self._is_on(answer)]

    def _is_on(self, answer: Answer) -> bool:
        return is_hit(self.seed, self.flag, answer.trace_id, self.share)

    def __repr__(self) -> str:
        return f"<HiddenRollout {self.flag}: on for {len(self.hit)} of {len(self.answers)} spins>"


def play_rollouts(workshop: FaultHost, report: Report = print) -> list[HiddenRollout]:
    """Turn four flags on, one after the other, and play eight spins with each; return them.

    The effects of the flags stay hidden. Afterwards everything that the spins reported is in the
    store. ``report`` receives a line for each flag.
    """
    play = partial(Probe(workshop.url()).play, SPINS, every_s=EVERY_S)
    # Not in this thread: in a notebook it has a running event loop.
    with ThreadPoolExecutor(max_workers=1) as pool:
        played = []
        for flag in HIDDEN:
            report(f"{flag} is on: playing {SPINS} spins …")
            played.append(_play_rollout(workshop, flag, lambda: pool.submit(play).result()))
    for rollout, injection in played:
        injection.note(rollout.answers)
        # Waits for what is still in transit.
        _ = injection.journal
    return [rollout for rollout, _ in played]


def _play_rollout(workshop: FaultHost, flag: str, play: Play) -> tuple[HiddenRollout, Injection]:
    fault = HIDDEN[flag]
    service = GAME_ENGINE.name if fault == NO_OP_FAULT.name else None
    rollout = HiddenRollout(flag, secrets.randbelow(MAX_SEED), SHARE, ())
    with workshop.inject(fault, SHARE, LEASE_S, rollout.seed, flag, service) as injection:
        # By chance all spins may be on one side.
        while not (rollout.hit and rollout.others):
            rollout = replace(rollout, answers=[*rollout.answers, *play()])
    return rollout, injection


# Who is hit


def who_is_hit() -> Exercise:
    """Write the function that decides for which requests a flag is on."""

    def verify(answer: Split) -> str:
        tried = [_draw() for _ in range(TRIED)]
        given = [answer(*each) for each in tried]
        if odd := next((each for each in given if not isinstance(each, bool)), None):
            raise Wrong(f"The function must return True or False, not {str(odd)[:60]!r}.")
        wrong = [each for each, said in zip(tried, given, strict=True) if said != is_hit(*each)]
        if wrong:
            raise Wrong(_explain_split(tried, given, wrong[0], len(wrong)))
        return (
            f"Tried on {TRIED} requests with {len(FLAGS)} flags and {len(SHARES)} shares: it hits "
            "the same ones as every service."
        )

    return FunctionExercise(
        "who-is-hit",
        verify,
        'hashlib.sha256(f"{seed}:{flag}:{trace_id}".encode()).digest() is 32 bytes. '
        "Convert the first eight of them, [:8], with int.from_bytes; mind the byte order. Compare "
        "the quotient with the share: a share of 0 hits nothing.",
        "import hashlib\n\n\n"
        "def hits(seed, flag, trace_id, share):\n"
        '    digest = hashlib.sha256(f"{seed}:{flag}:{trace_id}".encode()).digest()\n'
        '    return int.from_bytes(digest[:8], "big") / 2**64 < share',
        answer_name="hits",
    )


def _draw() -> tuple[int, str, str, float]:
    seed, key = _chance.randrange(MAX_SEED), secrets.token_hex(16)
    return seed, _chance.choice(FLAGS), key, _chance.choice(SHARES)


def _explain_split(
    tried: Sequence[tuple[int, str, str, float]],
    given: Sequence[object],
    example: tuple[int, str, str, float],
    count: int,
) -> str:
    """Return what is wrong with a split, with an example."""
    said = given[tried.index(example)]
    seed, flag, key, share = example
    wrong = (
        f"{count} of {len(tried)} requests are wrong. For example, hits({seed}, {flag!r}, {key!r}, "
        f"{share}) is {said}, but that request is {'' if not said else 'not '}hit."
    )
    bounds = [
        f"A share of {bound:g} hits {whom}."
        for bound, whom in ((0.0, "no request"), (1.0, "every request"))
        if any(
            each[3] == bound and told is not (bound == 1.0)
            for each, told in zip(tried, given, strict=True)
        )
    ]
    return "\n".join([wrong, *bounds])


# Which fault it was


def which_fault(rollouts: Sequence[HiddenRollout]) -> Exercise:
    """Name the fault behind each flag from the responses, events and logs of the spins."""

    def verify(answer: object) -> str:
        parts = require_choices(answer, HIDDEN, CANDIDATES)
        raise_all(
            f"{flag!r} is not {given}: {_contradict(find_fault(given), find_fault(HIDDEN[flag]))}"
            for flag, given in parts.items()
            if given != HIDDEN[flag]
        )
        played = sum(len(rollout.answers) for rollout in rollouts)
        return f"You named all {len(HIDDEN)} flags from the traces of {played} spins."

    named = ",\n".join(f'    "{flag}": "{fault}"' for flag, fault in HIDDEN.items())
    return Exercise(
        "which-fault",
        verify,
        "Start with events: an error event names the code that failed. A flag without one may "
        "still have changed a response. Where responses and events are the same for all spins, "
        "read workshop.trace_logs(answer.trace_id) for a spin that was hit and for one that was "
        "not: a line “spin was not stored” means a hole in the statistics, and its reason says "
        "what refused the spin. For one flag there is nothing to find.",
        f"answer = {{\n{named},\n}}",
    )


def _contradict(given: Fault, true: Fault) -> str:
    """Return evidence against a fault."""
    if missing := [sign for sign in given.shows if sign in TOLD and sign not in true.shows]:
        return f"it would leave {_one(missing[0])}, and no hit spin has one."
    if extra := [sign for sign in true.shows if sign in TOLD and sign not in given.shows]:
        return f"every hit spin left {_one(extra[0])}."
    return "it leaves the same signs, but they name another reason."


def _one(sign: Sign) -> str:
    noun = SIGN_NOUNS[sign][0]
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
