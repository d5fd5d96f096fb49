"""No way to a debug route past the guard: every route of every service, as its framework has it."""

import asyncio
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from demo_services import analytics, game_engine, gateway
from demo_services.services import ROUTED, SERVICES
from demo_services.settings import Settings
from kit.hosting.supervisor import Supervisor
from tests.payment.conftest import Payment, run
from tests.payment.receiver import Receiver as PaymentReceiver

from .conftest import TOKEN, WAIT_S, Running
from .receiver import Receiver

pytestmark = pytest.mark.slow

NAMES = ["gateway", "game-engine", "analytics", "payment"]
MISSING = None
WRONG = [MISSING, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "wörng".encode()]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
ALWAYS_DIFFERENT = {"date", "etag"}
CLAIMS = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "Client-IP")
SPIN = {
    "spin_id": "0123456789ab",
    "player": "ada",
    "bet": 1,
    "reels": ["bell", "bell", "bell"],
    "win": 0,
    "balance": 999,
}
ORDER = {"player": "ada", "amount": 1, "spin_id": "0123456789ab"}
# All that strangers may call; each with a call that works. Any other route is a debug route.
WORK: dict[str, dict[str, tuple[str, str, Any]]] = {
    "gateway": {
        "/health": ("GET", "/health", None),
        "/api/v1/{path:path}": ("POST", "/api/v1/game/spin", {"player": "ada", "bet": 1}),
    },
    "game-engine": {
        "/health": ("GET", "/health", None),
        "/api/v1/spin": ("POST", "/api/v1/spin", {"player": "ada", "bet": 1}),
    },
    "analytics": {
        "/health": ("GET", "/health", None),
        "/api/v1/events": ("POST", "/api/v1/events", SPIN),
        "/api/v1/stats": ("GET", "/api/v1/stats", None),
    },
    "payment": {
        "/health": ("GET", "/health", None),
        "/api/v1/charge": ("POST", "/api/v1/charge", ORDER),
        "/api/v1/payout": ("POST", "/api/v1/payout", ORDER),
        "/api/v1/balance/:player": ("GET", "/api/v1/balance/ada", None),
    },
}
CRASHES = {
    "gateway": "/debug/panic",
    "game-engine": "/debug/crash",
    "analytics": "/api/debug/crash",
    "payment": "/debug/error/type",
}
EXPRESS = """
const app = require('./src/app').makeApp({ debugToken: 'x', debugRate: '1/second' });
const layers = app.router.stack.map(({ name, route }) => ({ name, path: route && route.path }));
console.log(JSON.stringify(layers));
"""

Service = Running | Payment
Start = Callable[..., Service]


async def of_fastapi(make_app: Callable[[Settings], FastAPI]) -> list[str]:
    app = make_app(Settings(debug_token=TOKEN))
    return [str(route.path) for route in iter_route_contexts(app.routes)]


async def of_tornado() -> list[str]:
    rules = game_engine.make_app(Settings(debug_token=TOKEN)).wildcard_router.rules
    return [rule.matcher.regex.pattern.removesuffix("$") for rule in rules]


def of_express() -> list[str]:
    layers = json.loads(run("-e", EXPRESS).stdout)
    # A router inside the router would have routes of its own.
    assert "router" not in [layer["name"] for layer in layers]
    return [layer["path"] for layer in layers if layer.get("path")]


@pytest.fixture(scope="module")
def routes() -> dict[str, list[str]]:
    return {
        "gateway": asyncio.run(of_fastapi(gateway.make_app)),
        "game-engine": asyncio.run(of_tornado()),
        "analytics": asyncio.run(of_fastapi(analytics.make_app)),
        "payment": of_express(),
    }


def debug_routes(routes: dict[str, list[str]], name: str) -> list[str]:
    """Those that the guard must keep, with something for each parameter."""
    kept = [route for route in routes[name] if route not in WORK[name]]
    return [route.replace("([^/]+)", "value").replace(":type", "value") for route in kept]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


