"""What repair by itself is worth on the real system: python -m tests.benchmarks.repair [--runs 20].

Each run is a pair with the same seed: the same traffic meets the same fault, once with a responder
at auto, once without. Without it a person turns the flag off HUMAN_S seconds after the fault began;
that time is assumed, not measured. A run has recovered from the second on after which no spin that
was due is bad. The 20 seconds from then on are compared.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from kit import Workshop, WorkshopError
from kit.reliability.alerts.rule import AlertRule
from kit.reliability.remediation.actions import RESTARTABLE, LiveActions
from kit.reliability.remediation.journal import RemediationJournal
from kit.reliability.remediation.ladder import LadderEvidence
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import Action, RepairProof, Runbook, sli_of
from kit.reliability.traffic.outcomes import Counts
from kit.reliability.traffic.traffic import Traffic
from tests.benchmarks.goals import goal

RUNS, RATE, QUIET_S, LEASE_S = 20, 4.0, 5.0, 120.0
# A person who is at the screen already: a page, a look, a decision. Real ones take longer.
HUMAN_S = 60.0
GOOD_S, COMPARED_S, LOOK_EVERY_S = 10.0, 20.0, 0.25
# A spin that hangs counts only after the deadlines of its services; longer than GOOD_S, too.
SETTLED_S = 12.0
PATIENCE_S = 60.0
# Noise of a busy machine: what is slower by less is not worse.
SLOWER_S, WORSE = 0.25, 0.02
# The breaker alone takes microseconds; the rest is HTTP and Sentry.
BREAKER_SPINS, MOST_OPEN_S = 30, 0.05


@dataclass(frozen=True)
class Drawn:
    """A fault, the share of the spins that it hits, and the runbook that knows it."""

    fault: str
    share: float
    knows: str
    cure: Callable[[LiveActions], Action]


INCIDENTS = (
    Drawn("payment-fails", 0.5, "payment-failed", lambda do: do.turn_off("payment-fails")),
    Drawn("bad-release", 0.5, "*KeyError*", lambda do: do.roll_back("game-engine")),
    Drawn("payment-hangs", 0.5, "payment-failed", lambda do: do.restart("payment")),
)


@dataclass(frozen=True)
class Run:
    """What came of a run; ``recovered_s`` counts from the fault, None when it never recovered."""

    recovered_s: float | None
    failed: int
    after: Counts
    journal: RemediationJournal

    @property
    def good(self) -> float:
        """The share of good spins afterwards, from 0 to 1."""
        return 1 - self.after.bad_share


def make_responder(workshop: Workshop, traffic: Traffic, drawn: Drawn) -> Responder:
    """Return a responder at auto that knows this incident."""
    sli = sli_of(lambda: traffic.outcomes)

    def is_failing() -> bool:
        now = time.time()
        return (sli(now - 15, now) or 0.0) < 0.95

    runbook = Runbook(
        drawn.fault,
        (drawn.knows,),
        is_failing,
        drawn.cure(workshop.actions),
        RepairProof(sli, for_s=GOOD_S, within_s=40.0),
        level="auto",
        evidence=LadderEvidence(right=10),
    )
    targets = (*RESTARTABLE, "gateway")
    return Responder([runbook], targets=targets, on_decision=workshop.actions.tell)


def time_spin(workshop: Workshop) -> tuple[int, float]:
    """Play a spin in which payment hangs; return its status and how long it took, in seconds."""
    began = time.perf_counter()
    answer = httpx.post(
        f"{workshop.url('game-engine')}/api/v1/spin",
        json={"player": "ada", "bet": 1},
        trust_env=False,
        timeout=30,
    )
    return answer.status_code, time.perf_counter() - began


def measure_breaker(workshop: Workshop) -> bool:
    """Print how long a spin takes to fail while payment hangs, with and without a breaker."""
    breaker = workshop.actions.open_breaker("payment", seconds=120, pause_s=120)
    with workshop.inject("payment-hangs", 1.0, 120, 7):
        status, slow_s = time_spin(workshop)
        breaker.do()
        answers = [time_spin(workshop) for _ in range(BREAKER_SPINS)]
        if breaker.undo:
            breaker.undo()
    fast_s = statistics.median(seconds for _, seconds in answers)
    best_s = min(seconds for _, seconds in answers)
    print(f"  payment hangs: a spin fails after {slow_s:.2f} s")
    print(f"  breaker open: median {1000 * fast_s:.1f} ms, at best {1000 * best_s:.1f} ms")
    failed = {status, *(status for status, _ in answers)} == {503}
    return goal(
        f"an open breaker fails in {1000 * MOST_OPEN_S:.0f} ms", failed and fast_s <= MOST_OPEN_S
    )


def make_alert(workshop: Workshop) -> AlertRule:
    """Return the rule that pages: an issue that piles up."""
    return workshop.alert(
        "every event", ["level >= error", "events > 2 in 1m"], "page", name="spins fail"
    )


def play(workshop: Workshop, drawn: Drawn, seed: int, *, repaired: bool) -> Run:
    """Play one run, with a responder or with a person."""
    traffic = workshop.traffic(rate=RATE, seed=seed)
    responder = make_responder(workshop, traffic, drawn)
    receiver = workshop.receiver(responder.on_alert)
    live = workshop.alerts(make_alert(workshop)).live(receiver)
    with traffic.running(minutes=4), responder, live:
        time.sleep(QUIET_S)
        if not repaired:
            responder.kill()
        injection = workshop.inject(drawn.fault, drawn.share, LEASE_S, seed)
        began = time.time()
        mend_at = math.inf if repaired else began + HUMAN_S
        await_end(traffic, began, mend_at, injection.stop)
        seconds = recovered_after(traffic, began)
        start = began + (HUMAN_S if seconds is None else seconds)
        time.sleep(max(start + COMPARED_S + SETTLED_S - time.time(), 0))
        after = traffic.outcomes.between(start, start + COMPARED_S)
        failed = traffic.outcomes.between(began, time.time()).bad
        with suppress(WorkshopError):
            injection.stop()
    return Run(seconds, failed, after, responder.journal)


def await_end(traffic: Traffic, began: float, mend_at: float, mend: Callable[[], object]) -> None:
    """Return once spins were good for long enough; ``mend`` at that time, unless it is over."""
    last, seen = began, 0
    while time.time() < began + HUMAN_S + PATIENCE_S:
        if time.time() > mend_at:
            # A busy service may not answer: it is called again at the next look.
            with suppress(WorkshopError):
                mend()
        bad = traffic.outcomes.between(began, time.time()).bad
        if bad > seen:
            last, seen = time.time(), bad
        if seen and time.time() - last > SETTLED_S:
            return
        time.sleep(LOOK_EVERY_S)


def recovered_after(traffic: Traffic, began: float) -> float | None:
    """Return the second from which on no spin that was due is bad; None when the last one was."""
    seconds = int(time.time() - began)
    bad = [
        second
        for second in range(seconds)
        if traffic.outcomes.between(began + second, began + second + 1).bad
    ]
    recovered = max(bad) + 1 if bad else 0
    return None if recovered > seconds - GOOD_S else float(recovered)


def is_worse(repaired: Run, alone: Run) -> bool:
    """Whether the repair left the system in a worse state than a person did."""
    return (
        repaired.good < alone.good - WORSE or repaired.after.p95 > alone.after.p95 * 1.5 + SLOWER_S
    )


def report(drawn: Drawn, seed: int, repaired: Run, alone: Run) -> None:
    """Print a pair."""
    for name, run in (("with", repaired), ("without", alone)):
        took = "never" if run.recovered_s is None else f"{run.recovered_s:5.1f} s"
        print(
            f"  {drawn.fault:14} seed {seed:2} {name:8} recovered after {took}, "
            f"{run.failed:3} bad; then {run.good:.1%} good, p95 {1000 * run.after.p95:.0f} ms"
        )
    print(f"    {repaired.journal}")


def main(arguments: list[str] | None = None) -> int:
    """Print what was measured; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    asked = parser.parse_args([] if arguments is None else arguments)
    pairs: list[tuple[Run, Run]] = []
    with (
        tempfile.TemporaryDirectory() as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        is_fast = measure_breaker(workshop)
        for seed in range(asked.runs):
            drawn = INCIDENTS[seed % len(INCIDENTS)]
            measure = partial(play, workshop, drawn, seed)
            repaired, alone = measure(repaired=True), measure(repaired=False)
            report(drawn, seed, repaired, alone)
            pairs.append((repaired, alone))
    # One that never recovered counts with all the time that it was watched.
    longest = HUMAN_S + PATIENCE_S
    with_s, without_s = (
        statistics.median(longest if run.recovered_s is None else run.recovered_s for run in runs)
        for runs in zip(*pairs, strict=True)
    )
    worse = sum(is_worse(*pair) for pair in pairs)
    acted = sum(any(case.has_acted for case in repaired.journal) for repaired, _ in pairs)
    reached = [
        is_fast,
        goal(
            f"median {with_s:.1f} s with, {without_s:.1f} s without (a person after {HUMAN_S:g} s):"
            " at most a third",
            with_s <= without_s / 3,
        ),
        goal(f"no fault made worse ({worse} of {len(pairs)})", worse == 0),
        goal(f"a runbook acted in each ({acted} of {len(pairs)})", acted == len(pairs)),
    ]
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
