"""The store of a workshop: one SQLite file that several processes may share."""

import errno
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from kit.actionable import ActionableError
from kit.ingest.checkpoint import Checkpointer
from kit.ingest.encoding import IDENTITY, Encoded, decode, shrink
from kit.ingest.envelope import Envelope, Item, parse_item
from kit.ingest.members import sent_spans
from kit.ingest.retention import Deleted, Retention, Trimmer, transaction
from kit.private import private_file, private_folder

MAX_UNREAD_ITEMS = 10_000
# Items per answer, unless another limit is given.
MOST = 1000
# Stored items that wait_for() checks before it waits for new ones.
RECENT = 100
_BUSY_TIMEOUT_S = 10.0
_PAGE_BYTES = 4096
# Size of the write-ahead log; at this limit a writer waits until it is moved to the file.
_WAL_BYTES = 32 * 1024 * 1024
# A row adds this to the log: the pages of its table and indexes.
_LOG_ROW_BYTES = 6 * 1024
# At startup: what still exceeds the bounds then is deleted with later writes.
_OPEN_BUDGET_S = 1.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROWS = 1000  # per statement: SQLite accepts at most 32,766 values

# Each migration upgrades a file by one version. The columns of each table are in insertion order.
# ``project`` was added to ``items`` later, so that an index can have it; and ``encoding`` to
# ``envelopes``, so that bodies are stored as sent, which is much smaller.
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS envelopes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    received_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    envelope INTEGER NOT NULL REFERENCES envelopes ON DELETE CASCADE,
    type TEXT NOT NULL,
    event_id TEXT,
    "offset" INTEGER NOT NULL,
    length INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS traces (
    trace_id TEXT NOT NULL,
    item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    PRIMARY KEY (trace_id, item)
) WITHOUT ROWID;
ALTER TABLE items ADD COLUMN project TEXT NOT NULL DEFAULT '';
UPDATE items SET project = (SELECT project FROM envelopes WHERE id = envelope);
CREATE INDEX IF NOT EXISTS envelopes_by_age ON envelopes (received_at);
CREATE INDEX IF NOT EXISTS items_by_envelope ON items (envelope);
CREATE INDEX IF NOT EXISTS items_by_event ON items (event_id);
CREATE INDEX IF NOT EXISTS items_by_type ON items (type);
CREATE INDEX IF NOT EXISTS items_by_project ON items (project);
CREATE INDEX IF NOT EXISTS items_by_project_and_type ON items (project, type);
CREATE INDEX IF NOT EXISTS traces_by_item ON traces (item)
""",
    f"ALTER TABLE envelopes ADD COLUMN encoding TEXT NOT NULL DEFAULT '{IDENTITY}'",
)

_COLUMNS = """
SELECT items.id, items.project, items.type, items.event_id, received_at,
    (SELECT group_concat(trace_id) FROM traces WHERE item = items.id),
    item_data(items.envelope, encoding, body, "offset", length)
