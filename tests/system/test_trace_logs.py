"""What the services log and count, found by its trace."""

import re
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from demo_services.services import ANALYTICS, FRONTEND, GAME_ENGINE, GATEWAY, PAYMENT
from demo_services.trace import start_span
from kit.crashes.catalogue import variants
from kit.outcome import TraceLogs
from kit.workshop import Workshop

pytestmark = pytest.mark.system

Spin = Callable[[int], TraceLogs]


@pytest.fixture
def spin(workshop: Workshop) -> Spin:
    """Play a spin of a new player for a bet, and return what was logged in its trace."""
    player = f"log-{uuid.uuid4().hex[:8]}"

    def spin(bet: int) -> TraceLogs:
        with workshop.reporting(), start_span(op="ui.action.click", name="spin") as click:
            workshop._gateway.spin(player, bet)
        return workshop.trace_logs(click.trace_id)

    return spin


def metrics(workshop: Workshop, trace_id: str) -> Counter[str]:
    """Return how often each metric of a trace was sent."""
    items = workshop.store.items(trace_id=trace_id, type="trace_metric")
    sent = [each for item in items for each in item.payload["items"]]
    return Counter(each["name"] for each in sent if each["trace_id"] == trace_id)


def test_all_services_log_a_spin_in_its_trace(workshop: Workshop, spin: Spin) -> None:
    logs = spin(10)
    expected = {GATEWAY.name: 1, GAME_ENGINE.name: 3, FRONTEND.name: 1}
    if not workshop.unavailable(variants("payment/crash")[0]):
        (stopped,) = [entry for entry in logs if "stopped" in entry.message]
        # The charge, and the payout of a win.
        expected[PAYMENT.name] = 1 if stopped.message.endswith("win 0") else 2
    if not workshop.unavailable(variants("analytics/crash")[0]):
        expected[ANALYTICS.name] = 2
    assert Counter(entry.service for entry in logs) == expected


@pytest.mark.slow
def test_no_line_is_missed(workshop: Workshop, spin: Spin) -> None:
    # The payment service sends its logs by itself, a moment after its answer.
    for _ in range(20):
        test_all_services_log_a_spin_in_its_trace(workshop, spin)


def test_only_our_own_lines_are_logged(workshop: Workshop) -> None:
    outcome = workshop.trigger("game-engine/async-error")
    workshop.flush()
    for item in workshop.store.items(trace_id=outcome.trace_id, type="log"):
        for each in item.payload["items"]:
            assert "logger.name" not in each["attributes"], each["body"]


def test_a_log_names_the_span_that_was_open(workshop: Workshop) -> None:
    outcome = workshop.trigger("game-engine/error", type="value")
    logs = workshop.trace_logs(outcome.trace_id)
    spans = {span.id: span for span in outcome.trace}
    (charged,) = [entry for entry in logs if "charged" in entry.message]
    assert spans[charged.span_id].op == "game.charge"
    assert charged.given["spin.id"]


def test_an_expected_refusal_is_logged_and_counted_and_is_no_event(
    workshop: Workshop, spin: Spin
) -> None:
    logs = spin(10_000)
    refused = [entry for entry in logs if entry.message == "refused: bet-too-high"]
    assert [entry.service for entry in refused] == [GAME_ENGINE.name]
    assert metrics(workshop, logs.trace_id)["requests.refused"] == 1
    assert not workshop.store.items(trace_id=logs.trace_id, type="event")


def test_a_spin_counts_itself(workshop: Workshop, spin: Spin) -> None:
    counted = metrics(workshop, spin(10).trace_id)
    assert counted["game.spins"] == 1
    assert counted["gateway.answer_time"] == 1
    assert counted["gateway.requests_in_flight"] == 1


def test_the_explorer_can_be_linked_to(workshop: Workshop, spin: Spin) -> None:
    logs = spin(10)
    assert f'id="logs-{logs.trace_id}"' in logs._repr_html_()
    assert "bets 10" in logs._repr_html_()
    assert f"{len(logs)} lines" in repr(logs)


def test_a_trace_is_shown_by_its_id_with_what_is_not_drawn(workshop: Workshop, spin: Spin) -> None:
    trace = workshop.trace(spin(10).trace_id)
    assert {GATEWAY.name, GAME_ENGINE.name} <= {span.service for span in trace.segments}
    html = trace._repr_html_()
    assert f'id="trace-{trace.trace_id}"' in html
    assert re.search(r"not drawn: \d+ log items?, \d+ trace_metric items?<", html)
    assert "No span of this trace" in workshop.trace(uuid.uuid4().hex)._repr_html_()


def test_a_trace_without_logs_is_empty(workshop: Workshop) -> None:
    logs = workshop.trace_logs(uuid.uuid4().hex)
    assert logs == []
    assert "No log of this trace has arrived." in logs._repr_html_()
