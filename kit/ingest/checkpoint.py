"""Moves what was written from a database's log to its file."""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress

from kit.threads import report_thread_failure

# Rarely, and a lot at once: it waits for the disk.
_EVERY_BYTES = 16 * 1024 * 1024


class Checkpointer:
    """Runs checkpoints in a separate thread, so that writers do not wait for the disk.

    If it cannot keep up, SQLite checkpoints itself when the log reaches its limit. ``db`` is a
    connection that nothing else uses; closing this closes it.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._running: Future[None] | None = None
        self._unmoved = 0

    def note(self, written_bytes: int) -> None:
        """Count the written bytes, and start a checkpoint when there are enough."""
        self._unmoved += written_bytes
        if self._unmoved > _EVERY_BYTES and (self._running is None or self._running.done()):
            self._unmoved = 0
            self._running = self._thread.submit(self._checkpoint)

    def close(self) -> None:
        """Wait for a running checkpoint."""
        with closing(self._db):
            self._thread.shutdown()

    def _checkpoint(self) -> None:
        try:
            # Another process may be running one; the rest is moved the next time.
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except BaseException:
            report_thread_failure()  # the pool would keep it for a caller that never asks
            raise