"""
_CONDITIONS = {
    "trace_id": "traces.trace_id = :trace_id",
    "type": "items.type = :type",
    "project": "items.project = :project",
    "event_id": "items.event_id = :event_id",
    "after": "items.id > :after",
}
# What to read for which conditions: the first entry whose names are all given. Each reads in the
# order of the answer, so that it reads no more than the answer has; only the items of one event or
# trace remain to be checked. CROSS JOIN and INDEXED BY force SQLite to do that: without statistics
# it guesses, and statistics of a store that grows and is trimmed are soon wrong.
_SOURCES: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"event_id", "trace_id"}),
        "items INDEXED BY items_by_event CROSS JOIN traces ON traces.item = items.id",
        "items.id",
    ),
    (frozenset({"event_id"}), "items INDEXED BY items_by_event", "items.id"),
    (
        frozenset({"trace_id"}),
        "traces CROSS JOIN items ON items.id = traces.item",
        "traces.item",
    ),
    (
        frozenset({"project", "type"}),
        "items INDEXED BY items_by_project_and_type",
        "items.id",
    ),
    (frozenset({"project"}), "items INDEXED BY items_by_project", "items.id"),
    (frozenset({"type"}), "items INDEXED BY items_by_type", "items.id"),
    (frozenset(), "items", "items.id"),
)

_COUNT_TYPES = """
SELECT type, count(*) FROM items CROSS JOIN envelopes ON envelopes.id = items.envelope
WHERE received_at >= :since GROUP BY type ORDER BY type
"""

_BODIES = """
SELECT encoding, body FROM items INDEXED BY items_by_project
CROSS JOIN envelopes ON envelopes.id = items.envelope
WHERE items.project = :project AND items.id > :after GROUP BY envelopes.id ORDER BY envelopes.id
"""


# Needs only the index.
_COUNT_BY_PROJECT = "SELECT project, type, count(*) FROM items GROUP BY project, type"


class StoreError(ActionableError):
    """The store cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class StoredItem:
    """One item of a stored envelope.

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

    @property
    def has_segment(self) -> bool:
        """Whether it contains a segment: the span that covers a whole request in a service.

        Streamed spans mark it; in older SDKs it is the transaction.
        """
        if self.type == "transaction":
            return True
        spans = sent_spans(self.payload) if self.type == "span" else []
        return any(isinstance(span, dict) and span.get("is_segment") is True for span in spans)


class Subscription:
    """Items as they are committed, in order; made by ``Store.subscribe``."""

    def __init__(self, trace_id: str | None) -> None:
        self._trace_id = trace_id
        self._ended = False
        self._items: queue.SimpleQueue[StoredItem | StoreError] = queue.SimpleQueue()

    def get(self, timeout: float) -> StoredItem:
        """Return the next item, waiting at most ``timeout`` seconds for it.

        Raises TimeoutError, or StoreError when the store was closed, ``MAX_UNREAD_ITEMS`` were left
        unread, or an item of the trace could not be written; others may still follow.
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
        # A profile has no trace: it covers everything that ran meanwhile.
        is_profile = item.type == "profile_chunk"
        return self._trace_id is None or is_profile or self._trace_id in item.trace_ids

    def _offer(self, item: StoredItem) -> None:
        if self._ended:
            return
        if self._items.qsize() < MAX_UNREAD_ITEMS:
            self._items.put(item)
        else:
            self._end(f"{MAX_UNREAD_ITEMS} items were left unread; continue with Store.items().")

    def _fail(self, error: StoreError) -> None:
        # A subscriber to all traces waits for no particular item.
        if self._trace_id is not None and not self._ended:
            self._items.put(error)

    def _end(self, reason: str) -> None:
        self._ended = True
        self._items.put(StoreError(reason))


class Received(NamedTuple):
    """An envelope and its project; ``at`` is in seconds since the epoch.

    ``sent`` is its body as received; the stored body decompresses to the same.
    """

    project: str
    envelope: Envelope
    at: float
    sent: Encoded


