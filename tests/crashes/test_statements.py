"""What the crash types say is asserted, or names the page of documentation that says it."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import jmespath
import pytest

from demo_services.trace import start_span
from kit.crashes import pages
from kit.crashes.catalogue import CRASHES, find_crash
from kit.crashes.crash_type import Assertion, Captured, CrashType, NotCaptured
from kit.crashes.expectation import find_missing, find_unexpected
from kit.crashes.pages import ALERTS
from kit.outcome import Outcome
from kit.reading.server.references import Reference
from kit.reading.spans import spans
from kit.workshop import Workshop

# A loop holds the game engine for LOOP_S: of the spins meanwhile one waits for most of that.
LONG_S = 0.4
LOOP_S = 3
LOOPS = 3
PATIENCE_S = 30.0

ALERT = re.compile(r"\balert", re.IGNORECASE)
# What only Sentry's servers do. What an SDK does is fired, and asserted.
SERVERS = re.compile(
    r"\balert|\bissues?\b|N\+1|regress|crash-free|first seen|suspect commit|\bserver-side\b"
    r"|Sentry's servers|\bSentry (can|groups|counts|detects|finds|links|marks|shows|stores)\b",
    re.IGNORECASE,
)
ABSENCES = [(crash, absence) for crash in CRASHES for absence in crash.not_captured]
absences = pytest.mark.parametrize(
    ("crash", "absence"), ABSENCES, ids=[f"{c.full_id}-{a.what}" for c, a in ABSENCES]
)
PAGES = [page for page in vars(pages).values() if isinstance(page, Reference)]


def named(absence: NotCaptured) -> list[Reference]:
    return [page for page in (absence.documented, absence.servers) if page]


def unlinked(crash: CrashType) -> list[str]:
    """The statements of a crash type about Sentry's servers that name no page."""
    said = [crash.title, crash.happens, crash.fix, *(claim.why for claim in crash.captured)]
    found = [text for text in said if SERVERS.search(text)]
    for absence in crash.not_captured:
        text = " ".join((absence.what, absence.why, absence.instead))
        if ALERT.search(text):
            found += [text] * (absence.servers is not ALERTS)
        elif SERVERS.search(text) and not named(absence):
            found.append(text)
    return found


@absences
def test_an_absence_is_asserted_in_one_way_or_documented(
    crash: CrashType, absence: NotCaptured
) -> None:
    given = [bool(each) for each in (absence.path, absence.asserted, absence.documented)]
    assert sum(given) == 1, (
        f"{crash.full_id} says that {absence.what!r} is not captured. Give it exactly one of: a "
        "path that is absent in the event, what is asserted instead, the page that documents it."
    )


@absences
def test_a_path_belongs_to_an_event_that_arrives(crash: CrashType, absence: NotCaptured) -> None:
    if absence.path:
        assert absence.error < len(crash.errors), "There is no event to search: assert otherwise."
    else:
        assert absence.error == 0


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.full_id)
def test_a_statement_about_the_servers_names_its_page(crash: CrashType) -> None:
    assert unlinked(crash) == [], (
        "Only documentation says what Sentry's servers do, and only not_captured shows a page: "
        "give servers= there, that of alerts for an alert, or do not speak of them."
    )


CRASH, _ = find_crash("gateway/panic", {})


@pytest.mark.parametrize(
    "changes",
    [
        {"happens": "Sentry groups it with the others."},
        {"fix": "Alert on the balance."},
        {"captured": (Captured("level", "Makes it an issue."),)},
        {"not_captured": (NotCaptured("a", "Sentry's servers do.", "c", "user"),)},
        {"not_captured": (NotCaptured("a", "b", "Alert on it.", documented=pages.N_PLUS_ONE),)},
    ],
    ids=["happens", "fix", "captured", "servers", "another page than that of alerts"],
)
def test_a_statement_without_its_page_is_found(changes: dict[str, Any]) -> None:
    assert len(unlinked(replace(CRASH, **changes))) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_a_page_has_an_address_and_a_date_and_is_named_somewhere(page: Reference) -> None:
    assert page.url.startswith("https://")
    read = datetime.strptime(page.read, "%Y-%m").replace(tzinfo=UTC)
    assert re.fullmatch(r"\d{4}-\d{2}", page.read)
    assert read <= datetime.now(UTC)
    assert any(page in named(absence) for _, absence in ABSENCES), "No statement names it."


def test_a_page_is_declared_once() -> None:
    assert len({page.url for page in PAGES}) == len(PAGES)
    assert {id(page) for _, absence in ABSENCES for page in named(absence)} <= set(map(id, PAGES))


def paths() -> Iterator[str]:
    yield from dict.fromkeys(absence.path for _, absence in ABSENCES if absence.path)


def stack(**variables: Any) -> dict[str, Any]:
    """An event whose only frame has these local variables."""
    return {"exception": {"values": [{"stacktrace": {"frames": [{"vars": variables}]}}]}}


