"""A program of raven, the SDK for Python until 2018: a message, then an error it captures."""

import logging
import os

import raven
from shop import order

logging.basicConfig()


def main() -> None:
    client = raven.Client(os.environ["SENTRY_DSN"], release="1.4.2", environment="production")
    client.tags_context({"shop.till": "north"})
    client.user_context({"id": "7"})
    raven.breadcrumbs.record(category="cart", message="tea into the cart", level="info")
    client.captureMessage("Tea is running low", level="warning")
    try:
        order("tea")
    except Exception:
        client.captureException()


if __name__ == "__main__":
    main()
