import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from kit.actionable import ActionableError
from kit.ingest import retention
from kit.ingest.retention import MB, Deleted, Retention, SettingError
from kit.ingest.store import Received, Store
from tests.ingest.sending import error, new_id, received, store_away

BOUND = 2 * MB
BLOB = "x" * 10_000

WRITER = f"""
import sys
from contextlib import closing
from pathlib import Path
from kit.ingest.store import Store
from tests.ingest.sending import error, new_id, store_away

with closing(Store(Path(sys.argv[1]), max_bytes={BOUND})) as store:
    for number in range(400):
        trace = new_id()
        with store.subscribe(trace) as arrivals:
            store_away(store, error(trace, number=number, blob="x" * 10_000), project=sys.argv[2])
            written = arrivals.get(timeout=0)
            assert written.payload["number"] == number
            found = store.items(trace_id=trace)
            # While this process waited for its turn the other may have filled the file.
            (newest,) = store.items(limit=1)
            expected = [] if newest.id - written.id > 100 else [number]
            assert [item.payload["number"] for item in found] in (expected, [number]), found
"""


def used_bytes(path: Path) -> int:
    """Return the size of a database without its free pages, as another process sees it."""
    with closing(sqlite3.connect(path)) as db:
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def received_at(at: float, **fields: object) -> Received:
    return received(error(new_id(), **fields), at=at)


def numbers(store: Store) -> list[int]:
    return [item.payload["number"] for item in store.items(limit=10_000)]


def test_the_size_is_bounded_while_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    with closing(Store(path, max_bytes=BOUND)) as store:
        for number in range(600):
            store_away(store, error(new_id(), number=number, blob=BLOB))
            assert number % 10 or used_bytes(path) <= BOUND
        kept = numbers(store)
        assert kept == list(range(599, 599 - len(kept), -1)), "the newest survive"
        assert len(kept) * 10_000 > BOUND * 0.7, "no more than needed is deleted"
        assert store.deleted == Deleted(over_size=600 - len(kept))
    with closing(sqlite3.connect(path)) as db:
        for table in ("items", "traces"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(kept),)


def test_it_is_bounded_when_large_envelopes_follow_many_small_ones(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    with closing(Store(path, max_bytes=BOUND)) as store:
        store_away(store, *(error(new_id(), number=number) for number in range(1500)))
        for number in range(20):
            store_away(store, error(new_id(), number=number, blob=BLOB * 20))
            assert used_bytes(path) <= BOUND
        assert numbers(store)[:5] == [19, 18, 17, 16, 15]


def test_an_envelope_larger_than_the_bound_is_kept_until_the_next(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "captured.sqlite3", max_bytes=BOUND)) as store:
        for number in range(2):
            store_away(store, error(new_id(), number=number, blob=BLOB * 300))
            assert numbers(store) == [number]


def test_the_size_is_bounded_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    with closing(Store(path)) as store:
        store_away(store, *(error(new_id(), number=n, blob=BLOB) for n in range(300)))
        assert store.deleted == Deleted()
    with closing(Store(path, max_bytes=BOUND)) as store:
        kept = numbers(store)
        assert kept == list(range(299, 299 - len(kept), -1))
        assert used_bytes(path) <= BOUND
        assert store.deleted == Deleted(over_size=300 - len(kept))
        for number in range(300, 400):
            store_away(store, error(new_id(), number=number, blob=BLOB))
    # What was freed is used again: the file does not grow.
    assert path.stat().st_size < 4 * MB


def test_what_is_left_over_at_opening_is_deleted_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expired = tmp_path / "captured.sqlite3", time.time() - 10 * 86400
    with closing(Store(path, keep=timedelta(days=365))) as store:
        store.write([received_at(expired, number=number) for number in range(200)])
    monkeypatch.setattr("kit.ingest.store._OPEN_BUDGET_S", 0.0)
    monkeypatch.setattr(retention, "_BUDGET_S", 0.0)
    with closing(Store(path)) as store:
        first = store.deleted.expired
        assert 0 < first < 50
        store_away(store, error(new_id(), number=200))
        assert first < store.deleted.expired < 100, "a write deletes a little"
        for number in range(201, 220):
            store_away(store, error(new_id(), number=number))
        assert store.deleted == Deleted(expired=200)
        assert numbers(store) == list(range(219, 199, -1))


def test_age_is_bounded_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with closing(Store(tmp_path / "captured.sqlite3", keep=timedelta(days=2))) as store:
        store.write([received_at(now, number=1)])
        store.write([received_at(now + 86400, number=2)])
        assert (numbers(store), store.deleted) == ([2, 1], Deleted())
        monkeypatch.setattr(time, "time", lambda: now + 2.5 * 86400)
        store.write([received_at(time.time(), number=3)])
        assert (numbers(store), store.deleted) == ([3, 2], Deleted(expired=1))


