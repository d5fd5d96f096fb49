import importlib
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk

from demo_services import payment
from demo_services.services import SERVICES
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType
from kit.hosting import node
from kit.outcome import Outcome
from kit.provenance import node_sdk as node_facts
from kit.provenance import python_sdk as facts
from kit.provenance.origin import UNKNOWN, keys, origin, origin_at, sdk_place
from kit.provenance.python_sdk import Fact
from kit.provenance.python_source import Source
from kit.reading.payload import leaves

from .collected import Collected
from .page import events_of

Event = dict[str, Any]

PYMONGO = "PyMongoIntegration"


@pytest.fixture(scope="module")
def events(recorded_crashes: Mapping[str, Outcome]) -> dict[str, list[Event]]:
    """The error events of each crash type."""
    return {full_id: events_of(outcome) for full_id, outcome in recorded_crashes.items()}


@pytest.mark.parametrize("fact", facts.ALL, ids=lambda fact: f"{fact.path} {fact.who}")
def test_the_installed_sdk_does_what_the_facts_say(fact: Fact) -> None:
    place = sdk_place(fact.module, fact.statement)
    if fact.is_gone:
        assert place is None
        return
    assert place, f"sentry_sdk.{fact.module} has no {fact.statement}"
    source = importlib.import_module(f"sentry_sdk.{fact.module}").__file__
    line = Path(source or "").read_text(encoding="utf-8").splitlines()[place.line - 1]
    assert fact.statement in line


@pytest.mark.parametrize("fact", node_facts.ALL, ids=lambda fact: f"{fact.path} {fact.who}")
def test_the_sdk_for_node_does_what_the_facts_say(fact: Fact) -> None:
    modules = node.install_packages(payment.HOME, node.find_node(), print)
    place = sdk_place(fact.module, fact.statement)
    assert place, f"{fact.module} has no {fact.statement}"
    line = (modules / place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]
    assert fact.statement in line


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_every_value_of_every_event_has_an_origin(
    crash: CrashType, events: dict[str, list[Event]]
) -> None:
    assert len(events[crash.full_id]) == len(crash.errors)
    for event in events[crash.full_id]:
        origins = {leaf: origin_at(event, leaf) for leaf in leaves(event)}
        assert [leaf for leaf, found in origins.items() if found.who == UNKNOWN] == []
        assert [leaf for leaf, found in origins.items() if not found.why] == []


@pytest.mark.parametrize("crash", [c for c in CRASHES if c.errors], ids=lambda c: c.full_id)
def test_a_line_of_ours_is_where_it_is_said_to_be(
    crash: CrashType, events: dict[str, list[Event]]
) -> None:
    ours = 0
    for event in events[crash.full_id]:
        for leaf in leaves(event):
            found = origin_at(event, leaf)
            if found.who not in ("our code", "the supervisor"):
                continue
            ours += 1
            assert found.file
            assert found.line
            root = Path(importlib.import_module(found.file.split("/")[0]).__file__ or "").parents[1]
            line = (root / found.file).read_text(encoding="utf-8").splitlines()[found.line - 1]
            assert line.strip() == (found.code or "").splitlines()[0]
    assert ours > 10


@pytest.mark.parametrize(
    "crash", [c for c in CRASHES if any(e.fingerprint for e in c.errors)], ids=lambda c: c.full_id
)
def test_the_line_of_a_fingerprint_holds_its_values(
    crash: CrashType, events: dict[str, list[Event]]
) -> None:
    grouped = [each for each in events[crash.full_id] if each.get("fingerprint")]
    assert grouped
    for event in grouped:
        code = origin(event, "fingerprint").code or ""
        # What varies is written as the name of a variable: the service, the kind of a death.
        varies = {*SERVICES, event["exception"]["values"][-1]["type"]}
        fixed = [value for value in event["fingerprint"] if value not in varies]
        assert [value for value in fixed if value not in code] == []


def test_a_context_is_traced_to_the_line_that_names_the_value(
    events: dict[str, list[Event]],
) -> None:
    (event,) = events["game-engine/crash"]
    found = origin(event, "contexts.process.memory_mb")
    assert found.file == "demo_services/process.py"
    assert (found.code or "").startswith('"memory_mb":')


def test_each_breadcrumb_is_traced_to_its_own_line(events: dict[str, list[Event]]) -> None:
    (event,) = events["game-engine/crash"]
    count = len(event["breadcrumbs"]["values"])
    found = [origin_at(event, ("breadcrumbs", "values", n, "message")) for n in range(count)]
    assert len({(each.file, each.line) for each in found}) == count


