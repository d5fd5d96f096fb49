"""Notifications as Sentry's webhooks: signed by who sends them, checked by who receives them."""
