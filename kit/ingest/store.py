"""The events of a workshop, in one SQLite file that several processes may share."""

import errno
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from kit.actionable import ActionableError
from kit.ingest.envelope import Envelope, Item, parse_item
from kit.private import private_file, private_folder

MAX_UNREAD_ITEMS = 10_000
_BUSY_TIMEOUT_S = 10.0
_PAGE_BYTES = 4096
# Moving what was written from the log to the file waits for the disk: rarely, and much at once.
_WAL_BYTES = 32 * 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROWS = 1000  # of one statement: SQLite takes at most 32,766 values in it

_SCHEMA = """
CREATE TABLE IF NOT EXISTS envelopes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    received_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS envelopes_by_age ON envelopes (received_at);
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    envelope INTEGER NOT NULL REFERENCES envelopes ON DELETE CASCADE,
    type TEXT NOT NULL,
    event_id TEXT,
    "offset" INTEGER NOT NULL,
    length INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_envelope ON items (envelope);
CREATE INDEX IF NOT EXISTS items_by_event ON items (event_id);
CREATE TABLE IF NOT EXISTS traces (
    trace_id TEXT NOT NULL,
    item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    PRIMARY KEY (trace_id, item)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS traces_by_item ON traces (item);
"""

_SELECT = """
SELECT items.id, project, type, event_id, received_at,
    (SELECT group_concat(trace_id) FROM traces WHERE item = items.id),
    substr(body, "offset" + 1, length)
FROM items JOIN envelopes ON envelopes.id = items.envelope
WHERE (:trace_id IS NULL OR items.id IN (SELECT item FROM traces WHERE trace_id = :trace_id))
    AND (:type IS NULL OR type = :type)
    AND (:project IS NULL OR project = :project)
    AND (:event_id IS NULL OR event_id = :event_id)
ORDER BY items.id DESC LIMIT :limit
"""


class StoreError(ActionableError):
    """The store cannot take or give items; the message says why and what to do."""


@dataclass(frozen=True)
class StoredItem:
    """One item of an envelope that is stored.

    ``payload`` is an object for the types in ``kit.ingest.envelope.JSON_TYPES`` and bytes for all
    others. ``received_at`` is in seconds since the epoch.
    """

    id: int
    project: str
    type: str
    event_id: str | None
    trace_ids: frozenset[str]
    received_at: float
    headers: dict[str, Any]
    payload: Any


class Subscription:
    """Items as they are committed, in order; made by ``Store.subscribe``."""

    def __init__(self, trace_id: str | None) -> None:
        self._trace_id = trace_id
        self._ended = False
        self._items: queue.SimpleQueue[StoredItem | StoreError] = queue.SimpleQueue()

    def get(self, timeout: float) -> StoredItem:
        """Return the next item, waiting at most ``timeout`` seconds for it.

        Raises TimeoutError, or StoreError when the store was closed, ``MAX_UNREAD_ITEMS`` were
        left unread, or an item of the trace could not be written; others of it may still come.
        """
        try:
            item = self._items.get(timeout=max(timeout, 0))
        except queue.Empty:
            raise TimeoutError(f"No item arrived within {timeout:g} s.") from None
        if isinstance(item, StoreError):
            if self._ended:
                self._items.put(item)
            raise item
        return item

    def _wants(self, item: Item) -> bool:
        return self._trace_id is None or self._trace_id in item.trace_ids

    def _offer(self, item: StoredItem) -> None:
        if self._ended:
            return
        if self._items.qsize() < MAX_UNREAD_ITEMS:
            self._items.put(item)
        else:
            self._end(f"{MAX_UNREAD_ITEMS} items were left unread; read on with Store.items().")

    def _fail(self, error: StoreError) -> None:
        # Who follows all traces sees what comes, and waits for nothing that does not.
        if self._trace_id is not None and not self._ended:
            self._items.put(error)

    def _end(self, reason: str) -> None:
        self._ended = True
        self._items.put(StoreError(reason))


class Received(NamedTuple):
    """An envelope and the project that it is for; ``at`` is in seconds since the epoch."""

    project: str
    envelope: Envelope
    at: float


