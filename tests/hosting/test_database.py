import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

import kit.hosting.child
import kit.hosting.database
from kit.hosting.database import Database
from kit.hosting.server import ServerError
from tests.databases import not_replaced, noticed
from tests.processes import gone

WINDOWS = os.name == "nt"
DEADLINE_S = 60.0
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        sys.version_info >= (3, 14), reason="there is no SecantusDB for this Python yet"
    ),
]


@pytest.fixture(autouse=True)
def no_other_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_URI", raising=False)


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database()
    yield database
    database.stop()


def count(database: Database) -> int:
    """Store one document, and return how many there are now."""
    with MongoClient(database.url) as client:
        client.test.numbers.insert_one({})
        return client.test.numbers.count_documents({})


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_a_launched_database_answers(database: Database) -> None:
    assert not database.is_running
    assert database.launch().wait() > 0
    assert database.is_running
    assert database.url == f"mongodb://{database.address}"
    assert count(database) == 1


def test_launching_again_keeps_the_running_one(database: Database) -> None:
    database.launch().wait()
    assert count(database) == 1
    database.launch().wait()
    assert count(database) == 2


def test_it_starts_again_after_a_stop_and_is_empty(database: Database) -> None:
    database.launch().wait()
    assert count(database) == 1
    database.stop(timeout=DEADLINE_S)
    assert not database.is_running
    database.launch().wait()
    assert count(database) == 1


def test_a_stop_leaves_nothing_behind(database: Database) -> None:
    before = children()
    database.launch().wait()
    (home,) = {
        Path(p.environ()["TMPDIR"]) for p in children() - before if p.environ().get("TMPDIR")
    }
    assert home.exists()
    database.stop(timeout=DEADLINE_S)
    assert children() <= before
    assert not home.exists()
    database.stop()


def test_a_stop_is_no_death_that_it_would_pause_after(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.hosting.database, "PAUSE_S", 600.0)
    before = set(threading.enumerate())
    database.launch().wait()
    (watcher,) = (new for new in set(threading.enumerate()) - before if new.name == database.name)
    database.stop(timeout=DEADLINE_S)
    assert not watcher.is_alive()


def test_it_has_no_address_before_the_launch(database: Database) -> None:
    with pytest.raises(ServerError, match="not launched"):
        _ = database.url


def test_one_that_dies_is_replaced_by_an_empty_one(database: Database) -> None:
    before = children()
    database.launch().wait()
    assert count(database) == 1
    url = database.url
    (program,) = (each for each in children() - before if each.parent() != psutil.Process())
    with not_replaced(database):
        program.kill()
        noticed(database)
    database.wait()
    assert (database.url, database.is_running) == (url, True)
    assert count(database) == 1


@pytest.mark.skipif(WINDOWS, reason="Windows has no groups of processes")
def test_it_goes_with_its_wrapper(database: Database) -> None:
    before = children()
    database.launch().wait()
    family = list(children() - before)
    (wrapper,) = (process for process in family if process.parent() == psutil.Process())
    with not_replaced(database):
        wrapper.kill()
        assert gone(family)
        noticed(database)


def test_a_program_that_ends_at_once_says_why(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(kit.hosting.child, "free_port", lambda wanted: port)
        with pytest.raises(ServerError, match=r"exited with code 1 .*Address already in use"):
            database.launch().wait()
    assert not database.is_running


def test_one_that_does_not_answer_in_time_is_ended(database: Database) -> None:
    before = children()
    with pytest.raises(ServerError, match=r"was not ready within 0\.01 s"):
        database.launch().wait(deadline=0.01)
    assert children() <= before


def test_a_database_that_runs_elsewhere_is_used_and_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.launch().wait()
    before = children()
    monkeypatch.setenv("MONGODB_URI", database.url)
    elsewhere = Database()
    elsewhere.launch().wait()
    assert elsewhere.url == database.url
    assert elsewhere.is_running
    assert children() == before
    elsewhere.stop()
    assert not elsewhere.is_running
    assert count(database) == 1


def test_a_database_elsewhere_that_does_not_answer_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kit.hosting.database, "ELSEWHERE_MS", 3000)
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        elsewhere = Database(f"mongodb://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(ServerError, match=r"database did not start: .*refused"):
            elsewhere.launch().wait()


def test_the_address_tells_no_password() -> None:
    assert Database("mongodb://ada:hunter2@db.example:27017/casino").address == "db.example:27017"


def without(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find_spec(name)
    )


@pytest.mark.parametrize("module", ["secantus", "pymongo"])
def test_what_is_not_installed_is_said_with_what_to_do(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Database().unavailable is None
    without(module, monkeypatch)
    reason = Database().unavailable
    assert reason is not None
    assert "pip install" in reason
    assert "\n" not in reason
    with pytest.raises(ServerError, match="pip install"):
        Database().launch()


def test_without_secantus_one_elsewhere_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    without("secantus", monkeypatch)
    assert Database("mongodb://db.example").unavailable is None


PARENT = """
import sys, threading
import psutil
from kit.hosting.database import Database

database = Database().launch()
database.wait()
assert "secantus" not in sys.modules, "SecantusDB must stay a program of its own"
reader = threading.Thread(target=sys.stdin.read, daemon=True)
reader.start()

def wait():
    # Not one long wait: a signal that comes just before it would not interrupt it.
    while reader.is_alive():
        reader.join(0.1)

try:
    print(*[process.pid for process in psutil.Process().children(recursive=True)], flush=True)
    wait()
except KeyboardInterrupt:
    print("interrupted", database.is_running, flush=True)
    wait()
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that runs a database."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def descendants(parent: "subprocess.Popen[str]") -> list[psutil.Process]:
    assert parent.stdout is not None
    family = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(family) == 2
    return family


def test_no_orphan_when_the_parent_is_killed(parent: "subprocess.Popen[str]") -> None:
    family = descendants(parent)
    home = Path(family[1].environ()["TMPDIR"])
    parent.kill()
    assert gone(family)
    assert not home.exists()


def test_no_orphan_when_the_parent_ends_without_stopping_it(
    parent: "subprocess.Popen[str]",
) -> None:
    family = descendants(parent)
    assert parent.stdin is not None
    parent.stdin.close()
    assert parent.wait(DEADLINE_S) == 0
    assert gone(family)


@pytest.mark.skipif(WINDOWS, reason="Windows cannot send Ctrl-C to one group")
def test_ctrl_c_in_the_parent_leaves_it_running(parent: "subprocess.Popen[str]") -> None:
    family = descendants(parent)
    assert parent.pid not in {os.getpgid(process.pid) for process in family}
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "interrupted True\n"
    assert all(process.is_running() for process in family)