def ask(
    service: Service, method: str, path: str, token: str | bytes | None = None, **headers: str
) -> Answer:
    """Make one call, the path as it is: a client like httpx would tidy it up."""
    address = urlsplit(service.url)
    sent: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not MISSING:
        sent["X-Debug-Token"] = token
    http = HTTPConnection(address.hostname or "", address.port, timeout=WAIT_S)
    with closing(http) as connection:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        got = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, got, answer.read().decode())


def other_spellings(path: str) -> list[str]:
    """Paths that an eager server might take for this one."""
    base, _, last = path.rpartition("/")
    return [
        f"{path}/",
        f"{path}?token={TOKEN}",
        f"{base}/%2e/{last}",
        f"{base}/./{last}",
        f"{base}//{last}",
        f"/{path}",
        f"/health/..{path}",
        f"/health/%2e%2e{path}",
        f"{base}%2f{last}",
        f"{base}/{last}%00",
        f"{base}/{last}%0a",
        f"{base}/{quote(last[0])}{last[1:]}",
        path.replace("debug", "%64ebug"),
        path.upper(),
    ]


@pytest.fixture(scope="module")
def start(receiver: Receiver, engine: Running) -> Iterator[Start]:
    """Start a service, once for all tests that want the same one."""
    started: dict[tuple[str, ...], Service] = {}
    of_payment = PaymentReceiver()
    thread = threading.Thread(target=of_payment.serve_forever, daemon=True)
    thread.start()

    def start(name: str, **environment: str) -> Service:
        given = {"DEBUG_TOKEN": TOKEN, "GAME_ENGINE_URL": engine.url, **environment}
        key = (name, *map("=".join, sorted(given.items())))
        if key not in started:
            is_payment = name == "payment"
            started[key] = (
                Payment(of_payment, **given) if is_payment else Running(name, receiver, **given)
            )
        return started[key]

    yield start
    for service in started.values():
        if isinstance(service, Payment):
            service.stop()
        else:
            service.__exit__()
    of_payment.shutdown()
    of_payment.server_close()
    thread.join()


@pytest.fixture(scope="module", params=NAMES)
def closed(request: pytest.FixtureRequest, start: Start) -> tuple[str, Service]:
    """A service that was given no token."""
    return request.param, start(request.param, DEBUG_TOKEN="")


@pytest.fixture(scope="module", params=NAMES)
def guarded(request: pytest.FixtureRequest, start: Start) -> tuple[str, Service]:
    """A service with a token, that has all the time in the world for wrong ones."""
    return request.param, start(request.param, DEBUG_RATE="100000/minute")


def reported(service: Service, trace: str) -> list[Any]:
    """The error events of a trace, once all that was sent before has arrived."""
    last = service.call("/nothing")
    if isinstance(service, Payment):
        service.trace(last)
        return service.receiver.traces[trace].events
    service.telemetry(last)
    return service.receiver.telemetry(trace, service.name).events


@pytest.mark.parametrize("name", NAMES)
def test_each_route_is_for_work_or_below_the_debug_base(
    routes: dict[str, list[str]], name: str
) -> None:
    assert set(WORK[name]) <= set(routes[name])
    assert debug_routes(routes, name)
    for path in debug_routes(routes, name):
        assert SERVICES[name].is_debug(path), f"{path} is neither work nor guarded"


def test_without_a_token_configured_nothing_is_there(
    routes: dict[str, list[str]], closed: tuple[str, Service]
) -> None:
    name, service = closed
    base = SERVICES[name].debug_base
    for path in [*debug_routes(routes, name), f"{base}/nothing", f"{base}/", base]:
        # As long as the other, for the answers to be of the same length.
        unknown = "/" + "x" * (len(path) - 1)
        for method in METHODS:
            expected = ask(service, method, unknown)
            for token in (MISSING, "", TOKEN):
                answer = ask(service, method, path, token)
                assert answer.status == expected.status in {404, 405}, (method, path)
                assert answer.body == expected.body.replace(unknown, path)
                for header in {*answer.headers, *expected.headers} - ALWAYS_DIFFERENT:
                    assert answer.headers.get(header) == expected.headers.get(header), header