# Where a path finds what another event of the same system has ...
FOUND_ELSEWHERE = {
    "exception.values[-1].stacktrace.frames[?function=='get'] | [0]": "game-engine/crash",
    "exception.values[-1].stacktrace.frames[?function=='report_round'] | [0]": (
        "game-engine/threading-error"
    ),
    "exception.values[?type=='CancelledError'] | [0]": "game-engine/async-error",
    "exception.values[?!contains(value, 'at least 700 ms')] | [0]": "payment/crash",
    "contexts.*.keys(@)[] | [?contains(@, 'wait') || contains(@, 'queue')] | [0]": (
        "analytics/timeout"
    ),
    "contexts.gateway": "analytics/timeout",
    "contexts.process.exit_code": "payment/crash",
    "contexts.stderr.last_lines": "payment/heap-exhaustion",
    "fingerprint": "game-engine/error?type=value",
}
# ... and what it would find, had it been captured.
WOULD_FIND = {
    "exception.values[-1].stacktrace.frames[].vars.[ODDS, self.machine][] | [0]": (
        stack(ODDS={"cherry": 3}),
        stack(self={"machine": "SlotMachine()"}),
    ),
    "exception.values[-1].stacktrace.frames[].vars.[announce, hook._cells][] | [0]": (
        stack(announce="<function announce>"),
        stack(hook={"_cells": []}),
    ),
    "exception.values[-1].stacktrace.frames[].vars.cache._replays | [0]": (
        stack(cache={"_replays": ["b'…'"]}),
    ),
    "[user.ip_address, request.env.REMOTE_ADDR] | [?@] | [0]": (
        {"user": {"ip_address": "192.0.2.7"}},
        {"request": {"env": {"REMOTE_ADDR": "192.0.2.7"}}},
    ),
    "contexts.*.keys(@)[] | [?contains(@, 'request') || contains(@, 'flight')] | [0]": (
        {"contexts": {"load": {"requests": 3}}},
        {"contexts": {"load": {"in_flight": 3}}},
    ),
    "contexts.*.trace_id | [1]": (
        {"contexts": {"trace": {"trace_id": "a"}, "first": {"trace_id": "b"}}},
    ),
    "[contexts.response] | [?status_code >= `400`] | [0]": (
        {"contexts": {"response": {"status_code": 500}}},
    ),
}


@pytest.mark.parametrize("path", FOUND_ELSEWHERE)
def test_a_path_finds_what_another_event_has(
    path: str, recorded_crashes: Mapping[str, Outcome]
) -> None:
    assert path in paths()
    events = recorded_crashes[FOUND_ELSEWHERE[path]].events
    assert any(jmespath.search(path, dict(event)) is not None for event in events)


@pytest.mark.parametrize("path", WOULD_FIND)
def test_a_path_would_find_what_was_captured(path: str) -> None:
    assert path in paths()
    for event in WOULD_FIND[path]:
        assert jmespath.search(path, event) is not None


def test_the_declared_event_is_searched(recorded_crashes: Mapping[str, Outcome]) -> None:
    outcome = recorded_crashes["game-engine/threading-error"]
    (absence,) = (each for each in outcome.crash.not_captured if each.error)
    in_first = replace(outcome.crash, not_captured=(replace(absence, error=0),))
    assert find_missing(outcome.crash, outcome.items) == []
    assert find_missing(in_first, outcome.items) == [f"absence of {absence.path}"]


def test_a_service_span_that_was_said_to_be_lost_is_named(
    recorded_crashes: Mapping[str, Outcome],
) -> None:
    outcome = recorded_crashes["payment/crash"]
    gateway = next(item for item in outcome.items if item.has_segment and item.project == "gateway")
    items = [*outcome.items, replace(gateway, project="payment")]
    assert find_missing(outcome.crash, items) == ["absence of a service span of payment"]


@pytest.mark.parametrize(
    ("crash", "absence"),
    [pair for pair in ABSENCES if pair[1].asserted is Assertion.NO_OTHER_EVENT],
    ids=lambda value: getattr(value, "full_id", ""),
)
def test_an_error_event_that_was_said_not_to_arrive_is_named(
    crash: CrashType, absence: NotCaptured, recorded_crashes: Mapping[str, Outcome]
) -> None:
    outcome = recorded_crashes[crash.full_id]
    assert find_unexpected(crash, outcome.items) == []
    (another,) = (item for item in recorded_crashes["gateway/panic"].items if item.type == "event")
    assert find_unexpected(crash, [*outcome.items, another]) == [
        "undeclared error event ZeroDivisionError of gateway"
    ]


@pytest.mark.slow
def test_a_request_that_waited_for_the_loop_shows_it_only_against_its_caller(
    workshop: Workshop,
) -> None:
    # On a busy machine some are slow for reasons of their own, and may be the only ones.
    assert any(
        waited_for_the_loop(workshop, trace_id)
        for _ in range(LOOPS)
        for trace_id in spins_beside_a_loop(workshop)
    )


def spins_beside_a_loop(workshop: Workshop) -> list[str]:
    """Block the loop of the game engine; return the traces of the spins that took long."""
    answered = threading.Event()
    trigger = partial(workshop.trigger, on_answer=lambda _: answered.set())
    with ThreadPoolExecutor(1) as pool:
        looping = pool.submit(trigger, "game-engine/infinite-loop", seconds=LOOP_S)
        # Not longer: the profile is sent when no span is open.
        slow = list(slow_spins(workshop, answered))
        # What the loop itself sends is asked elsewhere: beside spins its profile may come late.
        looping.result()
    return slow


def slow_spins(workshop: Workshop, end: threading.Event) -> Iterator[str]:
    """Spin until the end; yield the traces of the spins that took long."""
    while not end.is_set():
        began = time.monotonic()
        with workshop.reporting(), start_span(op="test", name="spin") as span:
            assert workshop._gateway.spin("ada", 10).is_success
        if time.monotonic() - began > LONG_S:
            yield span.trace_id


def waited_for_the_loop(workshop: Workshop, trace_id: str) -> bool:
    """Whether the game engine began late, and was fast from then on."""
    caller, engine = (
        next(
            each
            for each in spans([workshop.store.wait_for_segment(trace_id, PATIENCE_S, service)])
            if each.is_segment
        )
        for service in ("gateway", "game-engine")
    )
    return (
        caller.duration > LONG_S
        and engine.start - caller.start > LONG_S / 2
        and engine.duration < caller.duration / 2
    )
