"""What all tests of this room share."""

from collections.abc import Iterator

import pytest
import sentry_sdk


@pytest.fixture(autouse=True)
def own_scope() -> Iterator[None]:
    """Give a test a scope of its own: flags that it evaluates stay in it."""
    with sentry_sdk.isolation_scope():
        yield
