"""No path leaves its service, or crosses between work and debug routes, whatever is in it."""

import posixpath
import re
from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from demo_services.gateway.target import find_target
from demo_services.services import ROUTED

from .conftest import TOKEN, WAIT_S, Running
from .test_gateway import PREFIX, Upstream, proxy, upstream

pytestmark = pytest.mark.slow

__all__ = ["proxy", "upstream"]

DOTS = st.sampled_from(["..", ".", "%2e%2e", ".%2E", "%2e", "..%2f..", "..\\..", "%5c..", "..;"])
NAMES = st.sampled_from(["debug", "crash", "spin", "api", "v1", "", "%64ebug", "%252e%252e", "..."])
TEXT = st.text("abc.%/\\~!$&'()*+,;=:@#\"<>[]{}|^`", max_size=6)
PATHS = st.lists(DOTS | NAMES | TEXT, max_size=6).map("/".join)


def resolved(path: str) -> str:
    """What the most eager of servers would take the path for."""
    return posixpath.normpath(unquote(path).replace("\\", "/"))


BASES = {"game": "/debug", "payment": "/debug", "analytics": "/api/debug"}


@given(prefix=st.sampled_from(sorted(BASES)), rest=PATHS)
@example(prefix="game", rest="../debug/crash")
@example(prefix="game", rest="%2e%2e/debug/crash")
@example(prefix="game", rest="debug/../api/v1/spin")
@example(prefix="game", rest="debug%2f..%2fapi/v1/spin")
@example(prefix="game", rest="..%2f..%2fdebug%2fcrash")
@example(prefix="analytics", rest="../debug/crash")
@example(prefix="analytics", rest="debug/../v1/events")
@example(prefix="analytics", rest="debug")
@example(prefix="analytics", rest="")
@settings(deadline=None)
def test_a_target_stays_where_it_belongs(prefix: str, rest: str) -> None:
    target = find_target(f"/api/v1/{prefix}/{rest}")
    first, _, others = rest.partition("/")
    base = BASES[prefix] if first == "debug" else "/api/v1"
    assert target.service.prefix == prefix
    assert target.path.startswith(f"{base}/") or target.path == base
    assert resolved(target.path) == base or resolved(target.path).startswith(f"{base}/")
    if not {".", ".."} & set(re.split(r"[/\\]", unquote(rest))):
        tail = rest if base == "/api/v1" else others
        assert target.path in (f"{base}/{tail}", base)


def test_each_routed_service_has_its_bases_tested() -> None:
    assert {service.prefix: service.debug_base for service in ROUTED.values()} == BASES


@given(rest=PATHS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_wire_carries_the_target(proxy: Running, upstream: Upstream, rest: str) -> None:
    address = urlsplit(proxy.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=WAIT_S)
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
    connection = HTTPConnection(address.hostname or "", address.port, timeout=WAIT_S)
    connection.request("GET", path, headers={"X-Debug-Token": TOKEN})
    response = connection.getresponse()
    assert (response.status, b"not-found" in response.read()) == (404, True)
    connection.close()