def test_without_a_token_configured_no_spelling_finds_a_route(
    routes: dict[str, list[str]], closed: tuple[str, Service]
) -> None:
    name, service = closed
    for path in debug_routes(routes, name):
        for spelling in other_spellings(path):
            answer = ask(service, "GET", spelling)
            assert (answer.status, json.loads(answer.body)["error"]) == (404, "not-found"), spelling


def test_a_wrong_token_opens_no_route_to_any_method_and_is_not_reported(
    routes: dict[str, list[str]], guarded: tuple[str, Service]
) -> None:
    name, service = guarded
    trace = uuid.uuid4().hex
    base = SERVICES[name].debug_base
    for path in [*debug_routes(routes, name), base, f"{base}/nothing"]:
        for method in METHODS:
            for token in WRONG if method == "GET" else [MISSING, "wrong"]:
                answer = ask(service, method, path, token, sentry_trace=f"{trace}-{'1' * 16}-1")
                # Tornado refuses methods that it does not know before it looks at the path.
                is_unknown = name == "game-engine" and method == "PROPFIND"
                assert answer.status == (405 if is_unknown else 401), (method, path)
                if method != "HEAD" and not is_unknown:
                    assert json.loads(answer.body)["error"] == "debug-token"
    assert reported(service, trace) == []


def test_no_other_spelling_gets_past_the_guard(
    routes: dict[str, list[str]], guarded: tuple[str, Service]
) -> None:
    name, service = guarded
    for path in debug_routes(routes, name):
        for spelling in other_spellings(path):
            for token in (MISSING, "wrong"):
                answer = ask(service, "GET", spelling, token)
                assert answer.status in {401, 404}, (spelling, answer)


def test_a_refused_call_is_named_by_what_it_reached(guarded: tuple[str, Service]) -> None:
    name, service = guarded
    refused = service.call(
        f"{SERVICES[name].debug_base}/stranger-7f", headers={"X-Debug-Token": ""}
    )
    if isinstance(service, Payment):
        segment = service.trace(refused).segment
        assert segment
        assert "stranger" not in segment["name"]
        return
    telemetry = service.telemetry(refused)
    assert "stranger" not in telemetry.segment["name"]
    assert telemetry.segment["status"] == "error"
    assert telemetry.attribute("http.response.status_code") == 401
    if name != "game-engine":  # Tornado's integration names it by the handler's method
        assert telemetry.segment["name"] == f"{SERVICES[name].debug_base}/*"


def guard_crumbs(service: Service, token: str = TOKEN) -> list[dict[str, Any]]:
    """Crash the service; return what the guard left in the error event that arrived."""
    name = service.name if isinstance(service, Running) else "payment"
    response = service.call(CRASHES[name], headers={"X-Debug-Token": token})
    assert response.status_code == 500
    if isinstance(service, Payment):
        crumbs = service.trace(response, events=1).event.get("breadcrumbs", [])
    else:
        crumbs = service.telemetry(response).event.get("breadcrumbs", {}).get("values", [])
    found: list[dict[str, Any]] = [each for each in crumbs if each["category"] == "guard"]
    return found


def test_the_next_event_tells_of_wrong_tokens(guarded: tuple[str, Service]) -> None:
    name, service = guarded
    guard_crumbs(service)
    assert guard_crumbs(service) == []
    for token in (MISSING, "wrong"):
        assert ask(service, "GET", CRASHES[name], token).status == 401
    crumbs = guard_crumbs(service)
    assert [crumb["message"] for crumb in crumbs] == ["wrong or missing debug token"] * 2
    assert {crumb["level"] for crumb in crumbs} == {"warning"}
    assert guard_crumbs(service) == []


