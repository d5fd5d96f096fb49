"""Real clients of the SDK that send to a real ingest, for views of what arrives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk

from kit.system.clients import open_client, use_client
from tests.ingest.sending import PATIENCE_S


@contextmanager
def client_of(dsn: str, **options: Any) -> Iterator[sentry_sdk.Client]:
    """Report to a DSN from this thread; at the end all is sent that the client holds."""
    client = open_client(dsn=dsn, **options)
    with use_client(client):
        yield client
    client.close(timeout=PATIENCE_S)
