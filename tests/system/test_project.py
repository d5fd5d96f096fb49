"""The page of a service of the workshop itself, from what the running system sent."""

import pytest

from demo_services.services import ANALYTICS, GATEWAY, PAYMENT
from kit.crashes.catalogue import variants
from kit.outcome import Event
from kit.workshop import Workshop
from tests.views.picture import Picture

pytestmark = pytest.mark.system

DEADLINE_S = 30.0


@pytest.mark.slow
def test_a_service_has_a_page_with_its_metrics(workshop: Workshop) -> None:
    if reason := workshop.unavailable(variants("payment/crash")[0]):
        pytest.skip(reason)
    workshop.spin()
    workshop.store.wait_for(
        None, lambda item: True, DEADLINE_S, type="trace_metric", project=PAYMENT.name
    )
    page = workshop.project(PAYMENT.name)
    picture = Picture(page._repr_html_())
    (booked,) = [metric for metric in page.metrics if metric.name == "payment.booked"]
    assert (booked.type, booked.service) == ("counter", PAYMENT.name)
    assert "kind" in booked.attributes
    (row,) = [row for row in picture.cells if row[0].startswith("payment.booked")]
    assert row[3] == booked.figures == f"sum {len(booked.points)}"
    for heading in ("Traces", "Logs", "Metrics"):
        assert heading in picture.words


def test_a_service_that_crashed_has_its_errors_as_cards(workshop: Workshop) -> None:
    outcome = workshop.trigger("gateway/panic")
    page = workshop.project(GATEWAY.name)
    assert outcome.event is not None
    assert outcome.event["event_id"] in [event["event_id"] for event in page.events]
    assert isinstance(page.events[0], Event)
    title = outcome.event.title
    assert any(row[0].startswith(title) for row in Picture(page._repr_html_()).cells)
    assert title not in [error.title for error in workshop.project(ANALYTICS.name).errors]
