import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.hosting.database import Database
from kit.workshop import Workshop

DATABASE = Database()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep what notebooks capture out of the checkout, and give all tests one database.

    Kernels and services inherit both from the environment. Of processes that share the tests
    each has its own.
    """
    # Whoever was started in the background ignores Ctrl-C, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if session.config.getoption("numprocesses", None):
        return
    os.environ["WORKSHOP_HOME"] = tempfile.mkdtemp(prefix="workshop-tests-")
    os.environ.pop("SENTRY_DSN", None)
    if DATABASE.unavailable is None:
        DATABASE.launch().wait()
        os.environ["MONGODB_URI"] = DATABASE.url


def pytest_sessionfinish() -> None:
    """End the database."""
    DATABASE.stop()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A running workshop with a store of its own, for the tests of a module."""
    home: Path = tmp_path_factory.mktemp("home")
    with Workshop.start(home=home, report=lambda line: None) as running:
        yield running
