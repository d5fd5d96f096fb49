"""The line of an event card about the fault that caused the error."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from openfeature import api
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from sentry_sdk.integrations.openfeature import OpenFeatureHook

from demo_services.redaction import redact_event
from demo_services.services import GAME_ENGINE
from demo_services.telemetry import sentry_options
from kit.course.recording_transport import RecordingTransport
from kit.provenance import injections
from kit.provenance.injections import FAULT_NAMES, KnownInjection, KnownInjections
from kit.provenance.origin import origin
from kit.reliability.faults.catalogue import FAULTS, HANGS_FAULT
from kit.system.clients import use_client
from kit.views.card import event_card

from .page import Page

TRACE = "7f" * 16
INJECTION = KnownInjection("payment-fails", "payment-fails", 1.0, 7, 0.0, 1e12)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> KnownInjections:
    """The injections of this process, none at first."""
    known = KnownInjections()
    monkeypatch.setattr(injections.injection_lines, "__defaults__", (known,))
    return known


def make_event(flag: str = "payment-fails", result: Any = True, trace: str = TRACE) -> Any:
    return {
        "timestamp": time.time(),
        "contexts": {
            "trace": {"trace_id": trace, "span_id": "1" * 16},
            "flags": {"values": [{"flag": flag, "result": result}]},
        },
    }


def said(event: Any) -> list[str]:
    page = Page(event_card(event))
    found = [each for each in page.elements if "cw-injected" in each.attributes.get("class", "")]
    return [" ".join(each.text.split()).removeprefix("⚑ ") for each in found]


def test_an_injection_of_this_process_is_named_with_its_share_and_seed(
    known: KnownInjections,
) -> None:
    known.remember(INJECTION)
    assert said(make_event()) == ["This error was injected by payment-fails (100 %, seed 7)."]


def test_one_of_another_process_is_called_a_flag(known: KnownInjections) -> None:
    assert said(make_event()) == ["The flag payment-fails was on when this happened."]


@pytest.mark.parametrize(
    "event",
    [
        make_event(result=False),
        make_event(result="true"),
        make_event(flag="new-reels"),
        {"contexts": {"flags": {"values": [None, {"flag": ["a"], "result": True}]}}},
        {"contexts": {"flags": "payment-fails"}},
        {},
    ],
)
def test_nothing_is_said_of_what_is_no_fault_or_off(known: KnownInjections, event: Any) -> None:
    known.remember(INJECTION)
    assert said(event) == []


def test_an_injection_does_not_explain_an_event_before_it_or_one_that_it_does_not_hit(
    known: KnownInjections,
) -> None:
    known.remember(KnownInjection("payment-fails", "a-flag", 0.5, 7, 1000.0, 1060.0))
    traces = [f"{number:032x}" for number in range(40)]
    events = [{**make_event("a-flag", trace=trace), "timestamp": 1030.0} for trace in traces]
    named = [bool(said(event)) for event in events]
    assert named == [known.find("a-flag", trace, None) is not None for trace in traces]
    assert 0 < sum(named) < 40
    assert said({**events[named.index(True)], "timestamp": 900.0}) == []


def test_a_hidden_injection_is_named_once_it_is_revealed(known: KnownInjections) -> None:
    known.remember(
        KnownInjection("mongo-down", "r-1", 1.0, 7, 0.0, 1e12, makes_errors=True, is_hidden=True)
    )
    event = make_event("r-1")
    assert said(event) == ["The flag r-1 was on when this happened."]
    known.unhide({"r-1"})
    assert said(event) == [
        "This error was injected by mongo-down, as the flag r-1 (100 %, seed 7)."
    ]


def test_a_fault_that_makes_no_errors_is_not_said_to_have_made_this_one(
    known: KnownInjections,
) -> None:
    known.remember(
        KnownInjection("payment-slow", "payment-slow", 1.0, 7, 0.0, 1e12, makes_errors=False)
    )
    assert said(make_event("payment-slow")) == [
        "This request was hit by payment-slow (100 %, seed 7)."
    ]


def test_a_no_op_does_nothing(known: KnownInjections) -> None:
    known.remember(KnownInjection(None, "no-op", 1.0, 7, 0.0, 1e12))
    assert said(make_event("no-op")) == [
        "The flag no-op was on when this happened. It is a no-op: it does nothing."
    ]


def test_the_name_of_a_flag_is_escaped(known: KnownInjections) -> None:
    flag = "<b>x</b>"
    known.remember(KnownInjection("mongo-down", flag, 1.0, 7, 0.0, 1e12))
    assert flag in said(make_event(flag))[0]


def test_all_faults_are_named() -> None:
    assert {fault.name for fault in (*FAULTS, HANGS_FAULT)} == FAULT_NAMES


@pytest.fixture
def evaluated() -> Iterator[dict[str, Any]]:
    """An event of our game engine, in which OpenFeature evaluated a boolean and a number."""
    flags: dict[str, InMemoryFlag[Any]] = {
        "payment-down": InMemoryFlag("on", {"on": True}),
        "delay-ms": InMemoryFlag("long", {"long": 2500}),
    }
    api.set_provider(InMemoryProvider(flags), domain="test-injected")
    transport = RecordingTransport()
    options = sentry_options(GAME_ENGINE) | {"transport": transport}
    evaluator = api.get_client(domain="test-injected")
    evaluator.add_hooks([OpenFeatureHook()])
    with use_client(sentry_sdk.Client(dsn="http://key@127.0.0.1:9/1", **options)):
        evaluator.get_boolean_value("payment-down", False)
        evaluator.get_integer_value("delay-ms", 0)
        sentry_sdk.capture_message("spin")
    (event,) = transport.events
    yield event
    api.clear_providers()


def test_openfeature_put_the_flags_there_and_redaction_lets_them_pass(
    evaluated: dict[str, Any],
) -> None:
    flags = {"values": [{"flag": "payment-down", "result": True}]}
    assert evaluated["contexts"]["flags"] == flags
    assert redact_event(evaluated, {})["contexts"]["flags"] == flags
    found = origin(evaluated, "contexts.flags.values[0].result")
    assert found.who == "OpenFeatureIntegration"
    assert found.file == "sentry_sdk/integrations/openfeature.py"


def test_flags_of_a_program_without_openfeature_are_of_the_scope(
    evaluated: dict[str, Any],
) -> None:
    foreign = {**evaluated, "server_name": "shop", "release": "shop@1"}
    assert origin(foreign, "contexts.flags.values[0].result").who == "the SDK's scope"
    integrations = [*evaluated["sdk"]["integrations"], "openfeature"]
    with_it = {**foreign, "sdk": {**evaluated["sdk"], "integrations": integrations}}
    assert origin(with_it, "contexts.flags.values[0].result").who == "OpenFeatureIntegration"
