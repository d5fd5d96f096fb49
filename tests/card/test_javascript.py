"""Events of the payment service, as they are shown: written by another SDK, or about its death."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kit.provenance.meanings import DEATH, OURS, SDK_BLIND_BECAUSE
from kit.provenance.origin import Origin, is_death, origin, origin_at
from kit.provenance.python_source import Source
from kit.reading.payload import leaves
from kit.views.card import event_card
from kit.workshop import Workshop

from .page import Page, events_of

Event = Mapping[str, Any]

ROUTES = (
    *("payment/crash", "payment/error?type=declined", "payment/error?type=insufficient-funds"),
    *("payment/error?type=type", "payment/error?type=custom", "payment/promise-rejection"),
    *("payment/async-error", "payment/memory-leak", "payment/heap-exhaustion"),
    *("payment/event-loop-block", "payment/stack-overflow"),
)


@pytest.fixture(scope="module")
def captured(workshop: Workshop) -> dict[str, list[Event]]:
    """What was captured of the payment service, by crash type."""
    return {
        route: [
            event
            for event in events_of(workshop.trigger(route))
            if "sentry.javascript" in event["sdk"]["name"] or is_death(event)
        ]
        for route in ROUTES
    }


def its_own(captured: dict[str, list[Event]], route: str) -> Event:
    """Return the event that the process itself wrote."""
    (event,) = [event for event in captured[route] if not is_death(event)]
    return event


def death(captured: dict[str, list[Event]], route: str) -> Event:
    """Return the event about the death of the process."""
    (event,) = [event for event in captured[route] if is_death(event)]
    return event


@pytest.mark.parametrize(
    ("route", "line"),
    [
        ("payment/crash", "verdict.replace("),
        ("payment/error?type=declined", "throw new CardDeclined("),
        ("payment/error?type=type", "total.toFixed("),
        ("payment/error?type=custom", "throw new SettlementError("),
        ("payment/promise-rejection", "mailbox.letters += 1;"),
        ("payment/async-error", "answer.value.score"),
        ("payment/memory-leak", "throw new ArchiveFull("),
        ("payment/stack-overflow", "refund"),
    ],
)
def test_the_first_line_is_the_guilty_one_of_ours(
    route: str, line: str, captured: dict[str, list[Event]]
) -> None:
    page = Page(event_card(its_own(captured, route)))
    assert line in page.all("mark", "cw-current")[0].text


def test_files_are_named_without_the_folders_of_this_machine(
    captured: dict[str, list[Event]],
) -> None:
    stack = Page(event_card(its_own(captured, "payment/error?type=custom"))).part("Stack trace")
    assert "confirmPayment in demo_services/payment/src/debug/errors.js:" in stack
    assert "node_modules/router/lib/layer.js" in stack
    assert str(Path.home()) not in stack
    assert str(Path(__file__).parents[2]) not in stack


def test_the_source_is_coloured_as_javascript(captured: dict[str, list[Event]]) -> None:
    page = Page(event_card(its_own(captured, "payment/error?type=type")))
    assert "const" in [each.text for each in page.all("span", "cw-kd")]


def test_an_excerpt_of_source_may_begin_inside_of_a_comment() -> None:
    frame = {
        "filename": "/home/ada/demo_services/payment/src/a.js",
        "in_app": True,
        "lineno": 3,
        "pre_context": [" * A const of one.", " */"],
        "context_line": "const a = b();",
    }
    event = {"exception": {"values": [{"type": "E", "stacktrace": {"frames": [frame]}}]}}
    page = Page(event_card(event))
    # On the first screen, and in the stack trace.
    assert [each.text for each in page.all("span", "cw-kd")] == ["const"] * 2
    assert [each.text.split()[-1] for each in page.all("span", "cw-lineno")] == ["1", "2", "3"]


def test_internals_of_node_are_folded(captured: dict[str, list[Event]]) -> None:
    page = Page(event_card(its_own(captured, "payment/crash")))
    folded = "".join(each.text for each in page.all("details", "cw-library"))
    shown = "".join(each.text for each in page.all("div", "cw-frame"))
    assert "node:internal/timers" in folded
    assert "node:internal/timers" not in shown


def test_quotes_tell_text_from_numbers(captured: dict[str, list[Event]]) -> None:
    stack = Page(event_card(its_own(captured, "payment/error?type=type"))).part("Stack trace")
    assert 'total "102.5"' in stack
    assert 'terms {name: "weekend", fee: "2.5"}' in stack
    assert "payment <Payment>" in stack


def test_a_cause_hangs_below_what_it_caused(captured: dict[str, list[Event]]) -> None:
    page = Page(event_card(its_own(captured, "payment/error?type=custom")))
    chain = page.part("Exception chain")
    assert chain.index("SettlementError") < chain.index("↳ caused by SyntaxError")


def test_calls_from_the_same_line_are_counted(captured: dict[str, list[Event]]) -> None:
    page = Page(event_card(its_own(captured, "payment/stack-overflow")))
    assert "↻ called itself from this line" in page.part("Stack trace")
    shown = [each.text for each in page.all("div", "cw-frame")]
    assert len(shown) <= 2


def test_a_long_recursion_stays_short() -> None:
    frame = {"filename": "/a.js", "function": "f", "in_app": True, "context_line": "f();"}
    frames = [{**frame, "lineno": 3 + number % 2} for number in range(400)]
    frames += [{**frame, "lineno": 9}] * 400
    event = {"exception": {"values": [{"type": "E", "stacktrace": {"frames": frames}}]}}
    page = Page(event_card(event))
    assert len(page.all("mark", "cw-current")) == 12
    assert "called itself from this line 399 more times" in page.part("Stack trace")
    assert "389 more frames" in page.part("Stack trace")


def test_a_blocked_loop_shows_source_that_the_event_lacks(
    captured: dict[str, list[Event]],
) -> None:
    event = its_own(captured, "payment/event-loop-block")
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert not any("context_line" in frame for frame in frames)
    page = Page(event_card(event))
    assert "countUnmatched in demo_services/payment/src" in page.part("Stack trace")
    assert "theirs.includes(ours[i])" in page.part("Stack trace")
    assert "the code is read from the file" in page.part("Stack trace")
    assert "Nothing was thrown" in page.part("Level and mechanism")


def test_no_file_is_read_that_is_not_ours() -> None:
    frames = [
        {"filename": file, "lineno": 1, "in_app": True}
        for file in ("/etc/passwd", "demo_services/../../etc/passwd", __file__)
    ]
    event = {"exception": {"values": [{"type": "E", "stacktrace": {"frames": frames}}]}}
    assert Page(event_card(event)).all("mark", "cw-current") == []


def test_breadcrumbs_have_times_of_day_when_the_event_has_none(
    captured: dict[str, list[Event]],
) -> None:
    event = its_own(captured, "payment/event-loop-block")
    assert "timestamp" not in event
    page = Page(event_card(event))
    assert "times of day" in page.part("Breadcrumbs")
    assert all(each.text.count(":") == 2 for each in page.all("span", "cw-offset")[:-1])


def test_integrations_are_listed_once(captured: dict[str, list[Event]]) -> None:
    event = its_own(captured, "payment/async-error")
    integrations = event["sdk"]["integrations"]
    sdk = Page(event_card(event)).part("SDK and integrations")
    assert len(integrations) == 2 * len(set(integrations))
    assert f"({len(set(integrations))}, each of them listed twice)" in sdk
    assert sdk.count("OnUnhandledRejection") == 1
    assert integrations[-1] in sdk


def test_bytes_can_be_read(captured: dict[str, list[Event]]) -> None:
    assert "GiB)" in Page(event_card(its_own(captured, "payment/async-error"))).part("Contexts")


@pytest.mark.parametrize("route", ["payment/crash", "payment/heap-exhaustion"])
def test_a_death_is_said_to_be_told_from_outside(
    route: str, captured: dict[str, list[Event]]
) -> None:
    event = death(captured, route)
    page = Page(event_card(event))
    head = " ".join(page.one("header").text.split())
    assert "Written by the supervisor, sent by Sentry's Python SDK" in head
    told = page.part("Written from outside")
    assert "The process did not write this event" in told
    assert SDK_BLIND_BECAUSE[event["exception"]["values"][0]["type"]] in told
    last_line = event["contexts"]["stderr"]["last_lines"][-1]
    assert " ".join(last_line.split()) in page.part("Last lines on stderr")


def test_only_a_death_is_told_from_outside(captured: dict[str, list[Event]]) -> None:
    titles = [each.text for each in Page(event_card(its_own(captured, "payment/crash"))).all("h4")]
    assert "Written from outside" not in titles
    assert "Last lines on stderr" not in titles


@pytest.mark.parametrize("route", ROUTES)
def test_every_field_of_our_contexts_has_a_meaning(
    route: str, captured: dict[str, list[Event]]
) -> None:
    assert captured[route]
    for event in captured[route]:
        meanings = DEATH if is_death(event) else OURS
        found = {leaf: origin_at(event, leaf) for leaf in leaves(event["contexts"], ("contexts",))}
        ours = {
            leaf: each.why
            for leaf, each in found.items()
            if each.who in ("our code", "the supervisor")
        }
        assert len(ours) > 15
        assert [leaf for leaf, why in ours.items() if why not in meanings.values()] == []


@pytest.mark.parametrize(
    ("route", "path", "who", "code"),
    [
        ("payment/crash", "level", "the OnUncaughtException integration", 'level: "fatal"'),
        ("payment/error?type=declined", "level", "our code", "level: 'info'"),
        ("payment/error?type=insufficient-funds", "level", "our code", "setLevel('fatal')"),
        ("payment/memory-leak", "fingerprint", "our code", "'out-of-memory'"),
        ("payment/crash", "contexts.process.rss_mb", "our code", "rss_mb: round(rss / MB)"),
        ("payment/crash", "contexts.express.route", "our code", "route,"),
        ("payment/crash", "contexts.payment.stage", "our code", "this.stage = stage;"),
        ("payment/crash", "user.username", "our code", "Sentry.setUser("),
        ("payment/crash", 'tags."http.route"', "our code", "'http.route': route"),
        ("payment/crash", "breadcrumbs[-1].message", "our code", "Sentry.addBreadcrumb("),
        ("payment/crash", "release", "the option release", "release,"),
        ("payment/crash", "server_name", "the option server_name", "serverName: name"),
        ("payment/crash", "request.url", "the RequestData integration", "absoluteUrl"),
        ("payment/crash", "transaction", "the Express integration", "setTransactionName("),
        ("payment/crash", "contexts.device.arch", "the Context integration", "os.arch()"),
        (
            "payment/error?type=declined",
            "exception.values[0].mechanism.type",
            "our code",
            "Sentry.captureException(",
        ),
    ],
)
def test_who_did_it(
    route: str, path: str, who: str, code: str, captured: dict[str, list[Event]]
) -> None:
    found = origin(its_own(captured, route), path)
    assert found.who == who
    assert code in (found.code or "")


def test_a_death_is_traced_to_the_lines_that_report_it(captured: dict[str, list[Event]]) -> None:
    event = death(captured, "payment/heap-exhaustion")
    found = {path: origin(event, path) for path in ("contexts.process.signal", "tags.death")}
    assert all(each.who == "the supervisor" for each in found.values())
    assert all(path.rpartition(".")[2] in line_of(each) for path, each in found.items())
    assert "not those of the one that died" in origin(event, "modules").why


def line_of(found: Origin) -> str:
    """Return the line that an origin points at."""
    assert found.file
    assert found.line
    root = Path(importlib.import_module(found.file.split("/")[0]).__file__ or "").parents[1]
    return (root / found.file).read_text(encoding="utf-8").splitlines()[found.line - 1]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script of a package named shop."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "shop" / "till.js"


@pytest.mark.parametrize(
    ("code", "kind", "name", "line"),
    [
        ("Sentry.setTag('a', 1)", "tag", "a", 1),
        ("let x;\nscope.setTags({\n 'a.b': 1,\n b})", "tag", "b", 4),
        ("Sentry.setTag(name, 1)", "tag", None, 1),
        ("Sentry\n .getIsolationScope()\n .setLevel('fatal')", "level", None, 1),
        ("captureException(error, { tags: {\n a } })", "tag", "a", 2),
        ("captureException(error, { level: 'info' })", "level", None, 1),
        ("Sentry.init({\n serverName: name })", "option", "server_name", 2),
        ("f(() => Sentry.setContext('a', {}))", "context", "a", 1),
    ],
)
def test_statements_are_found(
    code: str, kind: str, name: str | None, line: int, script: Path
) -> None:
    script.write_text(code, encoding="utf-8")
    found = [(site.kind, site.name, site.place.line) for site in Source(("shop",)).sites]
    assert (kind, name, line) in found


@pytest.mark.parametrize(
    ("code", "key", "line"),
    [
        ("Sentry.setContext('a', {\n b: 1 })", "b", 2),
        ("class A {\n read() {\n return { b } } }\nsetContext('a', gauge.read())", "b", 3),
        ("class A { go() {\n this.b = 1;\n setContext('a', { ...this }) } }", "b", 2),
    ],
)
def test_names_of_a_context_are_found(code: str, key: str, line: int, script: Path) -> None:
    script.write_text(code, encoding="utf-8")
    (site,) = Source(("shop",)).sites
    assert site.keys[key].line == line


@pytest.mark.parametrize(
    ("text", "message", "fits"),
    [
        ("'paid'", "paid", True),
        ("'paid'", "unpaid", False),
        ("`${a} paid ${f({ b })} to ${c}`", "ada paid 5 to bob", True),
        ("`${a} paid ${f({ b })} to ${c}`", "ada paid 5 for bob", False),
        ("text()", "anything", True),
    ],
)
def test_messages_fit_the_text_that_writes_them(
    text: str, message: str, fits: bool, script: Path
) -> None:
    script.write_text(f"Sentry.addBreadcrumb({{ message: {text} }})", encoding="utf-8")
    (site,) = Source(("shop",)).sites
    assert site.can_write(message) is fits


@pytest.mark.parametrize("broken", ["Sentry.setTag(", "}{", "\ufffd`${", "setContext('a', {"])
def test_broken_source_is_survived(broken: str, script: Path) -> None:
    script.write_text(broken, encoding="utf-8")
    assert len(Source(("shop",)).sites) < 2
