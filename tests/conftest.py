import os
import pickle
import signal
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kit.crashes.catalogue import CRASHES
from kit.hosting.database import Database
from kit.ingest.store import Store
from kit.outcome import Outcome
from kit.workshop import Workshop
from tests.ingest.sending import Ingest, running
from tests.schedule import ANY_SDK, LongestFirst

TESTS = Path(__file__).parent
DATABASE = Database()
# All tests of these rooms start the system, or a part of it. Elsewhere those do that use one of
# the fixtures below, and those that are marked.
SYSTEM_ROOMS = {"browser", "deployment", "hard", "payment", "privacy", "services"}
# What deployments, accidents and secrets do to the whole system: it starts often, or for long.
SLOW_ROOMS = {"deployment", "hard", "privacy"}
SYSTEM_FIXTURES = {"workshop", "own_workshop", "recorded_crashes"}
BROWSER_ROOM = "browser"
SLOW_TIMEOUT_S = 1500


def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep what notebooks capture out of the checkout.

    Kernels and services inherit it from the environment. Of processes that share the tests each
    has its own.
    """
    # Whoever was started in the background ignores Ctrl-C, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if session.config.getoption("numprocesses", None):
        return
    os.environ["WORKSHOP_HOME"] = tempfile.mkdtemp(prefix="workshop-tests-")
    os.environ.pop("SENTRY_DSN", None)
    # Else each of hundreds of kernels and services would compile all of kit again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@cache
def within_tests(path: Path) -> str:
    """Return the path of a file in the folder of the tests, "" of one that is elsewhere."""
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a browser, starts the system or is slow; some of it gets more time.

    What needs an account is left out without one: that is no lack of the machine.
    """
    if "WORKSHOP_TEST_SENTRY_TOKEN" not in os.environ:
        accounts = [item for item in items if item.get_closest_marker("real_sentry")]
        config.hook.pytest_deselected(items=accounts)
        items[:] = [item for item in items if item not in accounts]
    for item in items:
        name = within_tests(item.path)
        room = name.partition("/")[0]
        if name in ANY_SDK:
            item.add_marker("any_sdk")
        if room == BROWSER_ROOM:
            item.add_marker("browser")
        fixtures = set(getattr(item, "fixturenames", ()))
        is_notebook = item.path.suffix == ".ipynb"
        if is_notebook:
            item.add_marker("notebook")
        if is_notebook or room in SYSTEM_ROOMS or SYSTEM_FIXTURES & fixtures:
            item.add_marker("system")
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))
        if room in SLOW_ROOMS:
            item.add_marker("slow")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Give all tests that start the system one database; services find it in the environment."""
    if session.config.getoption("numprocesses", None) or session.config.option.collectonly:
        return
    starts_system = any(item.get_closest_marker("system") for item in session.items)
    if starts_system and DATABASE.unavailable is None:
        DATABASE.launch().wait()
        os.environ["MONGODB_URI"] = DATABASE.url


def pytest_sessionfinish() -> None:
    """End what tests share."""
    SHARED.stop()
    DATABASE.stop()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst:
    """Let each process run the tests that share something, what takes longest first."""
    return LongestFirst(config, log)


class Shared:
    """The workshop that the tests of this process share: it starts when the first wants it.

    It ends when a test starts one of its own, for there is only one in a process.
    """

    def __init__(self) -> None:
        self._running: Workshop | None = None
        self.item: pytest.Item | None = None

    def workshop(self, home: Path) -> Workshop:
        """Return it, running; ``home`` is for what it captures when it has to be started."""
        if self._running is None or Workshop._running is not self._running:
            self._running = START(home=home, report=lambda line: None)
        return self._running

    def stop(self) -> None:
        """End it, if it runs."""
        if self._running is not None and Workshop._running is self._running:
            self._running.stop()
        self._running = None

    def make_way(self, home: Path | None) -> None:
        """Let the test that runs now start a workshop of its own."""
        if self.item is None:
            return
        if not self.item.get_closest_marker("system"):
            pytest.fail("This test starts the system: mark it with @pytest.mark.system.")
        if home is not None or "workshop" not in getattr(self.item, "fixturenames", ()):
            self.stop()


SHARED = Shared()
START = Workshop.start


@wraps(START)
def start_own(*, home: Path | None = None, **options: Any) -> Workshop:
    SHARED.make_way(home)
    return START(home=home, **options)


Workshop.start = staticmethod(start_own)  # type: ignore[method-assign, assignment]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which test runs: fixtures of a wider scope do not know."""
    SHARED.item = item


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A running workshop that the tests of many modules share: find what is yours by its trace.

    A test that counts all that is stored, or stops or kills something for good, starts its own.
    """
    return SHARED.workshop(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def own_workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A running workshop that only the tests of a module use, with an empty store."""
    with Workshop.start(home=tmp_path_factory.mktemp("home"), report=lambda line: None) as running:
        yield running


@pytest.fixture(scope="session")
def recorded_crashes(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Mapping[str, Outcome]:
    """What ``Workshop.trigger`` returned for each crash type, by row id.

    Each is fired once for all tests, in the first process that wants to know.
    """
    base = tmp_path_factory.getbasetemp()
    recording = (base if worker_id == "master" else base.parent) / "recorded-crashes.pickle"
    with FileLock(recording.with_suffix(".lock")):
        if not recording.exists():
            workshop = SHARED.workshop(tmp_path_factory.mktemp("home"))
            outcomes = {crash.full_id: workshop.trigger(crash.full_id) for crash in CRASHES}
            recording.write_bytes(pickle.dumps(outcomes))
        recorded: Mapping[str, Outcome] = pickle.loads(recording.read_bytes())
    return recorded


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of captured events, empty."""
    store = Store(tmp_path / "captured.sqlite3")
    yield store
    store.close()


@pytest.fixture
def ingest(store: Store) -> Iterator[Ingest]:
    """An ingest that keeps what it is sent in the store."""
    with running(store) as ingest:
        yield ingest
