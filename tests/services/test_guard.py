"""Who may crash the services."""

from collections.abc import Iterator

import pytest

from .conftest import TOKEN, Running
from .receiver import Receiver

CRASHES = {"game-engine": "/debug/crash", "gateway": "/debug/panic"}


@pytest.fixture(scope="module", params=CRASHES)
def closed(request: pytest.FixtureRequest, receiver: Receiver) -> Iterator[Running]:
    """A service that was given no token."""
    with Running(request.param, receiver, DEBUG_TOKEN="") as running:
        yield running


@pytest.fixture(params=CRASHES)
def slow(request: pytest.FixtureRequest, receiver: Receiver) -> Iterator[Running]:
    """A service that lets nobody crash it more than twice a minute."""
    with Running(request.param, receiver, DEBUG_TOKEN=TOKEN, DEBUG_RATE="2/minute") as running:
        yield running


@pytest.mark.parametrize("token", ["", TOKEN, "wörng".encode()])
def test_without_a_token_configured_nothing_is_there(closed: Running, token: str | bytes) -> None:
    path = CRASHES[closed.name]
    response = closed.call(path, headers={"X-Debug-Token": token})
    assert response.status_code == 404
    unknown = closed.call("/debug/nothing")
    assert response.json() == {
        **unknown.json(),
        "detail": unknown.json()["detail"].replace("/debug/nothing", path),
    }


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "wörng".encode()])
@pytest.mark.parametrize("name", CRASHES)
def test_a_wrong_token_is_refused_and_not_reported(
    request: pytest.FixtureRequest, name: str, token: str | bytes
) -> None:
    service: Running = request.getfixturevalue(name.removeprefix("game-"))
    response = service.call(CRASHES[name], headers={"X-Debug-Token": token})
    assert (response.status_code, response.json()["error"]) == (401, "debug-token")
    assert service.telemetry(response).events == []


def test_guessing_and_crashing_too_fast_is_refused(slow: Running) -> None:
    path = CRASHES[slow.name]
    assert slow.call(path, headers={"X-Debug-Token": "guess"}).status_code == 401
    assert slow.call(path).status_code == 500
    response = slow.call(path)
    assert (response.status_code, response.json()["error"]) == (429, "too-fast")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert slow.telemetry(response).events == []
    assert slow.call("/health").status_code == 200
