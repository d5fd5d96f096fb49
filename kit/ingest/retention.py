"""Retention: how old and how large the store may get, and deleting what exceeds that."""

import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, TypeVar

from kit.actionable import ActionableError

MB = 1_000_000
DAYS, MEGABYTES = "WORKSHOP_STORE_DAYS", "WORKSHOP_STORE_MB"
# Several times the largest request.
MIN_MEGABYTES = 50
# Deleted in one go when the size is exceeded.
LEFT = 0.9

_STEP = 16  # envelopes, about a millisecond
# How long deletions may delay a write while the size is within its bound.
_BUDGET_S = 0.003
# Measuring costs a statement, so it is done at most after this many bytes.
_MEASURE_BYTES = 1 * MB
_ROW_BYTES = 500  # per envelope or item in tables and indexes, without the body

_USED_BYTES = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""
_DELETE_EXPIRED = """
DELETE FROM envelopes WHERE id IN (
    SELECT id FROM envelopes WHERE received_at < ? ORDER BY received_at LIMIT ?)
"""
# The newest envelope stays, however large it is.
_DELETE_OLDEST = """
DELETE FROM envelopes WHERE id IN (
    SELECT id FROM envelopes WHERE id < (SELECT max(id) FROM envelopes) ORDER BY id LIMIT ?)
"""

_Number = TypeVar("_Number", int, float)


class SettingError(ActionableError, ValueError):
    """An environment variable has an invalid value; the message says what is valid."""


@dataclass(frozen=True)
class Retention:
    """What a store keeps: envelopes up to ``keep`` old, in at most ``max_bytes`` of its file.

    Deleted envelopes leave free space in the file for new ones, so the file itself does not shrink
    until a store is opened in which most space is free.
    """

    keep: timedelta = timedelta(days=7)
    max_bytes: int = 500 * MB

    def describe(self, deleted: "Deleted") -> str:
        """Return what was deleted, why, and which settings control that."""
        days = f"{self.keep / timedelta(days=1):g}"
        reasons = {
            f"older than {days} day{'' if days == '1' else 's'} ({DAYS})": deleted.expired,
            f"over {self.max_bytes / MB:g} MB ({MEGABYTES})": deleted.over_size,
        }
        said = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        return f"deleted the oldest envelopes: {', '.join(said)}"

    @classmethod
    def from_environment(cls) -> "Retention":
        """Read ``WORKSHOP_STORE_DAYS`` and ``WORKSHOP_STORE_MB``. Raises SettingError."""
        days = _setting(DAYS, float, cls.keep / timedelta(days=1), 0.001, "a number of days")
        megabytes = _setting(
            MEGABYTES, int, cls.max_bytes // MB, MIN_MEGABYTES, "a whole number of megabytes"
        )
        return cls(timedelta(days=min(days, timedelta.max.days)), megabytes * MB)


def _setting(
    name: str, parse: Callable[[str], _Number], default: _Number, least: _Number, what: str
) -> _Number:
    """Return the value of an environment variable, or ``default`` when it is unset or empty."""
    given = os.environ.get(name, "").strip()
    if not given:
        return default
    try:
        value = parse(given)
    except ValueError:
        value = parse("0")
    if not least <= value < math.inf:
        raise SettingError(
            f"{name} is {given!r}; it must be {what}, at least {least}. Correct it, or unset it."
        )
    return value


class Deleted(NamedTuple):
    """How many envelopes a store has deleted since it was opened, by reason."""

    expired: int = 0
    over_size: int = 0


class Trimmer:
    """Deletes the oldest envelopes of a database as they expire, or as its size is exceeded.

    It uses small transactions, so that other processes can write to the file in between. The caller
    must ensure that nothing else uses the connection meanwhile.
    """

    def __init__(self, db: sqlite3.Connection, retention: Retention) -> None:
        self.deleted = Deleted()
        self._db = db
        self._keep_s = retention.keep.total_seconds()
        self._max_bytes = retention.max_bytes
        self._measure_bytes = min(_MEASURE_BYTES, retention.max_bytes // 100)
        # Writes between two measurements need room.
        self._start_bytes = retention.max_bytes - 2 * self._measure_bytes
        self._unmeasured = 0
        self._shrinking = False
        self._oldest = math.inf

    def trim(self, budget_s: float) -> None:
        """Delete what exceeds the bounds, for about ``budget_s`` seconds. Raises sqlite3.Error."""
        deadline = time.monotonic() + budget_s

        def has_time() -> bool:
            return time.monotonic() < deadline

        self._delete_expired(has_time)
        self._delete_oldest(has_time)

    def trim_after(self, written_bytes: int, rows: int, oldest: float) -> None:
        """Delete what exceeds the bounds after a write, without delaying the next one much.

        ``rows`` counts the envelopes and items written; ``oldest`` is the time at which the first
        of them was received. Raises sqlite3.Error.
        """
        self._oldest = min(self._oldest, oldest)
        self._unmeasured += written_bytes + rows * _ROW_BYTES
        is_due = self._unmeasured > self._measure_bytes or self._shrinking
        if is_due or self._oldest < time.time() - self._keep_s:
            self.trim(_BUDGET_S)

    def _delete_oldest(self, has_time: Callable[[], bool]) -> None:
        used, written = self.used_bytes, self._unmeasured
        self._unmeasured = 0
        self._shrinking = self._shrinking or used > self._start_bytes
        # More than was written, however long it takes: otherwise fast writers would outrun it.
        at_most = used - 2 * written
        while self._shrinking and (used > at_most or has_time()):
            count = self._delete(_DELETE_OLDEST, _STEP)
            self.deleted = self.deleted._replace(over_size=self.deleted.over_size + count)
            used = self.used_bytes
            self._shrinking = count > 0 and used > LEFT * self._max_bytes

    def _delete_expired(self, has_time: Callable[[], bool]) -> None:
        before = time.time() - self._keep_s
        while self._is_older(before):
            count = self._delete(_DELETE_EXPIRED, before, _STEP)
            self.deleted = self.deleted._replace(expired=self.deleted.expired + count)
            if not has_time():
                break

    def _is_older(self, than: float) -> bool:
        (oldest,) = self._db.execute("SELECT min(received_at) FROM envelopes").fetchone()
        self._oldest = math.inf if oldest is None else oldest
        return self._oldest < than

    def _delete(self, statement: str, *values: float) -> int:
        with transaction(self._db):
            return self._db.execute(statement, values).rowcount

    @property
    def used_bytes(self) -> int:
        """The size of the database without its free pages."""
        (used,) = self._db.execute(_USED_BYTES).fetchone()
        return int(used)

    def compact(self) -> None:
        """Return free space to the disk when it is most of the file. Raises sqlite3.Error.

        It rewrites the used part, at most a quarter of the file. SQLite's incremental vacuum works
        page by page, and takes half a minute for a hundred thousand.
        """
        (size,) = self._db.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
        if self.used_bytes * 4 < size:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit the block's changes at its end, or none of them."""
    # IMMEDIATE waits for other processes here, where waiting is possible: a transaction that
    # changes from reading to writing cannot wait.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        # SQLite itself rolls back after some errors, such as a full disk.
        if db.in_transaction:
            db.execute("ROLLBACK")
