"""Injected equals observed: compares what a fault hit with what was seen of those requests."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from kit.reliability.faults.evidence import SPIN_ROUTE, Evidence
from kit.reliability.faults.fault import Fault, Sign
from kit.reliability.faults.overlap import AlsoHit, is_masked, only_fault
from kit.reliability.traffic.outcomes import Answer

# How much of a fault's delay an answer must show: other processes read other clocks.
SLOW_SHARE = 0.9
# For a fault without a delay, answers that take longer than this are late.
LATE_S = 2.0
OF_ANSWERS: frozenset[Sign] = frozenset({"refused", "slow", "broken"})
OF_SPINS: frozenset[Sign] = frozenset({"hole", "retried", "kept"})

SIGN_NOUNS: dict[Sign, tuple[str, str]] = {
    "event": ("error event with the flag", "error events with the flag"),
    "refused": ("refused request", "refused requests"),
    "slow": ("slow answer", "slow answers"),
    "broken": ("answer that cannot be read", "answers that cannot be read"),
    "hole": ("spin that was not stored", "spins that were not stored"),
    "retried": ("repeated call", "repeated calls"),
    "exit": ("process that ended", "processes that ended"),
    "kept": ("spin that leaked memory", "spins that leaked memory"),
}


@dataclass(frozen=True)
class UnexplainedTrace:
    """A request that contradicts the lease: its trace, and what is wrong."""

    trace_id: str
    why: str


@dataclass(frozen=True)
class Reconciliation:
    """What was injected, and what was seen of it.

    ``hits`` is how many requests were hit, ``spins`` how many were evaluated; ``noun`` is what
    they are called. ``seen`` counts each sign among the hits. ``without`` counts error events
    outside of the hits, ``slow_others`` and ``refused_others`` answers. ``asked`` is the share that
    was asked for. ``masked`` counts hits that another fault reached first and hid.
    """

    hits: int
    spins: int
    noun: str
    asked: float
    seen: Counter[Sign]
    unexplained: tuple[UnexplainedTrace, ...]
    without: int
    slow_others: int
    refused_others: int
    remark: str = ""
    masked: int = 0

    @property
    def missed(self) -> int:
        """How many hits were not seen, or only in part."""
        return len({each.trace_id for each in self.unexplained if each.why != NOT_HIT})

    @property
    def holds(self) -> bool:
        """Whether something was hit, and every hit that no other fault masked was seen."""
        return self.hits > self.masked and not self.unexplained


NOT_HIT = "the flag is on in an error event, but the service does not list the trace as hit"


def reconcile(
    fault: Fault,
    hits: Sequence[str],
    evaluated: int,
    asked: float,
    evidence: Evidence,
    also_hit: AlsoHit = only_fault,
) -> Reconciliation:
    """Compare the traces that a fault hit with what was seen. Raises StoreError.

    ``evaluated`` is how many requests the service evaluated, used if no traffic counts spins.
    ``also_hit`` returns the other faults that hit a request.
    """
    signs = _Signs(fault, evidence)
    found = {key: signs.of(key) for key in hits}
    missing = {key: why for key, seen in found.items() if (why := signs.missing(key, seen))}
    masked = {key for key in missing if is_masked(fault, evidence.find_answer(key), also_hit)}
    unexplained = [UnexplainedTrace(key, why) for key, why in missing.items() if key not in masked]
    hit = set(hits)
    wrong = {each.trace_id for each in evidence.events if each.result and each.trace_id not in hit}
    unexplained += [UnexplainedTrace(key, NOT_HIT) for key in sorted(wrong)]
    spins, noun = _count_spins(hit, evaluated, evidence)
    others = [each for each in _copy(evidence.answers.values()) if each.trace_id not in hit]
    late_s = SLOW_SHARE * fault.slow_s if fault.slow_s else LATE_S
    return Reconciliation(
        hits=len(hit),
        spins=spins,
        noun=noun,
        asked=asked,
        seen=_count_signs(fault, found.values()),
        unexplained=tuple(unexplained),
        without=sum(each.trace_id not in hit for each in evidence.events if not each.is_exit),
        slow_others=sum(each.took_s >= late_s for each in others),
        refused_others=sum(_is_failed(each) for each in others),
        remark=_memory_line(fault, len(hit), evidence),
        masked=len(masked),
    )


def shows_all(fault: Fault, evidence: Evidence, key: str) -> bool:
    """Whether a request left every sign of a fault. Raises StoreError."""
    signs = _Signs(fault, evidence)
    return not signs.missing(key, signs.of(key))


class _Signs:
    """The signs that requests left."""

    def __init__(self, fault: Fault, evidence: Evidence) -> None:
        self._fault, self._evidence = fault, evidence
        self._with_flag = {each.trace_id for each in evidence.events if each.result}
        self._has_exit = any(each.is_exit for each in evidence.events)

    def of(self, key: str) -> set[Sign]:
        """Return the signs of one request."""
        answer = self._evidence.find_answer(key)
        status, took_s = (answer.status, answer.took_s) if answer else (0, 0.0)
        found: dict[Sign, bool] = {
            "event": key in self._with_flag,
            "refused": status is not None and status >= 500,
            "slow": took_s >= SLOW_SHARE * (self._fault.slow_s or LATE_S),
            "broken": status is None,
            "hole": key in self._evidence.holes,
            "retried": key in self._evidence.retries,
            # The supervisor names one request in flight, which may be another one.
            "exit": self._has_exit,
            # Beyond its limit a leak raises an error instead.
            "kept": key in self._evidence.kept or key in self._with_flag,
        }
        return {sign for sign, is_there in found.items() if is_there}

    def missing(self, key: str, seen: set[Sign]) -> str:
        """Return which signs of a hit are missing; empty when none is."""
        answer = self._evidence.find_answer(key)
        expected = set(self._fault.shows)
        if answer is not None and answer.route != SPIN_ROUTE:
            expected -= OF_SPINS
        if answer is None and expected & seen:
            expected -= OF_ANSWERS
        if "event" in seen:
            # If the answer is lost late, no time is left for a retry: the spin fails.
            expected.discard("retried")
        missing = [SIGN_NOUNS[sign][0] for sign in self._fault.shows if sign in expected - seen]
        if not missing:
            return ""
        unobserved = answer is None and expected & OF_ANSWERS
        return f"no {' and no '.join(missing)}{', and its answer is unknown' * bool(unobserved)}"


def _count_signs(fault: Fault, found: Collection[set[Sign]]) -> Counter[Sign]:
    """Return how many hits left each sign of a fault, and how many failed without a retry."""
    seen: Counter[Sign] = Counter(
        {sign: sum(sign in each for each in found) for sign in fault.shows}
    )
    if "retried" in fault.shows and (failed := sum("event" in each for each in found)):
        seen["event"] = failed
    return seen


def _count_spins(hit: set[str], evaluated: int, evidence: Evidence) -> tuple[int, str]:
    """Return the number of spins if traffic counted them, else the number of requests."""
    spins = {each.trace_id for each in _copy(evidence.answers.values()) if _is_spin(each, evidence)}
    if spins:
        return len(spins | hit), "spin"
    return evaluated, "request"


def _is_spin(answer: Answer, evidence: Evidence) -> bool:
    ended = evidence.ended_at
    is_during = evidence.began_at <= answer.due and (ended is None or answer.due <= ended)
    return answer.route == SPIN_ROUTE and answer.player != "" and is_during


def _is_failed(answer: Answer) -> bool:
    return answer.status is None or answer.status >= 500


def _memory_line(fault: Fault, hits: int, evidence: Evidence) -> str:
    """Return a remark on the memory that a fault keeps."""
    if fault.kept_mb is None or not hits:
        return ""
    kept = min(fault.kept_mb * hits, fault.most_mb or math.inf)
    return f"{kept:g} MB leaked, and the process grew by {evidence.grown_mb:.0f} MB"


def _copy(answers: Iterable[Answer]) -> list[Answer]:
    # The traffic's thread may add to them meanwhile.
    return list(answers)
