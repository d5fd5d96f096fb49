"""A program of any version of sentry-sdk: a message, then an error that nothing catches."""

import os

import sentry_sdk

PRICES = {"tea": "4,20"}


class OrderError(Exception):
    pass


def price(article: str) -> float:
    return float(PRICES[article])


def order(article: str) -> float:
    try:
        return price(article)
    except ValueError as error:
        raise OrderError(f"{article} cannot be ordered") from error


def main() -> None:
    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], release="shop@1.4.2", environment="production")
    sentry_sdk.set_tag("shop.till", "north")
    sentry_sdk.set_user({"id": "7"})
    sentry_sdk.add_breadcrumb(category="cart", message="tea into the cart", level="info")
    sentry_sdk.capture_message("Tea is running low", level="warning")
    order("tea")


if __name__ == "__main__":
    main()
