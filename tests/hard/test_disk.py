"""A disk that is full or cannot be written to: one line that says so, and nothing else breaks."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from IPython.core.interactiveshell import InteractiveShell

from demo_services.services import PAYMENT
from kit import Workshop, WorkshopError
from kit.commands.cli import main
from kit.commands.doctor import examine_machine
from kit.ingest.store import Store, StoreError
from tests.ingest.sending import KEY, client, error, new_id, running, store_away

FULL = re.escape("database or disk is full. Free some disk space there, and try again.")
NOWHERE = "Set WORKSHOP_HOME to a folder that you can write to, and start again."
CRASHES = ("game-engine/crash", "payment/async-error", "frontend/error")


@pytest.fixture
def below_a_file(tmp_path: Path) -> Path:
    """A folder that nobody, not even an administrator, can make."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "home"


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop for one test: the others here start their own."""
    with Workshop.start(home=tmp_path / "home", report=lambda line: None) as running:
        yield running


@contextlib.contextmanager
def full(store: Store) -> Iterator[None]:
    """Let SQLite find no more room than it has taken."""
    # What was sent before may still be coming in.
    with store._writing:
        (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
        (most,) = store._writer.execute("PRAGMA max_page_count").fetchone()
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        # What is free within these pages is taken first.
        with contextlib.suppress(sqlite3.OperationalError):
            while True:
                store._writer.execute(
                    "INSERT INTO envelopes (project, received_at, body) VALUES ('filler', 0, '')"
                )
    try:
        yield
    finally:
        with store._writing:
            store._writer.execute(f"PRAGMA max_page_count = {most}")


def test_a_crash_on_a_full_disk_says_so_at_once_and_the_next_is_kept(workshop: Workshop) -> None:
    for crash in CRASHES:
        with full(workshop.store):
            with pytest.raises(
                WorkshopError, match=f"{crash} happened, but could not be stored.*{FULL}"
            ):
                workshop.trigger(crash)
            assert workshop.spin()["balance"] >= 0
        assert workshop.trigger(crash).missing == []


def test_the_ingest_answers_in_json_and_takes_the_next(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "captured.sqlite3")) as store:
        with running(store) as ingest, client() as http:
            url = f"{ingest.url}/api/1/envelope/"
            with full(store):
                large = error(new_id(), blob="x" * 10_000)
                answers = [http.post(url, content=large, headers=KEY) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [503] * 3
            assert re.search(FULL, answers[0].json()["detail"])
            assert http.post(url, content=error(new_id()), headers=KEY).status_code == 200
        assert [item.type for item in store.items()] == ["event"]


def test_what_waits_for_a_trace_is_told_and_what_follows_all_goes_on(tmp_path: Path) -> None:
    wanted, other = new_id(), new_id()
    with (
        contextlib.closing(Store(tmp_path / "captured.sqlite3")) as store,
        store.subscribe(wanted) as one,
        store.subscribe(other) as two,
        store.subscribe() as every,
    ):
        with full(store), pytest.raises(StoreError):
            store_away(store, error(wanted, blob="x" * 10_000))
        with pytest.raises(StoreError, match=FULL):
            one.get(timeout=0)
        store_away(store, error(wanted))
        assert one.get(timeout=0).trace_ids == every.get(timeout=0).trace_ids == {wanted}
        with pytest.raises(TimeoutError):
            two.get(timeout=0)


def test_a_folder_that_cannot_be_made_is_one_line(
    below_a_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError) as raised:
        Workshop.start(home=below_a_file, report=lambda line: None)
    (line,) = raised.value._render_traceback_()
    assert re.search(rf"Cannot open the store {re.escape(str(below_a_file))}.*\. {NOWHERE}$", line)
    monkeypatch.setenv("WORKSHOP_HOME", str(below_a_file))
    said = CliRunner().invoke(main, ["check"])
    assert said.exit_code == 1
    assert said.output.splitlines() == [f"Error: {raised.value}"]


def test_a_notebook_shows_the_line_without_frames(
    below_a_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(below_a_file))
    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from kit import Workshop; Workshop.start()")
    finally:
        InteractiveShell.clear_instance()
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 1
    assert said.startswith("StoreError: Cannot open the store")


def test_what_is_no_store_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "captured.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="Move the file away and start again"):
        Store(tmp_path / "captured.sqlite3")


def test_the_doctor_names_a_folder_that_cannot_be_used(
    below_a_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_CACHE", str(below_a_file))
    lacks = [each for each in examine_machine(below_a_file, Path()) if not each.ok]
    remedies = [each.remedy for each in lacks if str(below_a_file) in each.what]
    names = [re.findall(r"WORKSHOP_\w+", remedy) for remedy in remedies]
    assert names == [["WORKSHOP_HOME"], ["WORKSHOP_CACHE"]]


def test_a_cache_that_cannot_be_made_costs_the_payment_service_alone(
    below_a_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_CACHE", str(below_a_file))
    lines: list[str] = []
    with Workshop.start(home=tmp_path, report=lines.append) as workshop:
        (line,) = (line for line in lines if line.startswith(f"✗ {PAYMENT.name}"))
        assert "set WORKSHOP_CACHE to another folder" in line
        assert workshop.trigger("game-engine/crash").missing == []


REAL_DISK = """
import sys
from pathlib import Path
from kit import Workshop
from kit.commands.doctor import examine_machine
from kit.ingest.envelope import parse

disk, crashes = Path(sys.argv[1]), ("gateway/panic", "payment/async-error")
def say(work):
    try:
        print("fine", work())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

def fill():
    with (disk / "filler").open("wb", buffering=0) as filler:
        for size in (65536, 1):
            try:
                while filler.write(bytes(size)):
                    pass
            except OSError:
                pass

workshop = Workshop.start(home=disk / "home", report=lambda line: None)
fill()
while True:
    try:
        workshop.trigger("game-engine/crash")
    except Exception:
        break
for crash in crashes:
    say(lambda: workshop.trigger(crash).missing)
(disk / "filler").unlink()
for crash in crashes:
    say(lambda: workshop.trigger(crash).missing)
workshop.stop()
fill()
for home in ("home", "other"):
    say(lambda: Workshop.start(home=disk / home, report=lambda line: None))
    remedies = [each.remedy for each in examine_machine(disk / home, Path())]
    print(next(each for each in remedies if "disk space" in each))
"""
# A disk of its own, in a name space of its own: root may, and others where the system lets them.
NAMESPACE = ["unshare", "--map-root-user", "--mount"]
MOUNT = 'mount -t tmpfs -o size=4m none "$1" && exec "$2" -c "$3" "$1"'


def can_mount() -> bool:
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    probe = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="only Linux lets this user mount a disk of its own")
def test_a_real_disk_that_fills_and_is_freed(tmp_path: Path) -> None:
    program = [*NAMESPACE, "sh", "-c", MOUNT, "sh", str(tmp_path), sys.executable, REAL_DISK]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=300, cwd=os.getcwd())
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    for line in lines[:2]:
        assert re.fullmatch(f"WorkshopError: .* happened, but could not be stored. .*{FULL}", line)
    assert lines[2:4] == ["fine []"] * 2
    for line in (lines[4], lines[6]):
        assert re.match(r"StoreError: Cannot open the store .*\. Free some disk space", line), line
    for line in (lines[5], lines[7]):
        assert line.startswith("free some disk space there, or set WORKSHOP_HOME")
