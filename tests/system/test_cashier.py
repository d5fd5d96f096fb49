"""The game engine moves the money of a spin through the payment service."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from kit import Workshop, WorkshopError
from kit.course.exercises.tracing import wait_for_entry, whole_trace
from kit.reading.spans import spans

DEADLINE_S = 25.0


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A busy machine may take its time to start the payment service again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEADLINE_S", str(DEADLINE_S))
        patch.setattr("demo_services.game_engine.cashier.RETRY_S", DEADLINE_S)
        yield


def balance(workshop: Workshop, player: str) -> int:
    url = f"{workshop.url()}/api/v1/payment/balance/{player}"
    found: int = httpx.get(url, trust_env=False, timeout=DEADLINE_S).json()["balance"]
    return found


def test_a_spin_charges_and_pays_through_the_payment_service(workshop: Workshop) -> None:
    start = balance(workshop, "grace")
    played = [workshop.spin(player="grace", bet=10) for _ in range(5)]
    moved = sum(spin["win"] - spin["bet"] for spin in played)
    assert played[-1]["balance"] == balance(workshop, "grace") == start + moved


def test_nobody_bets_more_than_the_payment_service_says(workshop: Workshop) -> None:
    url = f"{workshop.url()}/api/v1/payment/charge"
    rest = {"player": "alan", "amount": balance(workshop, "alan") - 5, "spin_id": "rent"}
    answer = httpx.post(url, json=rest, trust_env=False, timeout=DEADLINE_S)
    assert answer.status_code == 200
    with pytest.raises(WorkshopError, match="HTTP 409"):
        workshop.spin(player="alan", bet=10)


def test_a_spin_is_one_trace_through_both_languages(workshop: Workshop) -> None:
    workshop.spin(player="joan", bet=10)
    (trace_id,) = wait_for_entry(workshop.store, "joan").trace_ids
    found = spans(whole_trace(workshop.store, trace_id))
    by_id = {span.id: span for span in found}

    def ancestors(span: Any) -> list[str]:
        path = [span.service]
        while span := by_id.get(span.parent_id):
            path.append(span.service)
        return list(dict.fromkeys(path))

    charge = next(span for span in found if span.op == "payment.charge")
    assert ancestors(charge) == ["payment", "game-engine", "gateway", "frontend"]


def test_a_spin_outlives_the_death_of_the_payment_service(workshop: Workshop) -> None:
    with ThreadPoolExecutor(1) as pool:
        dying = pool.submit(workshop.trigger, "payment/crash")
        assert workshop.spin(player="ida", bet=1)["bet"] == 1
        while not dying.done():
            assert workshop.spin(player="ida", bet=1)["bet"] == 1
    assert dying.result().process_exit
