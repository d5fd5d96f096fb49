"""What repairs are worth, and that none gets by: python -m tests.benchmarks.remediation.

200 virtual incidents with and without repairs, on paired seeds, and what must never happen: a
forged webhook accepted, a replayed one acted on, two actions at once, a fourth run in an hour, an
action without a target or after the kill switch. Webhooks go over HTTP while an action takes 30 s.
"""

import argparse
import random
import statistics
import sys
import threading
import time

from kit.reliability.alerts.webhooks.receiver import AlertReceiver
from kit.reliability.alerts.webhooks.webhook import (
    EVENT_ALERT,
    REQUEST_ID,
    RESOURCE,
    SIGNATURE,
    Webhook,
    alert_body,
    sign_body,
)
from kit.reliability.remediation.ladder import LadderEvidence
from kit.reliability.remediation.rehearsal.comparison import compare_remediation
from kit.reliability.remediation.responder import Responder
from kit.reliability.remediation.runbook import Action, RepairProof, Runbook
from tests.benchmarks.goals import goal
from tests.reliability.responders import Bench, MadeAlert
from tests.reliability.test_alerts_webhook import EVENT, firing, mutated

SEEDS, SETS, MUTATIONS, ALERTS, ACTION_S = 20, 10, 10_000, 1000, 30.0
LEAST_SAVED, MOST_WRONG, ANSWERED_S = 0.5, 0.02, 0.1
SECRET = "not-a-secret"


class Counted:
    """An action that counts how often it is done, and how often at once."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.done = self.at_once = self.most = 0
        self.begun = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.done += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.begun.set()
        time.sleep(self.takes_s)
        with self._lock:
            self.at_once -= 1

    def runbook(self, name: str, at_most: int = 3, deadline_s: float = 60.0) -> Runbook:
        return Runbook(
            name,
            (name,),
            when=lambda: True,
            action=Action("restart payment", "payment", self),
            proof=RepairProof(lambda start, end: 1.0, for_s=0, within_s=0),
            level="auto",
            at_most=at_most,
            deadline_s=deadline_s,
            evidence=LadderEvidence(right=10),
        )


def rehearse(seeds: int, sets: int) -> list[bool]:
    """Compare months with and without repairs; the first set is what the goals are about."""
    found = [compare_remediation(range(n * seeds, (n + 1) * seeds)) for n in range(sets)]
    print(found[0])
    ratios = sorted(each.budget_ratio for each in found)
    print(f"  {sets} sets of as many: {ratios[0]:.1%} to {ratios[-1]:.1%} of the budget is left")
    wrong = sum(each.totals[1].wrong for each in found)
    actions = sum(each.totals[1].actions for each in found)
    first, median = found[0], statistics.median(ratios)
    reached, unknown = (sum(each.unknown_escalated[i] for each in found) for i in (0, 1))
    return [
        goal(
            f"at most half is spent ({first.budget_ratio:.1%})", first.budget_ratio <= LEAST_SAVED
        ),
        goal(f"also in the median set ({median:.1%})", median <= LEAST_SAVED),
        goal(f"at most 2 % of {actions} actions wrong ({wrong})", wrong <= MOST_WRONG * actions),
        goal(f"unknown ones escalated: {reached} of {unknown}", reached == unknown),
    ]


def forge() -> list[bool]:
    """Send altered bodies, and one that was seen before."""
    bench = Bench()
    responder = bench.responder(bench.runbook(knows=("No coins",)))
    receiver = AlertReceiver(responder.on_alert, secret=SECRET)
    receiver.launch().wait()
    chance, body = random.Random(6), alert_body(firing(), EVENT)
    sent = {RESOURCE: EVENT_ALERT, SIGNATURE: sign_body(body, SECRET), REQUEST_ID: "1"}
    accepted = sum(receiver.accept(mutated(chance, body), sent) == 200 for _ in range(MUTATIONS))
    for number in range(MUTATIONS):
        receiver.accept(body, sent | {REQUEST_ID: str(1 + number % 100)})
    receiver.stop()
    responder.work()
    responder.stop()
    return [
        goal(f"of {MUTATIONS:,} altered bodies none is accepted ({accepted})", accepted == 0),
        goal(f"a body that was seen is acted on once ({len(bench.done)})", len(bench.done) == 1),
    ]


def flood() -> list[bool]:
    """Give it 1,000 alerts within a second from several threads, then throw the kill switch."""
    counted = Counted(0.001)
    names = [f"kind {n}" for n in range(5)]
    made = [counted.runbook(name) for name in names]
    nowhere = Bench().runbook("nowhere", target="", knows=("nowhere",))
    with Responder([*made, nowhere], targets=("payment",)) as responder:

        def send(first: int) -> None:
            for number in range(first, ALERTS, 8):
                responder.on_alert(MadeAlert(str(number), title=names[number % 5]))

        began = time.monotonic()
        senders = [threading.Thread(target=send, args=(n,)) for n in range(8)]
        for each in senders:
            each.start()
        for each in senders:
            each.join()
        took_s = time.monotonic() - began
        responder.wait(60)
        done = counted.done
        responder.on_alert(MadeAlert("nowhere", title="nowhere"))
        responder.wait(10)
        nowhere_said = responder.journal[-1].sentence
    return [
        goal(f"{ALERTS:,} alerts are taken within a second ({took_s:.2f} s)", took_s <= 1),
        goal(f"never two actions at once ({counted.most})", counted.most == 1),
        goal(f"three runs an hour for each of five runbooks ({done})", done == 15),
        goal("nothing is done without a target", "refused: target" in nowhere_said),
    ]


def kill(times: int) -> list[bool]:
    """Throw the kill switch while alerts arrive, again and again."""
    late = 0
    for _ in range(times):
        counted = Counted()
        with Responder([counted.runbook("k", at_most=9999)], targets=("payment",)) as responder:
            for number in range(50):
                responder.on_alert(MadeAlert(str(number), title="k"))
            counted.begun.wait(10)
            responder.kill()
            time.sleep(0.005)
            before = counted.done
            responder.wait(10)
            late += counted.done - before
    return [goal(f"after the kill switch nothing is done, {times} times ({late})", late == 0)]


def answer(seconds: float) -> list[bool]:
    """Send webhooks over HTTP while an action takes its time."""
    counted = Counted(seconds)
    took: list[float] = []
    with Responder([counted.runbook("No coins")], targets=("payment",)) as responder:
        responder.receiver = AlertReceiver(responder.on_alert, secret=SECRET)
        responder.receiver.launch().wait()
        hook = Webhook(responder.address, SECRET)
        hook.post(firing(), EVENT)
        counted.begun.wait(10)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            took.append(hook.post(firing(len(took) + 1), EVENT).took_s)
            time.sleep(0.02)
        responder.wait(60)
        is_proved = responder.journal[0].state == "proved"
    p99 = statistics.quantiles(took, n=100)[98]
    what = f"answered within 100 ms at p99 of {len(took):,} ({1000 * p99:.0f} ms)"
    return [
        goal(what, p99 <= ANSWERED_S),
        goal(f"the action of {seconds:g} s ends, and is proved", is_proved),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print what was measured; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--sets", type=int, default=SETS)
    parser.add_argument("--seconds", type=float, default=ACTION_S)
    asked = parser.parse_args([] if arguments is None else arguments)
    reached = rehearse(asked.seeds, asked.sets) + forge() + flood() + kill(20)
    return int(not all(reached + answer(asked.seconds)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