def test_an_event_tells_of_the_last_ten_only(guarded: tuple[str, Service]) -> None:
    name, service = guarded
    for _ in range(25):
        ask(service, "GET", CRASHES[name], "guess")
    assert len(guard_crumbs(service)) == 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_who_is_too_fast_waits_as_told_whatever_he_calls_himself(start: Start, name: str) -> None:
    service = start(name, DEBUG_RATE="2/second")
    claims = (
        {**dict.fromkeys(CLAIMS, f"10.0.0.{number}"), "Forwarded": f"for=10.0.0.{number}"}
        for number in range(250)
    )
    paths = itertools.cycle([CRASHES[name], f"{SERVICES[name].debug_base}/nothing"])
    answers = (ask(service, "GET", next(paths), "guess", **claim) for claim in claims)
    refused = next(answer for answer in answers if answer.status != 401)
    assert (refused.status, json.loads(refused.body)["error"]) == (429, "too-fast")
    for method, path, body in WORK[name].values():
        assert service.call(path, method, json=body).status_code != 429
    wait_s = int(refused.headers["retry-after"])
    assert wait_s >= 1
    time.sleep(wait_s)
    assert ask(service, "GET", CRASHES[name], "guess").status == 401


@pytest.fixture(scope="module")
def in_front(start: Start) -> Callable[..., Service]:
    """Start a gateway, with a token of its own, in front of services like that."""

    def in_front(**environment: str) -> Service:
        services = {s.name: start(s.name, **environment).url for s in ROUTED.values()}
        return start(
            "gateway",
            **{f"{name.upper().replace('-', '_')}_URL": url for name, url in services.items()},
        )

    return in_front


def through_gateway(prefix: str) -> str:
    service = ROUTED[prefix]
    return f"/api/v1/{prefix}/debug{CRASHES[service.name].removeprefix(service.debug_base)}"


@pytest.mark.parametrize("prefix", ROUTED)
def test_the_gateway_does_not_open_what_is_closed(
    in_front: Callable[..., Service], prefix: str
) -> None:
    gateway = in_front(DEBUG_TOKEN="")
    for method in ("GET", "POST"):
        answer = ask(gateway, method, through_gateway(prefix), TOKEN)
        assert (answer.status, json.loads(answer.body)["error"]) == (404, "not-found")


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ROUTED)
def test_the_gateway_passes_on_how_long_to_wait(
    in_front: Callable[..., Service], prefix: str
) -> None:
    gateway = in_front(DEBUG_RATE="2/second")
    path = through_gateway(prefix)
    claims = ({"X-Forwarded-For": f"10.0.0.{number}"} for number in range(250))
    answers = (ask(gateway, "GET", path, "guess", **claim) for claim in claims)
    refused = next(answer for answer in answers if answer.status != 401)
    assert (refused.status, json.loads(refused.body)["error"]) == (429, "too-fast")
    wait_s = int(refused.headers["retry-after"])
    assert wait_s >= 1
    time.sleep(wait_s)
    answer = ask(gateway, "GET", path, "guess")
    assert (answer.status, json.loads(answer.body)["error"]) == (401, "debug-token")


@pytest.mark.parametrize("prefix", ROUTED)
def test_the_gateway_lends_its_token_to_nobody(
    in_front: Callable[..., Service], prefix: str
) -> None:
    gateway = in_front(DEBUG_RATE="100000/minute")
    path = through_gateway(prefix)
    for token in WRONG:
        assert ask(gateway, "GET", path, token).status == 401
    # A header that is named here is for the next hop alone.
    assert ask(gateway, "GET", path, TOKEN, Connection="X-Debug-Token").status == 401
    for spelling in [*other_spellings(path), path.replace("/debug", "/x/../debug")]:
        assert ask(gateway, "GET", spelling).status in {401, 404}, spelling


@pytest.mark.parametrize("name", NAMES)
def test_work_needs_no_token(
    gateway: Running, engine: Running, statistics: Running, payment: Supervisor, name: str
) -> None:
    running = {"gateway": gateway, "game-engine": engine, "analytics": statistics}
    url = payment.url if name == "payment" else running[name].url
    for method, path, body in WORK[name].values():
        address = urlsplit(url)
        with closing(HTTPConnection(address.hostname or "", address.port, timeout=WAIT_S)) as http:
            own = {"spin_id": uuid.uuid4().hex[:12]}
            content = json.dumps({**body, **own} if body and "spin_id" in body else body)
            http.request(
                method, path, content if body else None, {"Content-Type": "application/json"}
            )
            answer = http.getresponse()
            assert answer.status in {200, 201}, (path, answer.read())
