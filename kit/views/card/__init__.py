"""The event card: one captured event as static HTML."""

from kit.views.card.event import event_card

__all__ = ["event_card"]
