"""What was injected compared with what was seen: nothing that is missing may pass."""

import time

import pytest

from kit.ingest.store import Store
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.faults.evidence import Evidence, SeenEvent
from kit.reliability.faults.incident import Incident
from kit.reliability.faults.journal import FaultJournal
from kit.reliability.faults.reconciliation import Reconciliation, reconcile
from kit.reliability.traffic.outcomes import Answer, AnswerKind

BEGAN = time.time()


class Scene:
    """Evidence as the traffic and the services would leave it."""

    def __init__(self, store: Store, name: str) -> None:
        self.fault = find_fault(name)
        self.evidence = Evidence(store, self.fault.name)
        self.evidence.began_at = BEGAN
        self.hits: list[str] = []

    def spin(
        self,
        status: int | None = 200,
        took_s: float = 0.1,
        *,
        hit: bool = False,
        flag: bool | None = None,
        route: str = "spin",
    ) -> str:
        """Let a request be made, be hit, and leave an error event with the flag."""
        key = f"{len(self.evidence.answers):032x}"
        kind: AnswerKind = "good" if status == 200 else "bad"
        self.evidence.note(Answer(BEGAN + 1, key, route, "p1", status, took_s, kind))
        if hit:
            self.hits.append(key)
        if flag is not None:
            self.evidence.events.append(SeenEvent("payment", key, flag, False, BEGAN + 1))
        return key

    def reconcile(self, *others: str) -> Reconciliation:
        """Return what comes out where the faults called ``others`` hit each spin, too."""
        return reconcile(
            self.fault,
            self.hits,
            len(self.evidence.answers),
            0.25,
            self.evidence,
            lambda answer: map(find_fault, others),
        )

    def journal(self, ended_by: str | None = "lease", *others: str) -> str:
        incident = Incident(self.fault.name, BEGAN, BEGAN + 60, 0.25, 7)
        found = self.reconcile(*others)
        return str(FaultJournal(self.fault, self.fault.name, incident, ended_by, found))


def test_all_that_was_hit_was_seen(store: Store) -> None:
    scene = Scene(store, "payment-fails")
    for number in range(241):
        is_hit = number < 61
        scene.spin(503 if is_hit else 200, hit=is_hit, flag=True if is_hit else None)
    found = scene.reconcile()
    assert found.holds
    journal = scene.journal()
    assert "hit 61 of 241 spins (25.3 %, asked for 25 %)" in journal
    assert (
        "✓ 61 of 61 hits seen: 61 error events with the flag; 61 refused requests; 0 error events "
        "without"
    ) in journal
    assert "unexplained" not in journal


def test_a_hit_without_its_event_is_unexplained(store: Store) -> None:
    scene = Scene(store, "payment-fails")
    scene.spin(503, hit=True, flag=True)
    missed = scene.spin(503, hit=True)
    found = scene.reconcile()
    assert not found.holds
    assert [each.trace_id for each in found.unexplained] == [missed]
    assert "✗ 1 of 2 hits seen" in scene.journal()
    assert f"✗ 1 unexplained: no error event with the flag. {missed}" in scene.journal()


def test_a_flag_that_is_off_in_the_event_does_not_count(store: Store) -> None:
    scene = Scene(store, "payment-fails")
    scene.spin(503, hit=True, flag=False)
    assert not scene.reconcile().holds


def test_a_flag_that_is_on_without_a_hit_is_unexplained(store: Store) -> None:
    scene = Scene(store, "payment-fails")
    scene.spin(503, hit=True, flag=True)
    stranger = scene.spin(503, flag=True)
    found = scene.reconcile()
    assert [each.trace_id for each in found.unexplained] == [stranger]
    assert found.missed == 0
    assert not found.holds
    assert "does not list the trace as hit" in scene.journal()


def test_what_hit_nothing_says_so_loudly(store: Store) -> None:
    scene = Scene(store, "payment-fails")
    scene.spin()
    assert not scene.reconcile().holds
    assert "✗ HIT NOTHING: 0 of 1 spin (asked for 25 %). Raise the share" in scene.journal()
    assert "HIT NOTHING" not in scene.journal(ended_by=None)
    assert "Start traffic, or play." in Scene(store, "payment-fails").journal()


@pytest.mark.parametrize(
    ("name", "status", "took_s", "holds"),
    [
        ("payment-slow", 200, 2.6, True),
        ("payment-slow", 200, 1.9, False),
        ("gateway-truncates", None, 0.1, True),
        ("gateway-truncates", 200, 0.1, False),
        ("ledger-slow", 200, 0.8, True),
        ("ledger-slow", 200, 0.5, False),
    ],
)
def test_an_answer_shows_the_hit(
    store: Store, name: str, status: int | None, took_s: float, holds: bool
) -> None:
    scene = Scene(store, name)
    scene.spin(status, took_s, hit=True)
    assert scene.reconcile().holds is holds


