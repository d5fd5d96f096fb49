"""What web pages of other origins may send, and may read."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from kit.ingest.store import Store
from tests.ingest.sending import KEY, Ingest, body, client, error, item, new_id, running

pytestmark = pytest.mark.system

PAGE = {"Origin": "https://shop.example"}
ASKS = {
    **PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-sentry-auth,content-type",
}
FOR_PAGES = ["/api/1/envelope/", "/api/1/store/", "/api/1/security/", "/tunnel"]


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    path = tmp_path_factory.mktemp("cors") / "captured.sqlite3"
    with closing(Store(path)) as store, running(store) as ingest:
        yield ingest


def request(ingest: Ingest, method: str, path: str, **headers: str) -> httpx.Response:
    with client() as http:
        return http.request(method, ingest.url + path, headers=headers)


@pytest.mark.parametrize("path", FOR_PAGES)
def test_a_preflight_is_answered_as_relay_does(ingest: Ingest, path: str) -> None:
    answer = request(ingest, "OPTIONS", path, **ASKS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Max-Age"] == "3600"
    allowed = set(answer.headers["Access-Control-Allow-Headers"].split(","))
    assert allowed >= {"x-sentry-auth", "content-type", "content-encoding", "authorization"}
    # Not for any origin: a browser refuses an answer with both.
    assert "Access-Control-Allow-Credentials" not in answer.headers


def assert_readable(answer: httpx.Response) -> None:
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(","))
    assert exposed == {"x-sentry-error", "x-sentry-rate-limits", "retry-after"}


def test_a_page_may_read_that_its_event_is_stored(ingest: Ingest) -> None:
    # Browser SDKs say text/plain and put the key into the query: then there is no preflight.
    path = "/api/1/envelope/?sentry_key=key-1&sentry_version=7&sentry_client=sentry.browser%2F11"
    with client() as http:
        sent = error(new_id(), message="of a page")
        headers = {**PAGE, "Content-Type": "text/plain;charset=UTF-8"}
        answer = http.post(ingest.url + path, content=sent, headers=headers)
    assert answer.status_code == 200
    assert_readable(answer)
    assert ingest.store.items(limit=1)[0].payload["message"] == "of a page"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/1/envelope/?sentry_key=wrong", 401),
        ("POST", "/api/77/envelope/?sentry_key=key-1", 401),
        ("POST", "/api/1/envelope/?sentry_key=key-1", 400),
        ("POST", "/api/1/nothing/?sentry_key=key-1", 404),
        ("PUT", "/api/1/envelope/?sentry_key=key-1", 405),
        ("POST", "/tunnel", 400),
    ],
)
def test_a_page_may_read_why_it_is_refused(
    ingest: Ingest, method: str, path: str, status: int
) -> None:
    answer = request(ingest, method, path, **PAGE)
    assert answer.status_code == status
    assert_readable(answer)
    assert answer.headers["X-Sentry-Error"] == answer.json()["detail"]


@pytest.mark.parametrize("path", ["/stream", "/health", "//stream", "/stream/", "/"])
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET"])
def test_what_has_no_key_is_closed_to_pages(ingest: Ingest, method: str, path: str) -> None:
    answer = request(ingest, method, path, **ASKS)
    named = [name for name in answer.headers if name.startswith(("access-control", "cross-"))]
    assert named == []


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:5173", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:3000", True),
        ("https://shop.example", False),
        ("https://localhost.shop.example", False),
        ("http://[", False),
        ("null", False),
    ],
)
def test_only_pages_of_this_machine_are_let_into_its_network(
    ingest: Ingest, origin: str, allowed: bool
) -> None:
    asks = {**ASKS, "Origin": origin, "Access-Control-Request-Private-Network": "true"}
    answer = request(ingest, "OPTIONS", "/api/1/envelope/", **asks)
    assert ("Access-Control-Allow-Private-Network" in answer.headers) == allowed


def test_a_reason_is_one_line_of_ascii_in_its_header(ingest: Ingest) -> None:
    broken = body(item("event", b"\xff")[:-3])
    answer = ingest.post(broken, **PAGE)
    assert answer.headers["X-Sentry-Error"].isascii()
    answer = request(ingest, "POST", "/api/%0a%C3%A9/envelope/", **KEY)
    assert "é" in answer.json()["detail"]
    assert answer.headers["X-Sentry-Error"].startswith("There is no project ??;")
