import subprocess
import sys
from collections.abc import Iterator

import pytest

import kit.hosting.child
from kit.hosting.child import FIRST_PORT, PORTS, free_port
from kit.hosting.database import Database
from kit.hosting.server import ServerError

CLASS = 5


@pytest.fixture
def neighbour(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database of somebody else on this machine, which lets everybody in."""
    monkeypatch.delenv("MONGODB_URI", raising=False)
    database = Database()
    if database.unavailable:
        pytest.skip(database.unavailable)
    database.launch().wait()
    yield database
    database.stop()


def test_the_database_of_somebody_else_is_not_taken_for_ones_own(
    neighbour: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both have chosen the same port, and the other one was faster.
    port = int(neighbour.url.rpartition(":")[2])
    monkeypatch.setattr(kit.hosting.child, "free_port", lambda wanted: port)
    own = Database()
    with pytest.raises(ServerError, match="Address already in use"):
        own.launch().wait()
    assert not own.is_running
    assert neighbour.is_running


def test_who_asks_for_a_port_at_the_same_moment_gets_another_one() -> None:
    program = "import os; from kit.hosting.child import free_port; print(os.getpid(), free_port())"
    command = [sys.executable, "-c", program]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CLASS)]
    answers = [process.communicate()[0].split() for process in asking]
    assert len({port for _, port in answers}) == CLASS
    # It is the one of the process, unless somebody has that already.
    own = [int(port) == FIRST_PORT + 8 * int(pid) % PORTS for pid, port in answers]
    assert sum(own) > CLASS / 2
    assert free_port() != free_port()