@pytest.mark.parametrize(
    ("crash_id", "path", "who"),
    [
        ("game-engine/crash", "request.url", "TornadoIntegration"),
        ("game-engine/crash", "request.env.REMOTE_ADDR", "TornadoIntegration"),
        ("game-engine/crash", "transaction", "TornadoIntegration"),
        ("game-engine/crash", "exception.values[0].mechanism.handled", "TornadoIntegration"),
        ("game-engine/crash", "contexts.trace.op", "TornadoIntegration"),
        ("game-engine/crash", "level", "event_from_exception"),
        ("game-engine/error?type=value", "level", "our code"),
        ("game-engine/error?type=type", "level", "our code"),
        ("game-engine/error?type=value", "exception.values[0].mechanism.type", "our code"),
        ("gateway/panic", "request.url", "SentryAsgiMiddleware"),
        ("gateway/panic", "transaction", "FastApiIntegration"),
        (
            "gateway/panic",
            "exception.values[0].mechanism.type",
            "SentryAsgiMiddleware, put there by StarletteIntegration",
        ),
        ("analytics/timeout", 'breadcrumbs.values[0].data."db.operation.name"', PYMONGO),
        ("gateway/panic", 'tags."http.route"', "our code"),
        ("gateway/panic", "contexts.runtime.name", "StdlibIntegration"),
        ("gateway/panic", 'extra."sys.argv"[0]', "ArgvIntegration"),
        ("gateway/panic", "modules.httpx", "ModulesIntegration"),
        ("gateway/panic", "server_name", "the option server_name"),
        (
            "gateway/panic",
            "exception.values[0].stacktrace.frames[0].vars",
            "the option data_collection",
        ),
        (
            "game-engine/crash",
            "exception.values[0].stacktrace.frames[0].pre_context",
            "the option data_collection",
        ),
        (
            "gateway/panic",
            "exception.values[0].stacktrace.frames[0].in_app",
            "the option in_app_include",
        ),
    ],
)
def test_who_did_it(crash_id: str, path: str, who: str, events: dict[str, list[Event]]) -> None:
    service = crash_id.partition("/")[0]
    # The gateway reports its own timeout, sometimes first.
    event = next(event for event in events[crash_id] if event["server_name"] == service)
    assert origin(event, path).who == who


def test_what_nobody_put_there_is_unknown(events: dict[str, list[Event]]) -> None:
    (event,) = events["game-engine/crash"]
    strange: Event = {
        **event,
        "tags": {"nobody": "sets this"},
        "breadcrumbs": {"values": [{"category": "nobody", "message": "wrote this"}]},
        "invented": 1,
    }
    for path in ("tags.nobody", "breadcrumbs.values[0].message", "invented"):
        assert origin(strange, path).who == UNKNOWN


class Answer(BaseHTTPRequestHandler):
    """Answers every request."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("options", [{}, {"trace_lifecycle": "stream"}], ids=["default", "stream"])
def test_calls_are_told_apart_by_the_library_that_made_them(
    url: str, options: dict[str, Any]
) -> None:
    transport = Collected()
    client = sentry_sdk.Client(dsn="http://key@127.0.0.1:1/1", transport=transport, **options)
    with sentry_sdk.isolation_scope() as isolation, sentry_sdk.new_scope() as current:
        isolation.client = current.client = client
        httpx.get(url, trust_env=False)
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url).close()
        sentry_sdk.capture_message("done")
    client.close()
    (event,) = transport.events
    crumbs = [f"breadcrumbs.values[{n}].data" for n in range(2)]
    assert [origin(event, crumb).who for crumb in crumbs] == [
        "HttpxIntegration",
        "StdlibIntegration",
    ]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty package named shop."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "shop" / "till.py"
    sys.modules.pop("shop", None)


@pytest.mark.parametrize(
    ("code", "kind", "name", "line"),
    [
        ("set_tag('a', 1)", "tag", "a", 1),
        ("x = 1\nscope.set_tags({\n 'a': 1,\n 'b': 2})", "tag", "b", 4),
        ("set_tags(dict(a=1))", "tag", "a", 1),
        ("def tags():\n return {'a': 1}\nset_tags(tags())", "tag", "a", 2),
        ("set_tag(name, 1)", "tag", None, 1),
        ("scope.fingerprint = ['a']", "fingerprint", None, 1),
        ("capture_exception(error, level='fatal')", "level", None, 1),
        ("capture_exception(error, tags={'a': 1})", "tag", "a", 1),
        ("sentry_sdk.init(release='1')", "option", "release", 1),
        ("def my_options():\n return {\n  'release': 1}", "option", "release", 3),
    ],
)
def test_statements_are_found(
    shop: Path, code: str, kind: str, name: str | None, line: int
) -> None:
    shop.write_text(code, encoding="utf-8")
    found = [(site.kind, site.name, site.place.line) for site in Source(("shop",)).sites]
    assert (kind, name, line) in found


@pytest.mark.parametrize(
    ("code", "message", "fits"),
    [
        ("add_breadcrumb(message='paid')", "paid", True),
        ("add_breadcrumb(message='paid')", "unpaid", False),
        ("add_breadcrumb(message=f'{a} paid {b} to {c}')", "ada paid 5 to bob", True),
        ("add_breadcrumb(message=f'{a} paid {b} to {c}')", "ada paid 5 for bob", False),
        ("add_breadcrumb({'message': f'paid {a}'})", "paid 5", True),
        ("add_breadcrumb(message=text())", "anything", True),
        ("log.warning('%s paid %.2f', a, b)", "ada paid 1.50", True),
        ("log.warning('%s paid %.2f', a, b)", "ada got 1.50", False),
        ("add_breadcrumb(message=f'a{x}a')", "a", False),
    ],
)
def test_messages_fit_the_text_that_writes_them(
    shop: Path, code: str, message: str, fits: bool
) -> None:
    shop.write_text(code, encoding="utf-8")
    (site,) = Source(("shop",)).sites
    assert site.can_write(message) is fits


def test_a_hostile_message_does_not_stall_the_search(shop: Path) -> None:
    pieces = "".join("a{x}" for _ in range(40))
    shop.write_text(f"add_breadcrumb(message=f'{pieces}b')", encoding="utf-8")
    (site,) = Source(("shop",)).sites
    assert not site.can_write("a" * 1_000_000)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("tags.service", ("tags", "service")),
        ('extra."sys.argv"[0]', ("extra", "sys.argv", 0)),
        ("exception.values[-1].type", ("exception", "values", -1, "type")),
    ],
)
def test_a_path_is_read_as_its_keys(path: str, found: tuple[str | int, ...]) -> None:
    assert keys(path) == found
