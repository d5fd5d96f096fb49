"""What cannot be injected, and why."""

import pytest

from kit.actionable import WorkshopError
from kit.reliability.faults.catalogue import UnknownFault
from kit.workshop import Workshop


def test_what_cannot_be_injected_says_why(workshop: Workshop) -> None:
    with pytest.raises(UnknownFault, match="mongo-slow"):
        workshop.inject("mongo-slo")
    with pytest.raises(WorkshopError, match="seconds must be"):
        workshop.inject("clock-skew", seconds=601)
    with pytest.raises(WorkshopError, match="share must be"):
        workshop.inject("clock-skew", share=1.5)
    with pytest.raises(WorkshopError, match="evaluated by game-engine"):
        workshop.inject("clock-skew", service="payment")
    with pytest.raises(WorkshopError, match="No service 'shop'"):
        workshop.inject("no-op", service="shop")