class Store:
    """The received items, in the SQLite file at ``path``, which processes may share.

    They are kept for ``keep`` while the file takes at most ``max_bytes``. Opening and each write
    delete what exceeds that, whole envelopes, oldest first. Raises StoreError when the file cannot
    be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep: timedelta = Retention.keep,
        max_bytes: int = Retention.max_bytes,
    ) -> None:
        self._prepare(path)
        with self._as_store_error("open"), ExitStack() as opened:
            private_folder(path.parent)
            private_file(path)  # SQLite's other files inherit the mode
            self._writer = opened.enter_context(closing(_connect(path)))
            self._reader = opened.enter_context(closing(_connect(path)))
            _add_functions(self._reader)
            _set_up(self._writer)
            self._trimmer = Trimmer(self._writer, Retention(keep, max_bytes))
            self._trimmer.trim(_OPEN_BUDGET_S)
            checkpointer = Checkpointer(_connect(path))
            self._checkpointer = opened.enter_context(closing(checkpointer))
            self._files = opened.pop_all()
        # Free space is reused, so failing to return it to the disk must not prevent a start.
        with suppress(sqlite3.Error):
            self._trimmer.compact()

    def _prepare(self, path: Path) -> None:
        self.path = path
        self._closed = False
        self._subscriptions: set[Subscription] = set()
        self._subscribing = threading.Lock()
        self._writing = threading.Lock()
        self._reading = threading.Lock()

    def write(self, batch: Sequence[Received]) -> None:
        """Store envelopes in one transaction; they are durable when this returns.

        Raises StoreError when none was stored.
        """
        with self._writing:
            if self._closed:
                raise StoreError("The store is closed.")
            try:
                with self._as_store_error("write to"), transaction(self._writer):
                    committed = _insert(self._writer, batch)
            except Exception as error:
                self._fail(batch, error)
                raise
            for received, ids in zip(batch, committed, strict=True):
                self._publish(received, ids)
            self._trim(batch)

    def items(
        self,
        *,
        trace_id: str | None = None,
        type: str | None = None,
        project: str | None = None,
        event_id: str | None = None,
        after: int | None = None,
        limit: int = MOST,
    ) -> list[StoredItem]:
        """Return the items that match everything given, newest first. Raises StoreError.

        ``after`` is the id that theirs are above.
        """
        given: dict[str, str | int | None] = {"trace_id": trace_id, "type": type}
        given |= {"project": project, "event_id": event_id, "after": after}
        wanted = {name: value for name, value in given.items() if value is not None}
        with self._as_store_error("read"), self._reading:
            rows = self._reader.execute(_select(wanted), wanted | {"limit": limit}).fetchall()
        return [_make_item(*row) for row in rows]

    def bodies(self, project: str, after: int = 0) -> list[bytes]:
        """Return the exact bytes of a project's envelopes, decompressed, oldest first.

        Only those with an item whose id is above ``after``. Raises StoreError.
        """
        given = {"project": project, "after": after}
        with self._as_store_error("read"), self._reading:
            rows = self._reader.execute(_BODIES, given).fetchall()
        return [decode(Encoded(*row)) for row in rows]

    def count_types(self, since: float = 0.0) -> dict[str, int]:
        """Return how many items of each type were received ``since`` a time. Raises StoreError."""
        with self._as_store_error("read"), self._reading:
            rows = self._reader.execute(_COUNT_TYPES, {"since": since}).fetchall()
        return dict(rows)

    def count_by_project(self) -> dict[str, dict[str, int]]:
        """Return how many items of each type each project has sent. Raises StoreError."""
        with self._as_store_error("read"), self._reading:
            rows = self._reader.execute(_COUNT_BY_PROJECT).fetchall()
        found: dict[str, dict[str, int]] = {}
        for project, kind, count in rows:
            found.setdefault(project, {})[kind] = count
        return found

    @property
    def deleted(self) -> Deleted:
        """How many envelopes this process has deleted since it opened the store, and why."""
        return self._trimmer.deleted

    @contextmanager
    def subscribe(self, trace_id: str | None = None) -> Iterator[Subscription]:
        """Inside the block, receive the items that this process stores, of a trace or all.

        A trace's items include all profile chunks, which name no trace.
        """
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
        type: str | None = None,
        project: str | None = None,
        what: str = "matching item",
    ) -> StoredItem:
        """Return the first stored or future item of the trace that satisfies ``predicate``.

        Without a trace, only the last ``RECENT`` stored items are checked; with ``type`` or
        ``project``, the last of those. Raises TimeoutError after ``timeout`` seconds; its message
        names ``what`` was expected and what arrived instead.
        """
        deadline = time.monotonic() + timeout
        seen: dict[int, str] = {}
        limit = RECENT if trace_id is None else MOST
        with self.subscribe(trace_id) as arrivals:
            stored = self.items(trace_id=trace_id, type=type, project=project, limit=limit)
            for item in _chain(stored, arrivals, deadline):
                if type not in (None, item.type) or project not in (None, item.project):
                    continue
                if predicate(item):
                    return item
                if trace_id is None or trace_id in item.trace_ids:
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

    def wait_for_segment(
        self, trace_id: str, timeout: float, project: str | None = None
    ) -> StoredItem:
        """Return the item with the service span of the trace, from ``project`` if given.

        Raises TimeoutError.
        """
        return self.wait_for(
            trace_id,
            lambda item: item.has_segment and project in (None, item.project),
            timeout,
            what=f"service span of {project}" if project else "service span",
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

    def _trim(self, batch: Sequence[Received]) -> None:
        if batch:
            size = sum(len(received.sent.data) for received in batch)
            rows = sum(1 + len(received.envelope.items) for received in batch)
            # The batch is stored anyway; the next one retries.
            with suppress(sqlite3.Error):
                self._trimmer.trim_after(size, rows, batch[0].at)
            self._checkpointer.note(size + rows * _LOG_ROW_BYTES)

    def _publish(self, received: Received, ids: range) -> None:
        with self._subscribing:
            subscriptions = list(self._subscriptions)
        for number, item in zip(ids, received.envelope.items, strict=True):
            if wanting := [each for each in subscriptions if each._wants(item)]:
                stored = _just_stored(number, item, received)
                for subscription in wanting:
                    subscription._offer(stored)

    def _fail(self, batch: Sequence[Received], error: Exception) -> None:
        """Fail the subscriptions that wait for something in a batch that was not stored."""
        reason = error if isinstance(error, StoreError) else StoreError(repr(error))
        items = [item for received in batch for item in received.envelope.items]
        with self._subscribing:
            for subscription in self._subscriptions:
                if any(map(subscription._wants, items)):
                    subscription._fail(reason)

    @contextmanager
    def _as_store_error(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"Cannot {verb} the store {self.path}: {error}. {_next_step(error)}"
            ) from error


class ReadOnlyStore(Store):
    """A store that is only read: nothing is written, trimmed or migrated.

    Another process may write to the file meanwhile. Its items can be read, but are not published
    here: ``wait_for`` only finds what is stored when it is called. Raises StoreError when the file
    at ``path`` is missing or has another version.
    """

    def __init__(self, path: Path) -> None:
        self._prepare(path)
        if not path.is_file():
            raise StoreError(_nothing_yet(path))
        with self._as_store_error("open"), ExitStack() as opened:
            self._reader = opened.enter_context(closing(_connect_read_only(path)))
            _add_functions(self._reader)
            _check_version(self._reader, path)
            self._files = opened.pop_all()

    def write(self, batch: Sequence[Received]) -> None:
        """Raise StoreError."""
        raise StoreError(f"The store {self.path} is read-only.")

    @property
    def deleted(self) -> Deleted:
        """Zero: this process deletes nothing."""
        return Deleted()


def _nothing_yet(path: Path) -> str:
    return (
        f"Nothing was captured yet: {path} does not exist, or is empty. Run workshop serve, or "
        "Workshop.start() in a notebook, trigger a crash, and try again."
    )


def _connect_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError when a file has another version."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    _reject_newer(version)
    if version == 0:
        raise StoreError(_nothing_yet(path))
    if version < len(_MIGRATIONS):
        raise StoreError(
            f"The store {path} was written by an older version of the workshop. Run workshop serve "
            "once to upgrade the file."
        )


def _next_step(error: sqlite3.Error | OSError) -> str:
    """Return what the user can do about an error."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _FULL:
        return "Free some disk space there, and try again."
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "Move the file away and start again to create a new one."
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
    # In WAL mode a killed process loses nothing; only a power failure can undo the last commits,
    # and it never damages the file.
    db.execute("PRAGMA synchronous = NORMAL")
    # Some builds overwrite deleted data with zeros, which takes several times as long.
    db.execute("PRAGMA secure_delete = OFF")
    return db