class Store:
    """The items that were received, kept for ``keep`` in the SQLite file at ``path``.

    Raises StoreError when the file cannot be opened for writing.
    """

    def __init__(self, path: Path, *, keep: timedelta = timedelta(days=7)) -> None:
        self.path = path
        self._closed = False
        self._subscriptions: set[Subscription] = set()
        self._subscribing = threading.Lock()
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        with self._explained("open"), ExitStack() as opened:
            private_folder(path.parent)
            private_file(path)  # SQLite's other files get the same mode
            self._writer = opened.enter_context(closing(_connect(path)))
            self._reader = opened.enter_context(closing(_connect(path)))
            _set_up(self._writer)
            _delete_before(self._writer, time.time() - keep.total_seconds())
            self._files = opened.pop_all()

    def write(self, batch: Sequence[Received]) -> None:
        """Store envelopes in one transaction; they are durable when this returns.

        Raises StoreError when none of them is.
        """
        with self._writing:
            if self._closed:
                raise StoreError("The store is closed.")
            try:
                with self._explained("write to"), _transaction(self._writer):
                    committed = _insert(self._writer, batch)
            except Exception as error:
                self._fail(batch, error)
                raise
            for received, ids in zip(batch, committed, strict=True):
                self._publish(received, ids)

    def items(
        self,
        *,
        trace_id: str | None = None,
        type: str | None = None,
        project: str | None = None,
        event_id: str | None = None,
        limit: int = 1000,
    ) -> list[StoredItem]:
        """Return the items that match everything given, newest first. Raises StoreError."""
        wanted = {
            "trace_id": trace_id,
            "type": type,
            "project": project,
            "event_id": event_id,
            "limit": limit,
        }
        with self._explained("read"), self._reading:
            rows = self._reader.execute(_SELECT, wanted).fetchall()
        return [_stored(*row) for row in rows]

    @contextmanager
    def subscribe(self, trace_id: str | None = None) -> Iterator[Subscription]:
        """Inside the block, receive the items of a trace, or all, that this process stores."""
        subscription = Subscription(trace_id)
        with self._subscribing:
            self._subscriptions.add(subscription)
            if self._closed:
                subscription._end("The store is closed.")
        try:
            yield subscription
        finally:
            with self._subscribing:
                self._subscriptions.discard(subscription)

    def wait_for(
        self,
        trace_id: str | None,
        predicate: Callable[[StoredItem], bool],
        timeout: float,
        *,
        what: str = "matching item",
    ) -> StoredItem:
        """Return the first item of the trace that satisfies ``predicate``, stored or to come.

        Raises TimeoutError after ``timeout`` seconds, with ``what`` was waited for and what
        arrived instead.
        """
        deadline = time.monotonic() + timeout
        seen: dict[int, str] = {}
        with self.subscribe(trace_id) as arrivals:
            for item in _chain(self.items(trace_id=trace_id), arrivals, deadline):
                if predicate(item):
                    return item
                seen[item.id] = f"{item.type} from {item.project}"
        raise TimeoutError(
            f"No {what} {f'of trace {trace_id} ' if trace_id else ''}arrived within {timeout:g} s; "
            f"arrived: {_tally(seen.values())}."
        )

    def wait_for_error(self, trace_id: str, timeout: float) -> StoredItem:
        """Return the first error event of the trace. Raises TimeoutError."""
        return self.wait_for(
            trace_id, lambda item: item.type == "event", timeout, what="error event"
        )

    def wait_for_transaction(
        self, trace_id: str, timeout: float, project: str | None = None
    ) -> StoredItem:
        """Return the first transaction of the trace, from ``project`` if given.

        Raises TimeoutError.
        """
        return self.wait_for(
            trace_id,
            lambda item: item.type == "transaction" and project in (None, item.project),
            timeout,
            what=f"transaction from {project}" if project else "transaction",
        )

    def close(self) -> None:
        """Close the file. Closing again does nothing."""
        with self._writing:
            self._closed = True
        with self._subscribing:
            for subscription in self._subscriptions:
                subscription._end("The store is closed.")
        with self._reading:
            self._files.close()

    def _publish(self, received: Received, ids: range) -> None:
        with self._subscribing:
            subscriptions = list(self._subscriptions)
        for number, item in zip(ids, received.envelope.items, strict=True):
            if wanting := [each for each in subscriptions if each._wants(item)]:
                stored = _just_stored(number, item, received)
                for subscription in wanting:
                    subscription._offer(stored)

    def _fail(self, batch: Sequence[Received], error: Exception) -> None:
        """Tell those who wait for something in a batch that it will not come."""
        reason = error if isinstance(error, StoreError) else StoreError(repr(error))
        items = [item for received in batch for item in received.envelope.items]
        with self._subscribing:
            for subscription in self._subscriptions:
                if any(map(subscription._wants, items)):
                    subscription._fail(reason)

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"Cannot {verb} the store {self.path}: {error}. {_remedy(error)}"
            ) from error


