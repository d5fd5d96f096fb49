"""Test what your own service reports to Sentry: the pytest fixture ``sentry_ingest``.

pytest finds it once ``crash-workshop`` is installed with a project's test dependencies:

    def test_a_failed_checkout_is_reported(sentry_ingest):
        sentry_sdk.init(dsn=sentry_ingest.dsn())
        with sentry_ingest.capture() as captured:
            client.post("/checkout", json={"card": "4111 1111 1111 1111"})
        captured.expect(type="PaymentRefused", handled=False, fingerprint=["checkout", "refused"])
        captured.assert_no_secret("4111 1111 1111 1111")

Events go to a local ingest over HTTP, as they would go to Sentry. So you assert what really leaves:
after every hook, option and serializer of the SDK. ``Capture`` has all assertions.

- **Each test has its own project**, so tests do not see each other's events.
- **``SENTRY_DSN`` is the DSN of that project during the test.** An app that reads it needs nothing
  else; neither does a child process, whatever its language and SDK.
- **An app that called ``sentry_sdk.init()`` before the test**, say on import, reports to the test's
  project too: it gets a client with the same options and that DSN.
- **Afterwards everything is restored**: the test's clients are closed, the scopes are as before.
  So if an app calls ``init()`` on import, import it at the top of the test module, not inside the
  first test that needs it.

Only pytest is imported before a test requests the fixture.
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
    """The ingest as one test sees it: its own DSNs, and what was sent to them."""

    def __init__(self, running: _RunningIngest) -> None:
        self._running = running
        self._projects: dict[str, tuple[str, str]] = {}

    @property
    def store(self) -> "Store":
        """Everything sent in this session, by all tests: the ``Store`` of the workshop."""
        return self._running.store

    def dsn(self, name: str = APP) -> str:
        """Return the DSN of a project of this test; by default the one in ``SENTRY_DSN``."""
        return self._project(name)[1]

    def capture(self, name: str = APP, *, timeout: float | None = None) -> "Capture":
        """Capture what a project of this test sends from now on; use it in a ``with`` statement.

        ``timeout`` is how many seconds its assertions wait, by default ten.
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
    # A project's tests may turn warnings into errors; that must not hit the imports here.
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
    """Give a test its own scopes and trace, and close the clients that it created."""
    import sentry_sdk
    from sentry_sdk.traces import new_trace

    shared = sentry_sdk.get_global_scope()
    before = copy.copy(shared)
    own = _redirected(before.client, dsn)
    if own is not None:
        shared.set_client(own)
    try:
        with sentry_sdk.isolation_scope():
            # The name of an earlier transaction must not leak into the test.
            sentry_sdk.get_current_scope().clear()
            new_trace()
            yield
    finally:
        for client in {shared.client, own} - {None, before.client}:
            client.close(timeout=_CLOSE_S)
        for name in type(shared).__slots__:
            setattr(shared, name, getattr(before, name))


def _redirected(client: Any, dsn: str) -> Any:
    """Return a copy of an active client with another DSN; None if it is not active."""
    if client is None or not client.is_active():
        return None
    # The options already contain the environment's proxy; an empty one overrides it.
    own = {"dsn": dsn, "http_proxy": "", "https_proxy": ""}
    return type(client)(**{**client.options, **own})
