"""Who captured each event and set its values, recorded while it happened: a card says the same."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import fastapi
import httpx
import pytest
from sentry_sdk import Client
from sentry_sdk.integrations import asgi

from demo_services.services import PAYMENT
from kit.crashes.catalogue import CRASHES
from kit.outcome import Event, Outcome
from kit.provenance.origin import Origin, is_death, origin, origin_at
from kit.reading.payload import Path, get_path, is_javascript, leaves
from kit.workshop import Workshop

from .collected import collecting
from .page import events_of
from .recorder import Capture, Recorder, Statement

# The facts that it checks are looked up by fast tests; here they are seen to run.
pytestmark = pytest.mark.slow

QUICK = {
    "gateway/panic": "asgi._capture_exception",
    "game-engine/crash": "tornado._capture_exception",
    "game-engine/error?type=value": "errors.redeem_coupon",
}
# All that have an event that Python wrote: of each death, too.
ALL = [
    crash.full_id
    for crash in CRASHES
    if crash.errors and (crash.service is not PAYMENT or crash.deadly)
]
# What is written when a client is made, once for all of its events.
AT_START = {"release", "environment", "server_name", "dist", "sdk", "in_app", "learner"}


@dataclass
class Recording:
    """The events of crash types, how each came about, and what ran when the services started."""

    captures: Mapping[str, Capture]
    at_start: frozenset[Statement] | None = None
    events: dict[str, list[Event]] = field(default_factory=dict)

    def of(self, crash_id: str) -> Iterator[tuple[Event, Capture]]:
        for event in self.events[crash_id]:
            yield event, self.captures[event["event_id"]]


def written_in_python(outcome: Outcome) -> list[Event]:
    return [event for event in events_of(outcome) if not is_javascript(event)]


@pytest.fixture(scope="module")
def quick(workshop: Workshop) -> Recording:
    """Of a few crash types, in a workshop that ran before."""
    recorder = Recorder()
    recording = Recording(recorder.captures)
    with recorder.on():
        for crash_id in QUICK:
            recorder.clear()
            recording.events[crash_id] = written_in_python(workshop.trigger(crash_id))
    return recording


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Of all crash types, from the start of the workshop on."""
    recorder = Recorder()
    home = tmp_path_factory.mktemp("home")
    with recorder.on(), Workshop.start(home=home, report=lambda line: None) as workshop:
        recording = Recording(recorder.captures, recorder.clear())
        for crash_id in ALL:
            recorder.clear()
            recording.events[crash_id] = written_in_python(workshop.trigger(crash_id))
    return recording


def explained(event: Event) -> list[Path]:
    """Return the paths that a card explains: of values, and of what is drawn as a whole."""
    above: list[Path] = [("breadcrumbs",), ("threads",)]
    for number in range(len(event.get("exception", {}).get("values", ()))):
        value = ("exception", "values", number)
        above += [(*value, "mechanism"), (*value, "stacktrace")]
    return [*leaves(event), *(path for path in above if get_path(event, path))]


def unproven(event: Event, capture: Capture, at_start: frozenset[Statement] | None) -> set[str]:
    """Return what a card says to have been written by a statement that did not run."""
    wrong = set()
    for path in explained(event):
        found = origin_at(event, path)
        if found.file is None or found.line is None:
            continue
        is_of_start = not AT_START.isdisjoint(path)
        if is_of_start and (at_start is None or started_with(found, at_start)):
            continue
        if not capture.has_run(found.file, found.line):
            wrong.add(f"{'.'.join(map(str, path))}: {found.file}:{found.line}")
    return wrong


def started_with(found: Origin, at_start: frozenset[Statement]) -> bool:
    assert found.file
    assert found.line
    return Capture((), at_start).has_run(found.file, found.line)


def check_values(recording: Recording, crash_id: str) -> None:
    assert recording.events[crash_id]
    for event, capture in recording.of(crash_id):
        assert unproven(event, capture, recording.at_start) == set()
        # Nor is it all about the start.
        assert len(capture.statements) > 15


def check_mechanisms(recording: Recording, crash_id: str) -> None:
    for event, capture in recording.of(crash_id):
        if is_death(event):
            assert capture.captured_by == "exits.report_exit"
            continue
        found = origin(event, "exception.values[-1].mechanism.type")
        assert found.file
        assert found.line
        assert capture.was_running(found.file, found.line), f"{found}, not {capture.captured_by}"


@pytest.mark.parametrize("crash_id", QUICK)
def test_a_card_names_the_statements_that_ran(quick: Recording, crash_id: str) -> None:
    check_values(quick, crash_id)


@pytest.mark.parametrize(("crash_id", "function"), QUICK.items())
def test_a_mechanism_names_the_function_that_captured(
    quick: Recording, crash_id: str, function: str
) -> None:
    ((_, capture),) = quick.of(crash_id)
    assert capture.captured_by == function
    check_mechanisms(quick, crash_id)


def test_what_did_not_run_is_noticed(quick: Recording) -> None:
    ((event, capture),) = quick.of("game-engine/crash")
    strange = Event({**event, "tags": {**event["tags"], "promotion": "welcome"}})
    (wrong,) = unproven(strange, capture, None)
    assert wrong.startswith("tags.promotion: demo_services/game_engine/promotions.py:")


def test_an_http_exception_is_captured_elsewhere_than_other_errors() -> None:
    app = fastapi.FastAPI()

    @app.get("/refuse")
    async def refuse() -> None:
        raise fastapi.HTTPException(503)

    @app.get("/fail")
    async def fail() -> None:
        raise LookupError

    async def ask() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            await http.get("/refuse")
            await http.get("/fail")

    recorder = Recorder()
    with recorder.on(), collecting() as events:
        asyncio.run(ask())
    recording = Recording(recorder.captures, events={"any": [Event(each) for each in events]})
    check_mechanisms(recording, "any")
    captured = [
        (origin(event, "exception.values[-1].mechanism.handled").who, capture.captured_by)
        for event, capture in recording.of("any")
    ]
    assert captured == [
        ("StarletteIntegration", "starlette._capture_exception"),
        (
            "SentryAsgiMiddleware, put there by StarletteIntegration",
            "asgi._capture_exception",
        ),
    ]


def test_recording_leaves_nothing_behind() -> None:
    code, capture_event = asgi._capture_exception.__code__, Client.capture_event
    with Recorder().on():
        assert asgi._capture_exception.__code__ is not code
        assert Client.capture_event is not capture_event
    assert asgi._capture_exception.__code__ is code
    assert Client.capture_event is capture_event


@pytest.mark.system
@pytest.mark.parametrize("crash_id", ALL)
def test_each_card_names_the_statements_that_ran(everything: Recording, crash_id: str) -> None:
    check_values(everything, crash_id)


@pytest.mark.system
@pytest.mark.parametrize("crash_id", ALL)
def test_each_mechanism_names_the_function_that_captured(
    everything: Recording, crash_id: str
) -> None:
    check_mechanisms(everything, crash_id)