def _remedy(error: sqlite3.Error | OSError) -> str:
    """Return the next step."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _FULL:
        return "Free some disk space there, and try again."
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "Move the file away and start again; a new one is made."
    if isinstance(error, OSError):
        return "Set WORKSHOP_HOME to a folder that you can write to, and start again."
    return (
        "Free some disk space there, or set WORKSHOP_HOME to a folder that you can write to, "
        "and start again."
    )


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_BYTES // _PAGE_BYTES}")
    # In WAL mode this loses nothing when a process is killed; only a power cut can undo the
    # last commits, and never harms the file.
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _set_up(db: sqlite3.Connection) -> None:
    # Only an empty file takes this; it lets the file shrink when old envelopes are deleted.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    with _transaction(db):
        for statement in _SCHEMA.split(";"):
            db.execute(statement)


def _delete_before(db: sqlite3.Connection, moment: float) -> None:
    db.execute("DELETE FROM envelopes WHERE received_at < ?", (moment,))
    # execute() would stop after the first of the free pages.
    db.executescript("PRAGMA incremental_vacuum")


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE waits for other processes here, where waiting is possible: a transaction that
    # turns from reading to writing cannot wait.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        # SQLite itself rolls back after some errors, such as a full disk.
        if db.in_transaction:
            db.execute("ROLLBACK")


def _insert(db: sqlite3.Connection, batch: Sequence[Received]) -> list[range]:
    """Write envelopes, a statement for each table; return the ids of the items of each.

    Each statement hands the interpreter over to other threads and has to wait for it again.
    """
    ids = list(_number(batch, after=_last_id(db, "items")))
    envelopes = list(enumerate(batch, _last_id(db, "envelopes") + 1))
    _insert_rows(db, "envelopes", ((n, r.project, r.at, r.envelope.body) for n, r in envelopes))
    items = [
        (number, envelope, item)
        for (envelope, received), numbers in zip(envelopes, ids, strict=True)
        for number, item in zip(numbers, received.envelope.items, strict=True)
    ]
    _insert_rows(db, "items", ((n, e, i.type, i.event_id, i.offset, i.length) for n, e, i in items))
    _insert_rows(db, "traces", ((trace, n) for n, _, i in items for trace in i.trace_ids))
    return ids


def _number(batch: Sequence[Received], *, after: int) -> Iterator[range]:
    """Give each envelope the ids of its items."""
    for received in batch:
        first, after = after + 1, after + len(received.envelope.items)
        yield range(first, after + 1)


def _last_id(db: sqlite3.Connection, table: str) -> int:
    """Return the highest id that a table has given out; another process may have since."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return row[0] if row else 0


def _insert_rows(db: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS)):
        row = f"({', '.join('?' * len(some[0]))})"
        values = ", ".join([row] * len(some))
        db.execute(f"INSERT INTO {table} VALUES {values}", list(chain.from_iterable(some)))  # noqa: S608


def _just_stored(number: int, item: Item, received: Received) -> StoredItem:
    traces = ",".join(item.trace_ids)
    return _stored(
        number, received.project, item.type, item.event_id, received.at, traces, item.data
    )


def _stored(
    number: int,
    project: str,
    kind: str,
    event_id: str | None,
    received_at: float,
    trace_ids: str | None,
    data: bytes,
) -> StoredItem:
    headers, payload = parse_item(data)
    return StoredItem(
        id=number,
        project=project,
        type=kind,
        event_id=event_id,
        trace_ids=frozenset(trace_ids.split(",") if trace_ids else ()),
        received_at=received_at,
        headers=headers,
        payload=payload,
    )


def _chain(
    stored: list[StoredItem], arrivals: Subscription, deadline: float
) -> Iterator[StoredItem]:
    """Yield what is stored, the oldest first, then what arrives until the deadline."""
    yield from reversed(stored)
    while True:
        try:
            item = arrivals.get(deadline - time.monotonic())
        except TimeoutError:
            return
        yield item


def _tally(labels: Iterable[str]) -> str:
    counted = Counter(labels).items()
    return ", ".join(f"{count} {label}" for label, count in counted) or "nothing"
