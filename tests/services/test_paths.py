"""No path leaves its service, or crosses between work and debug routes, whatever is in it."""

import posixpath
import re
from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from demo_services.gateway.target import find_target

from .conftest import TOKEN, Running
from .test_gateway import PREFIX, Upstream, proxy, upstream

__all__ = ["proxy", "upstream"]

DOTS = st.sampled_from(["..", ".", "%2e%2e", ".%2E", "%2e", "..%2f..", "..\\..", "%5c..", "..;"])
NAMES = st.sampled_from(["debug", "crash", "spin", "api", "v1", "", "%64ebug", "%252e%252e", "..."])
TEXT = st.text("abc.%/\\~!$&'()*+,;=:@#\"<>[]{}|^`", max_size=6)
PATHS = st.lists(DOTS | NAMES | TEXT, max_size=6).map("/".join)


def resolved(path: str) -> str:
    """What the most eager of servers would take the path for."""
    return posixpath.normpath(unquote(path).replace("\\", "/"))


def base_of(rest: str) -> str:
    return "/debug" if rest.split("/")[0] == "debug" else "/api/v1"


@given(rest=PATHS)
@example(rest="../debug/crash")
@example(rest="%2e%2e/debug/crash")
@example(rest="debug/../api/v1/spin")
@example(rest="debug%2f..%2fapi/v1/spin")
@example(rest="..%2f..%2fdebug%2fcrash")
def test_a_target_stays_where_it_belongs(rest: str) -> None:
    path = find_target(f"{PREFIX}/{rest}").path
    base = base_of(rest)
    assert path.startswith(f"{base}/") or path == base
    assert resolved(path) == base or resolved(path).startswith(f"{base}/")
    if not {".", ".."} & set(re.split(r"[/\\]", unquote(rest))):
        assert path == f"/{rest}" if base == "/debug" else f"/api/v1/{rest}"


@given(rest=PATHS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_wire_carries_the_target(proxy: Running, upstream: Upstream, rest: str) -> None:
    address = urlsplit(proxy.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", f"{PREFIX}/{rest}?q=%2e")
    assert connection.getresponse().status == 203
    connection.close()
    assert upstream.got[-1][1] == find_target(f"{PREFIX}/{rest}").path + "?q=%2e"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/game/../debug/crash",
        "/api/v1/game/%2e%2e/debug/crash",
        "/api/v1/game/..%2fdebug/crash",
        "/api/v1/game/..\\..\\debug\\crash",
        "/api/v1/game/debug/../api/v1/spin",
        "/api/v1/game/debug/../../debug/crash",
    ],
)
def test_crossing_is_the_services_404(gateway: Running, path: str) -> None:
    address = urlsplit(gateway.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", path, headers={"X-Debug-Token": TOKEN})
    response = connection.getresponse()
    assert (response.status, b"not-found" in response.read()) == (404, True)
    connection.close()
