"""Notifications as Sentry's webhooks: signed by the sender, checked by the receiver."""