def test_each_sign_of_a_fault_has_to_be_there(store: Store) -> None:
    scene = Scene(store, "mongo-slow")
    slow = scene.spin(took_s=1.2, hit=True)
    assert not scene.reconcile().holds
    scene.evidence.holes.add(slow)
    assert scene.reconcile().holds
    fast = scene.spin(hit=True)
    scene.evidence.holes.add(fast)
    assert not scene.reconcile().holds


def test_only_a_spin_can_be_missing_in_the_statistics(store: Store) -> None:
    scene = Scene(store, "mongo-slow")
    scene.spin(took_s=1.6, hit=True, route="stats")
    assert scene.reconcile().holds


def test_others_that_suffer_are_collateral_and_not_unexplained(store: Store) -> None:
    scene = Scene(store, "engine-blocks")
    scene.spin(took_s=2.1, hit=True)
    scene.spin(took_s=1.9)
    scene.spin(None, took_s=10)
    scene.spin(took_s=0.2)
    found = scene.reconcile()
    assert found.holds
    assert (found.slow_others, found.refused_others) == (2, 1)
    assert "not hit, but 2 slow, 1 failed: collateral, or another cause" in scene.journal()


def test_an_answer_that_nobody_saw_is_not_held_against_an_event(store: Store) -> None:
    scene = Scene(store, "payment-fails")
    scene.hits = ["f" * 32]
    scene.evidence.events.append(SeenEvent("payment", "f" * 32, True, False, BEGAN))
    assert scene.reconcile().holds
    slow = Scene(store, "payment-slow")
    slow.hits = ["f" * 32]
    assert "its answer is unknown" in slow.journal()


@pytest.mark.parametrize(
    ("name", "other", "status", "took_s", "masks"),
    [
        # The spin is over before its result is stored.
        ("ledger-down", "payment-down", 503, 3.0, True),
        ("ledger-slow", "payment-fails", 503, 0.1, True),
        ("clock-skew", "bad-release", 500, 0.1, True),
        # A call goes through one proxy, that of the fault which came first.
        ("ledger-slow", "ledger-down", 200, 0.1, True),
        ("mongo-down", "mongo-slow", 200, 1.6, True),
        # What cannot be read does not say that it is an error.
        ("payment-down", "gateway-truncates", None, 3.0, True),
        # The spin got through, or the other fault does nothing to it.
        ("ledger-down", "payment-down", 200, 0.1, False),
        ("ledger-down", "payment-slow", 503, 2.6, False),
        ("ledger-down", "mongo-down", 200, 0.1, False),
        ("payment-fails", "payment-down", 503, 3.0, False),
        ("payment-fails", "no-op", 503, 0.1, False),
    ],
)
def test_another_fault_may_mask_a_hit(
    store: Store, name: str, other: str, status: int | None, took_s: float, *, masks: bool
) -> None:
    scene = Scene(store, name)
    missed = scene.spin(status, took_s, hit=True)
    alone, both = scene.reconcile(), scene.reconcile(other)
    assert ([each.trace_id for each in alone.unexplained], alone.masked) == ([missed], 0)
    assert (both.unexplained == (), both.masked) == (masks, int(masks))
    # Nothing of this fault was seen at all.
    assert not both.holds


def test_what_is_masked_is_counted_and_not_held_against_the_rest(store: Store) -> None:
    scene = Scene(store, "ledger-slow")
    scene.spin(took_s=0.9, hit=True)
    scene.spin(503, 0.1, hit=True)
    assert scene.reconcile("payment-fails").holds
    journal = scene.journal("lease", "payment-fails")
    assert "✓ 1 of 2 hits seen: 1 slow answer; 0 error events without" in journal
    assert "1 hit masked: another fault got to the same request first" in journal
    assert "masked" not in scene.journal()


def test_an_answer_that_was_lost_too_late_for_a_retry_fails_the_spin(store: Store) -> None:
    scene = Scene(store, "payment-resets")
    scene.evidence.retries.add(scene.spin(took_s=0.1, hit=True))
    scene.spin(503, took_s=4.2, hit=True, flag=True)
    assert scene.reconcile().holds
    seen = "✓ 2 of 2 hits seen: 1 repeated call; 1 error event with the flag; 0 error events"
    assert seen in scene.journal()
    # Without the event, nothing says that it was this fault.
    scene.spin(503, took_s=4.2, hit=True)
    assert len(scene.reconcile().unexplained) == 1
