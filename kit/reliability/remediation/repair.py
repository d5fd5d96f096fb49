"""One repair: the action with its deadline, its proof, and its undo."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kit.reading.payload import truncate
from kit.reliability.remediation.hands import CallHung, Hands, RemediationClock
from kit.reliability.remediation.runbook import RepairProof, Runbook

PROBE_WITHIN_S = 5.0
POLL_S = 1.0
# A drop this large is harm, not chance. The value before is the worse of two windows, because the
# long one may reach back to before the incident.
HARM = 0.1
JUST_NOW_S = 5.0


@dataclass(frozen=True)
class ProofResult:
    """Whether a proof held, after how many seconds, and the SLI before and after; None unknown."""

    holds: bool
    took_s: float
    before: float | None
    after: float | None

    @property
    def is_harm(self) -> bool:
        """Whether the SLI is lower than before the action."""
        return (
            not self.holds
            and self.before is not None
            and self.after is not None
            and self.after < self.before - HARM
        )

    @property
    def sentence(self) -> str:
        """The SLI before and after, in words."""
        return f"good {_percent(self.before)} before, {_percent(self.after)} after"


class Repairer:
    """Calls what a runbook declares; a call that hangs is abandoned at its deadline."""

    def __init__(self, hands: Hands, clock: RemediationClock, is_over: Callable[[], bool]) -> None:
        self._hands = hands
        self._clock = clock
        self._is_over = is_over

    def expects(self, runbook: Runbook) -> str:
        """Return why the precondition does not hold; empty if it does."""
        try:
            holds = self._hands.call(runbook.when, PROBE_WITHIN_S)
        except CallHung:
            return f"the probe did not answer within {PROBE_WITHIN_S:g} s"
        except Exception as error:
            return f"the probe failed: {describe_error(error)}"
        return "" if holds is True else "the system is not as the runbook expects"

    def do(
        self, runbook: Runbook, begin: Callable[[], None], on_late: Callable[[], object]
    ) -> float:
        """Do the action after ``begin``, which may refuse; return how many seconds it took.

        Raises CallHung after the runbook's deadline, or the action's error.
        """

        def act() -> None:
            begin()
            runbook.action.do()

        began = self._clock.now()
        self._hands.call(act, runbook.deadline_s, on_late)
        return self._clock.now() - began

    def undo(self, runbook: Runbook) -> str:
        """Undo the action; return the outcome in words."""
        undo = runbook.action.undo
        if undo is None:
            return "nothing to undo"
        try:
            self._hands.call(undo, runbook.deadline_s)
        except Exception as error:
            return f"undo failed: {describe_error(error)}"
        return "undone"

    def measure(self, proof: RepairProof, start: float, end: float) -> float | None:
        """Return the SLI between two times; None if it is unknown."""
        try:
            share = self._hands.call(partial(proof.sli, start, end), PROBE_WITHIN_S)
        except Exception:
            return None
        return share if share is not None and math.isfinite(share) else None

    def measure_before(self, proof: RepairProof) -> float | None:
        """Return the SLI before an action; None if it is unknown."""
        now = self._clock.now()
        starts = (now - proof.for_s, now - min(proof.for_s, JUST_NOW_S))
        found = [self.measure(proof, start, now) for start in starts]
        return min((share for share in found if share is not None), default=None)

    def prove(self, proof: RepairProof, before: float | None) -> ProofResult:
        """Wait until the proof holds, or can no longer hold in time."""
        began = self._clock.now()
        while True:
            now = self._clock.now()
            after = self.measure(proof, max(began, now - proof.for_s), now)
            is_long_enough = now - began >= proof.for_s
            holds = is_long_enough and after is not None and after >= proof.at_least
            if holds or now - began >= proof.within_s or self._is_over():
                return ProofResult(holds, now - began, before, after)
            self._clock.sleep(min(POLL_S, max(proof.for_s - (now - began), POLL_S / 10)))


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def describe_error(error: BaseException) -> str:
    """Return an error in a line."""
    return truncate(f"{type(error).__name__}: {error}".splitlines()[0], 160)
