"""Tests of what a service of one's own reports to Sentry: the pytest fixture ``sentry_ingest``.

pytest finds it once ``crash-workshop`` is installed with a project's test dependencies:

    def test_a_failed_checkout_is_reported(sentry_ingest):
        sentry_sdk.init(dsn=sentry_ingest.dsn())
        with sentry_ingest.capture() as captured:
            client.post("/checkout", json={"card": "4111 1111 1111 1111"})
        captured.expect(type="PaymentRefused", handled=False, fingerprint=["checkout", "refused"])
        captured.assert_no_secret("4111 1111 1111 1111")

Events go to a local ingest over HTTP, as they would go to Sentry, so that what is asserted is what
leaves: after every hook, option and serializer of the SDK. ``Capture`` has all assertions.

- **Each test has a project of its own**, so that tests do not see each other's events.
- **``SENTRY_DSN`` is that project's during the test.** An app that reads it needs nothing else,
  and nor does a child process, in whatever language and with whatever SDK.
- **An app that called ``sentry_sdk.init()`` before the test**, say when it was imported, reports to
  the test's project as well: it gets a client with the same options and that DSN.
- **Afterwards all is as before**: the test's clients are closed, and the scopes are what they were.
  So an app that calls ``init()`` when it is imported has to be imported at the top of the test's
  module, not inside of the first test that needs it.

Nothing but pytest is imported before a test asks for the fixture.
"""

import contextlib
import copy
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies_environment

import pytest

if TYPE_CHECKING:
    from kit.capture.capture import Capture
    from kit.ingest.projects import Project
    from kit.ingest.store import Store

APP = "app"
_LOOPBACK = "127.0.0.1,localhost"
_CLOSE_S = 5.0


class _RunningIngest:
    """The ingest of this test session; each test adds its projects."""

    def __init__(self, folder: Path) -> None:
        from kit.ingest.app import make_app
        from kit.ingest.store import Store
        from kit.system.ingest_server import ingest_server

        self.projects: dict[str, Project] = {}
        self.store = Store(folder / "captured.sqlite3")
        self._server = ingest_server(lambda: make_app(self.store, self.projects))
        self._server.launch().wait()

    def add_project(self, name: str) -> tuple[str, str]:
        """Return the name and the DSN of a new project, whose name begins with ``name``."""
        from kit.ingest.projects import FIRST_OWN_ID, Project, make_dsn

        number = str(FIRST_OWN_ID + len(self.projects))
        project = Project(f"{name}-{number}", secrets.token_hex(16))
        self.projects[number] = project
        return project.name, make_dsn(project.key, self._server.port, number)

    def stop(self) -> None:
        """Stop the server and close the store."""
        self._server.stop()
        self.store.close()


class SentryIngest:
    """What a test has of the ingest: DSNs of its own, and what was sent to them."""

    def __init__(self, running: _RunningIngest) -> None:
        self._running = running
        self._projects: dict[str, tuple[str, str]] = {}

    @property
    def store(self) -> "Store":
        """All that was sent in this session, of every test: the ``Store`` of the workshop."""
        return self._running.store

    def dsn(self, name: str = APP) -> str:
        """Return the DSN of a project of this test; without a name that in ``SENTRY_DSN``."""
        return self._project(name)[1]

    def capture(self, name: str = APP, *, timeout: float | None = None) -> "Capture":
        """Return what a project of this test sends from now on; use it in a ``with`` statement.

        ``timeout`` is how many seconds its waiting assertions wait, by default ten.
        """
        from kit.capture.capture import DEADLINE_S, Capture

        project, dsn = self._project(name)
        return Capture(self.store, project, dsn, timeout=DEADLINE_S if timeout is None else timeout)

    def _project(self, name: str) -> tuple[str, str]:
        if name not in self._projects:
            self._projects[name] = self._running.add_project(name)
        return self._projects[name]


@pytest.fixture(scope="session")
def _running_ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_RunningIngest]:
    # A project's tests may turn warnings into errors: not those of what is imported here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = _RunningIngest(tmp_path_factory.mktemp("sentry"))
    yield running
    running.stop()


@pytest.fixture
def sentry_ingest(_running_ingest: _RunningIngest) -> Iterator[SentryIngest]:
    """A local ingest in Sentry's place: ``dsn()`` to report to, ``capture()`` to assert with.

    See ``kit.testing``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kit.capture.capture  # noqa: F401 - so that no test has to wait for it
    ingest = SentryIngest(_running_ingest)
    with pytest.MonkeyPatch.context() as patch, _own_sdk_state(ingest.dsn()):
        patch.setenv("SENTRY_DSN", ingest.dsn())
        for name in ("NO_PROXY", "no_proxy"):
            # A proxy of the environment cannot reach this machine's loopback.
            patch.setenv(name, ",".join(filter(None, (_no_proxy(), _LOOPBACK))))
        yield ingest


def _no_proxy() -> str:
    return getproxies_environment().get("no", "")


@contextlib.contextmanager
def _own_sdk_state(dsn: str) -> Iterator[None]:
    """Give a test scopes and a trace of its own, and close the clients that it made."""
    import sentry_sdk
    from sentry_sdk.traces import new_trace

    shared = sentry_sdk.get_global_scope()
    before = copy.copy(shared)
    own = _redirected(before.client, dsn)
    if own is not None:
        shared.set_client(own)
    try:
        with sentry_sdk.isolation_scope():
            # What ran before is over: the name of its transaction is none of the test's.
            sentry_sdk.get_current_scope().clear()
            new_trace()
            yield
    finally:
        for client in {shared.client, own} - {None, before.client}:
            client.close(timeout=_CLOSE_S)
        for name in type(shared).__slots__:
            setattr(shared, name, getattr(before, name))


def _redirected(client: Any, dsn: str) -> Any:
    """Return a client with the options of one that is active, and another DSN; else None."""
    if client is None or not client.is_active():
        return None
    # The options hold the environment's proxy already; an empty one overrules it.
    own = {"dsn": dsn, "http_proxy": "", "https_proxy": ""}
    return type(client)(**{**client.options, **own})