def _set_up(db: sqlite3.Connection) -> None:
    """Create the tables and indexes, or upgrade a file of an earlier version."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    with transaction(db):
        (version,) = db.execute("PRAGMA user_version").fetchone()
        _reject_newer(version)
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _reject_newer(version: int) -> None:
    if version > len(_MIGRATIONS):
        raise StoreError(
            "The store was written by a newer version of the workshop. Update this one, or set "
            "WORKSHOP_HOME to another folder."
        )


def _add_functions(db: sqlite3.Connection) -> None:
    """Define the SQL functions that ``items`` uses."""
    db.create_function("item_data", 5, _Bodies().item_data)


class _Bodies:
    """Decompressed bodies. Caches the last one: items of one envelope are read consecutively."""

    def __init__(self) -> None:
        self._envelope: int | None = None
        self._body = b""

    def item_data(
        self, envelope: int, encoding: str, sent: bytes, offset: int, length: int
    ) -> bytes:
        """Return the bytes of one item of an envelope."""
        if envelope != self._envelope:
            self._envelope, self._body = envelope, decode(Encoded(encoding, sent))
        return self._body[offset : offset + length]


def _select(given: Collection[str]) -> str:
    """Return the statement for items that match the given conditions, newest first."""
    tables, order = next(rest for needed, *rest in _SOURCES if needed.issubset(given))
    conditions = " AND ".join(_CONDITIONS[name] for name in given) or "true"
    return (
        f"{_COLUMNS} FROM {tables} CROSS JOIN envelopes ON envelopes.id = items.envelope "
        f"WHERE {conditions} ORDER BY {order} DESC LIMIT :limit"
    )


def _insert(db: sqlite3.Connection, batch: Sequence[Received]) -> list[range]:
    """Write envelopes, a statement for each table; return the ids of the items of each.

    Each statement releases the GIL and has to wait for it again.
    """
    ids = list(_number(batch, after=_last_id(db, "items")))
    envelopes = list(enumerate(batch, _last_id(db, "envelopes") + 1))
    bodies = ((n, r.project, r.at, shrink(r.sent)) for n, r in envelopes)
    _insert_rows(db, "envelopes", ((n, p, at, b.data, b.encoding) for n, p, at, b in bodies))
    items = [
        (number, envelope, received.project, item)
        for (envelope, received), numbers in zip(envelopes, ids, strict=True)
        for number, item in zip(numbers, received.envelope.items, strict=True)
    ]
    _insert_rows(
        db, "items", ((n, e, i.type, i.event_id, i.offset, i.length, p) for n, e, p, i in items)
    )
    _insert_rows(db, "traces", ((trace, n) for n, _, _, i in items for trace in i.trace_ids))
    return ids


def _number(batch: Sequence[Received], *, after: int) -> Iterator[range]:
    """Give each envelope the ids of its items."""
    for received in batch:
        first, after = after + 1, after + len(received.envelope.items)
        yield range(first, after + 1)


def _last_id(db: sqlite3.Connection, table: str) -> int:
    """Return the highest id that a table has assigned; another process may assign more."""
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
    return _make_item(
        number, received.project, item.type, item.event_id, received.at, traces, item.data
    )


def _make_item(
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
    """Yield the stored items, oldest first, then new ones until the deadline."""
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
