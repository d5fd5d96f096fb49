"""What an injection counts as hit: beside another one, and when its process has ended."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from demo_services.services import Service
from kit.ingest.store import Store
from kit.reliability.faults.catalogue import find_fault
from kit.reliability.faults.evidence import SeenEvent
from kit.reliability.faults.injection import Injection, Surroundings, make_terms
from kit.reliability.faults.leases import LeaseClient, LeaseState
from kit.reliability.traffic.outcomes import Answer, AnswerKind

REFUSED = Answer(time.time(), "a" * 32, "spin", "p1", 503, 3.0, "bad")


class MadeUpLeases:
    """Services that take each fault, and say that it hit what was refused; or forget it."""

    def __init__(self) -> None:
        self.has_forgotten = False
        self.states: list[LeaseState] = []

    def has_sent(self, trace_id: str) -> bool:
        return False

    def begin(self, service: Service, fault: str, **terms: Any) -> LeaseState:
        now, seconds = REFUSED.due, terms.pop("seconds")
        state = LeaseState(
            fault=fault,
            **terms,
            began_at=now,
            until=now + seconds,
            ended_at=now + seconds,
            ended_by="lease",
            evaluated=1,
            hit=1,
            hits=(REFUSED.trace_id,),
        )
        self.states.append(state)
        return state

    def read(self, service: Service) -> list[LeaseState]:
        return [] if self.has_forgotten else self.states

    def end(self, service: Service, fault: str) -> None:
        """It has ended already."""


class Pair:
    """A fault whose hit left no sign, and others that were on."""

    def __init__(self, store: Store) -> None:
        self.made: list[Injection] = []
        self.leases = MadeUpLeases()
        leases = cast("LeaseClient", self.leases)
        self._around = Surroundings(leases, store, bool, lambda: None, lambda: self.made)

    def inject(self, name: str, share: float = 1.0, seconds: float = 60.0) -> Injection:
        terms = make_terms(find_fault(name), share=share, seconds=seconds, seed=7)
        self.made.append(Injection(find_fault(name), terms, self._around))
        return self.made[-1]

    def close(self) -> None:
        for each in self.made:
            each.close()


@pytest.fixture
def pair(store: Store) -> Iterator[Pair]:
    pair = Pair(store)
    yield pair
    pair.close()


@pytest.mark.parametrize(("share", "later_s", "masked"), [(1.0, 0.0, 1), (0.0, 0.0, 0), (1, 90, 0)])
def test_an_injection_knows_which_others_hit_its_requests(
    pair: Pair, share: float, later_s: float, masked: int
) -> None:
    ledger = pair.inject("ledger-down", seconds=600.0)
    pair.inject("payment-down", share)
    ledger.note([replace(REFUSED, due=REFUSED.due + later_s)])
    ledger.close()
    found = ledger.journal.reconciliation
    assert (found.hits, found.masked, len(found.unexplained)) == (1, masked, 1 - masked)


def test_an_injection_does_not_mask_itself(pair: Pair) -> None:
    down = pair.inject("payment-down")
    down.note([replace(REFUSED, took_s=0.1)])
    down.close()
    assert down.journal.reconciliation.masked == 0
    assert len(down.journal.reconciliation.unexplained) == 1


def spin(number: int, after_s: float, took_s: float, status: int) -> Answer:
    """Return a spin that was due so long after the beginning."""
    kind: AnswerKind = "bad" if status == 503 else "good"
    due = REFUSED.due + after_s
    return Answer(due, f"{number:032x}", "spin", "p1", status, took_s, kind)


def test_what_was_under_way_when_the_process_ended_counts_only_with_its_signs(pair: Pair) -> None:
    fails = pair.inject("payment-fails", seconds=3600.0)
    fails.note(
        [
            spin(1, 1.0, 0.1, 503),
            # Repeated, and answered by the process that came next.
            spin(2, 9.8, 1.0, 200),
            # Its event was not sent, or payment did not come back in time: nobody knows.
            spin(3, 9.7, 0.1, 503),
            spin(4, 9.6, 0.1, 503),
            # So long before, the event should be there.
            spin(5, 5.0, 0.1, 503),
        ]
    )
    seen = fails._evidence.events
    seen += [SeenEvent("payment", f"{n:032x}", True, False, REFUSED.due) for n in (1, 4)]
    seen.append(SeenEvent("payment", f"{9:032x}", None, True, REFUSED.due + 10))
    pair.leases.has_forgotten = True
    fails.close()
    found = fails.journal.reconciliation
    assert fails.journal.ended_by == "lost"
    assert [each.trace_id for each in found.unexplained] == [f"{5:032x}"]
    assert found.hits == 3


def test_a_process_that_was_killed_by_a_hit_counts_it_whoever_saw_the_answer(pair: Pair) -> None:
    dies = pair.inject("payment-dies", seconds=3600.0)
    dies._evidence.events.append(SeenEvent("payment", f"{9:032x}", None, True, REFUSED.due + 1))
    dies._evidence.retries.add(f"{9:032x}")
    pair.leases.has_forgotten = True
    dies.close()
    assert dies.journal.holds
