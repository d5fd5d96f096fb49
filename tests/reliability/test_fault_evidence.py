"""What is read of the store while a fault is on: all that is new, and little else."""

from collections.abc import Callable
from typing import Any

import pytest

from kit.ingest.store import Store, StoredItem
from kit.reliability.faults.evidence import FEW, Evidence
from tests.ingest.sending import error, new_id, store_away

MANY = 60


@pytest.fixture
def read(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items of events each reading of the store had."""
    counts: list[int] = []
    items: Callable[..., list[StoredItem]] = store.items

    def count(**given: Any) -> list[StoredItem]:
        found = items(**given)
        if given["type"] == "event":
            counts.append(len(found))
        return found

    monkeypatch.setattr(store, "items", count)
    return counts


def send_errors(store: Store, count: int) -> list[str]:
    trace_ids = [new_id() for _ in range(count)]
    store_away(store, *map(error, trace_ids))
    return trace_ids


def test_a_store_with_much_in_it_is_not_read_again_and_again(store: Store, read: list[int]) -> None:
    send_errors(store, MANY)
    evidence = Evidence(store, "payment-fails")
    assert read == [1]
    for number in range(3):
        evidence.read_store()
        trace_ids = send_errors(store, 3)
        evidence.read_store()
        assert [each.trace_id for each in evidence.events[3 * number :]] == trace_ids
    assert read[1:] == [FEW] * 6
    assert FEW < MANY / 4


@pytest.mark.parametrize("count", [FEW - 1, FEW, FEW + 1, MANY])
def test_all_that_arrived_meanwhile_is_read_once_and_in_order(store: Store, count: int) -> None:
    send_errors(store, FEW)
    evidence = Evidence(store, "payment-fails")
    trace_ids = send_errors(store, count)
    evidence.read_store()
    evidence.read_store()
    assert [each.trace_id for each in evidence.events] == trace_ids