def test_a_write_is_stored_though_nothing_can_be_deleted(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "captured.sqlite3", keep=timedelta(days=1))) as store:
        store._writer.execute(
            "CREATE TRIGGER stop BEFORE DELETE ON envelopes "
            "BEGIN SELECT raise(ABORT, 'not now'); END"
        )
        store.write([received_at(time.time() - 2 * 86400, number=1)])
        assert (numbers(store), store.deleted) == ([1], Deleted())
        store._writer.execute("DROP TRIGGER stop")
        store_away(store, error(new_id(), number=2))
        assert (numbers(store), store.deleted) == ([2], Deleted(expired=1))


@pytest.mark.slow
def test_processes_that_delete_from_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    commands = [[sys.executable, "-c", WRITER, str(path), name] for name in ("one", "two")]
    writers = [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in commands]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    assert used_bytes(path) <= BOUND * 1.1  # each measures after what it wrote itself
    with closing(Store(path)) as store:
        ids = [item.id for item in store.items(limit=10_000)]
    assert ids == list(range(800, 800 - len(ids), -1)), "ids are never given out again"


def test_most_of_a_file_that_is_free_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "captured.sqlite3"
    with closing(Store(path)) as store:
        store_away(store, *(error(new_id(), number=n, blob=BLOB) for n in range(300)))
    before = path.stat().st_size
    with closing(Store(path, max_bytes=before // 2)) as store:
        assert store.deleted.over_size > 100
    assert path.stat().st_size == before, "half of it: the room is used again"
    with closing(Store(path, max_bytes=before // 10)) as store:
        kept = numbers(store)
        store_away(store, error(new_id(), number=300))
        (newest, *_) = store.items(limit=1)
    assert path.stat().st_size < before / 4
    assert (newest.id, kept[0]) == (301, 299)


# Its settings


def test_without_settings_it_is_seven_days_and_500_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (retention.DAYS, retention.MEGABYTES):
        monkeypatch.setenv(name, "")
    assert Retention.from_environment() == Retention(timedelta(days=7), 500_000_000)


def test_the_environment_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(retention.DAYS, "0.5")
    monkeypatch.setenv(retention.MEGABYTES, "1200")
    assert Retention.from_environment() == Retention(timedelta(hours=12), 1_200_000_000)
    monkeypatch.setenv(retention.DAYS, "1e9")
    assert Retention.from_environment().keep > timedelta(days=10**6)


@pytest.mark.parametrize("value", ["many", "49", "-1", "0", "500.5", "inf", "500 MB"])
def test_a_size_that_is_none_is_one_clear_error(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_STORE_MB", value)
    with pytest.raises(SettingError) as raised:
        Retention.from_environment()
    assert isinstance(raised.value, ActionableError)
    assert str(raised.value) == (
        f"WORKSHOP_STORE_MB is '{value}'; it must be a whole number of megabytes, at least 50. "
        "Correct it, or unset it."
    )


@pytest.mark.parametrize("value", ["a week", "0", "-1", "nan", "inf"])
def test_an_age_that_is_none_is_one_clear_error(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_STORE_DAYS", value)
    with pytest.raises(SettingError, match=r"^WORKSHOP_STORE_DAYS is .*a number of days"):
        Retention.from_environment()


@pytest.mark.parametrize(
    ("keep", "deleted", "said"),
    [
        (7, Deleted(expired=1234), "1,234 older than 7 days (WORKSHOP_STORE_DAYS)"),
        (1, Deleted(over_size=2), "2 over 500 MB (WORKSHOP_STORE_MB)"),
        (
            1,
            Deleted(3, 4),
            "3 older than 1 day (WORKSHOP_STORE_DAYS), 4 over 500 MB (WORKSHOP_STORE_MB)",
        ),
    ],
)
def test_what_was_deleted_names_the_reason_and_the_setting(
    keep: float, deleted: Deleted, said: str
) -> None:
    described = Retention(timedelta(days=keep)).describe(deleted)
    assert described == f"deleted the oldest envelopes: {said}"


@pytest.mark.slow
def test_the_start_says_what_was_deleted(tmp_path: Path) -> None:
    """In a process of its own: one runs a single workshop."""
    with closing(Store(tmp_path / "captured.sqlite3")) as store:
        store_away(store, *(error(new_id(), number=n, blob=BLOB * 10) for n in range(620)))
    program = (
        "from pathlib import Path; from kit import Workshop; "
        f"Workshop.start(home=Path({str(tmp_path)!r})).stop()"
    )

    def start(**given: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name != "SENTRY_DSN"}
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, env=kept | given, capture_output=True, text=True, timeout=120, check=False
        )

    bounded = start(WORKSHOP_STORE_MB="50")
    (line,) = [line for line in bounded.stdout.splitlines() if "store" in line]
    assert line.startswith("✓ store        deleted the oldest envelopes: ")
    assert line.endswith(" over 50 MB (WORKSHOP_STORE_MB)")
    assert "store" not in start().stdout
    broken = start(WORKSHOP_STORE_MB="little")
    assert broken.returncode == 1
    assert "SettingError: WORKSHOP_STORE_MB is 'little'; it must be a whole" in broken.stderr
