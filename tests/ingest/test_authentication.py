"""Where the key of a DSN may stand, and what is not let in."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from kit.ingest.store import Store
from tests.ingest.sending import KEY, Ingest, body, client, item, new_id, running

pytestmark = pytest.mark.system

DSN = "https://key-1@o1.ingest.sentry.example/1"
PATH = "/api/1/envelope/"


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    path = tmp_path_factory.mktemp("authentication") / "captured.sqlite3"
    with closing(Store(path)) as store, running(store) as ingest:
        yield ingest


def post(
    ingest: Ingest, path: str = PATH, headers: dict[str, str] | None = None, **envelope: object
) -> httpx.Response:
    """Send an envelope with an event, and compare what is stored with what is answered."""
    event = {"event_id": new_id(), "message": "sent"}
    count = len(ingest.store.items(limit=1000))
    with client() as http:
        sent = body(item("event", event), **envelope)
        answer = http.post(ingest.url + path, content=sent, headers=headers or {})
    assert len(ingest.store.items(limit=1000)) - count == (answer.status_code == 200)
    return answer


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATH, {"X-Sentry-Auth": "Sentry sentry_key=key-1"}),
        (PATH, {"X-Sentry-Auth": "SENTRY sentry_version=7.0 , sentry_key=key-1"}),
        (PATH, {"X-Sentry-Auth": "Sentry sentry_key=key-1, sentry_secret=of-old"}),
        (PATH, {"Authorization": "Sentry sentry_version=7, sentry_key=key-1"}),
        (PATH, {"X-Sentry-Auth": "Bearer of-a-proxy", "Authorization": "Sentry sentry_key=key-1"}),
        (PATH, basic("key-1")),
        (PATH, basic("key-1", "secret-of-old")),
        (f"{PATH}?sentry_key=key-1", {}),
        (f"{PATH}?sentry_version=7&sentry_client=raven-js%2F3&sentry_key=key-1", {}),
        (f"{PATH}?sentry_key=key-1", {"Authorization": "Bearer of-the-page"}),
        ("/api/1/envelope", KEY),
        ("//api/1/envelope/", KEY),
        ("/api//1///envelope//", KEY),
    ],
)
def test_a_key_is_found_where_relay_looks_for_it(
    ingest: Ingest, path: str, headers: dict[str, str]
) -> None:
    assert post(ingest, path, headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"{PATH}?sentry_key=key-1", KEY),
        (f"{PATH}?sentry_key=key-2", KEY),
        (f"{PATH}?sentry_key=key-1", basic("key-1")),
        (PATH, {**KEY, "Authorization": "Sentry sentry_key=key-1"}),
        (PATH, {**KEY, **basic("key-1")}),
    ],
)
def test_a_key_that_is_given_twice_is_refused(
    ingest: Ingest, path: str, headers: dict[str, str]
) -> None:
    answer = post(ingest, path, headers)
    assert answer.status_code == 401
    assert "given twice" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("version", "status"), [("7", 200), ("6", 200), ("8", 400), ("9" * 5000, 400), ("new", 401)]
)
def test_a_version_of_the_future_is_refused(ingest: Ingest, version: str, status: int) -> None:
    headers = {"X-Sentry-Auth": f"Sentry sentry_key=key-1, sentry_version={version}"}
    assert post(ingest, PATH, headers).status_code == status


@pytest.mark.parametrize("path", [PATH, "/api/1/envelope", "/tunnel", "/tunnel/", "//tunnel"])
def test_an_envelope_may_bring_its_dsn(ingest: Ingest, path: str) -> None:
    assert post(ingest, path, dsn=DSN).status_code == 200
    assert ingest.store.items(limit=1)[0].project == "gateway"
    assert post(ingest, path, dsn=DSN.replace("key-1@", "key-1:secret-of-old@")).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "dsn", "status", "reason"),
    [
        (PATH, {}, DSN.replace("key-1", "wrong"), 401, "does not belong to project 1"),
        (PATH, {}, DSN.replace("/1", "/2"), 400, "the project is 1, and 2"),
        (PATH, {}, None, 401, "key is missing"),
        (PATH, {}, "nonsense", 400, "is invalid"),
        (PATH, {}, {"key": "key-1"}, 400, "is invalid"),
        (PATH, KEY, DSN.replace("/1", "/2"), 400, "the project is 1, and 2"),
        (PATH, KEY, DSN.replace("key-1", "key-2"), 400, "the key is that of the request"),
        ("/tunnel", {}, DSN.replace("key-1", "key-2"), 401, "does not belong to project 1"),
        ("/tunnel", {}, DSN.replace("/1", "/77"), 401, "no project 77"),
        ("/tunnel", {}, None, 401, "no dsn in its header"),
        ("/tunnel", {}, "http://[", 400, "is invalid"),
    ],
)
def test_an_envelope_with_another_dsn_is_refused(
    ingest: Ingest, path: str, headers: dict[str, str], dsn: object, status: int, reason: str
) -> None:
    answer = post(ingest, path, headers, dsn=dsn)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]


def test_another_name_of_the_host_is_refused_with_a_way_out(ingest: Ingest) -> None:
    for host in ("host.docker.internal:8000", "attacker.example", "127.0.0.1.attacker.example"):
        answer = post(ingest, PATH, {**KEY, "Host": host})
        assert answer.status_code == 400
        assert "--network=host" in answer.json()["detail"]
        assert host in answer.json()["detail"]
