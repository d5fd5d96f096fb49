"""Waiting for a database that died."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kit.hosting.database import Database

DEADLINE_S = 60.0


@contextmanager
def not_replaced(database: Database) -> Iterator[None]:
    """No other program takes the place of one that dies inside the block: its lack can be seen."""
    with database._changed:
        yield


def noticed(database: Database) -> None:
    """Wait until the death of the program was noticed."""
    deadline = time.monotonic() + DEADLINE_S
    while database.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
