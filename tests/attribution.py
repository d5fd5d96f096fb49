"""Fires many crashes at once and sees whether each is reported by the service that had it.

Run alone it prints the result as JSON; ``--naive`` binds one global client instead of one per
service, as two ``sentry_sdk.init()`` calls in one process do.
"""

import argparse
import asyncio
import contextlib
import json
import random
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import sentry_sdk

from demo_services.services import ANALYTICS, FRONTEND, GAME_ENGINE, GATEWAY, PAYMENT
from kit.crashes.catalogue import CRASHES
from kit.crashes.crash_type import CrashType
from kit.crashes.expectation import WATCHDOG, exception_types, is_watchdog, passed_through
from kit.ingest.store import StoredItem
from kit.system.clients import ServiceClient, sentry_off
from kit.trigger import gateway_path
from kit.workshop import Workshop

CONCURRENT = 32
# One request of many queries waits for its turn among all others, query by query.
ANSWER_S = 600.0
ARRIVAL_DEADLINE_S = 60.0
TIMEOUTS = {"ConnectTimeout", "ReadTimeout"}


def is_fickle(crash: CrashType) -> bool:
    """Say whether what a crash type reports depends on what else is going on.

    Who waits for the answer gives up or not; while the event loop stands still, whoever waits at
    the gateway does; deaths take the requests of others with them; the notebook itself has no
    route.
    """
    watched = any(error.chain == (WATCHDOG,) for error in crash.errors)
    waited = crash.deadline_ms is not None
    return crash.deadly or waited or watched or crash.service is FRONTEND


# What is slow once each, what is fickle not among others; of all else as many as there is room for.
FICKLE = [crash for crash in CRASHES if is_fickle(crash)]
SLOW = [crash for crash in CRASHES if crash.slow and crash not in FICKLE]
QUICK = [crash for crash in CRASHES if not crash.slow and crash not in FICKLE]


@dataclass(frozen=True)
class Shot:
    """One request: a crash, or a spin when ``crash`` is None, for a player of its own."""

    crash: CrashType | None
    trace_id: str
    player: str
    through_gateway: bool


@dataclass
class Tally:
    """What became of the error events, service spans and profiles of all shots."""

    requests: int = 0
    errors: int = 0
    segments: int = 0
    profiles: int = 0
    lost: list[str] = field(default_factory=list)
    misattributed: list[str] = field(default_factory=list)
    discarded: dict[str, int] = field(default_factory=dict)


def shots(count: int, seed: int = 1) -> list[Shot]:
    """Return a mix of all crash types and of spins."""
    choice = random.Random(seed)
    mixed = [*SLOW, *(choice.choice([None, *QUICK]) for _ in range(count - len(SLOW)))]
    choice.shuffle(mixed)
    return [
        Shot(crash, uuid.uuid4().hex, f"player-{number}", choice.random() < 0.5)
        for number, crash in enumerate(mixed)
    ]


async def fire(workshop: Workshop, volley: list[Shot]) -> dict[str, str]:
    """Send all shots, at most ``CONCURRENT`` at once; return the answer to each by its trace."""
    turn = asyncio.Semaphore(CONCURRENT)
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=ANSWER_S, limits=limits, trust_env=False) as http:

        async def send(shot: Shot) -> tuple[str, str]:
            async with turn:
                answer = await http.send(_request(workshop, shot))
            return shot.trace_id, f"{answer.status_code} {answer.text[:200]}"

        return dict(await asyncio.gather(*map(send, volley)))


def _request(workshop: Workshop, shot: Shot) -> httpx.Request:
    headers = {
        "X-Debug-Token": workshop.token,
        "sentry-trace": f"{shot.trace_id}-{uuid.uuid4().hex[:16]}-1",
    }
    if shot.crash is None:
        body = {"player": shot.player, "bet": 1}
        url = workshop.url() + "/api/v1/game/spin"
        return httpx.Request("POST", url, headers=headers, json=body)
    direct = workshop.url(shot.crash.service.name) + shot.crash.route
    url = workshop.url() + gateway_path(shot.crash) if shot.through_gateway else direct
    query = {**shot.crash.query, "player": shot.player}
    body = shot.crash.body
    return httpx.Request(shot.crash.method, url, headers=headers, params=query, json=body)


def services(shot: Shot) -> list[str]:
    """Return the services whose service spans a shot must leave behind."""
    if shot.crash is None:
        return [GATEWAY.name, GAME_ENGINE.name]
    passed = [GATEWAY.name] if shot.through_gateway else []
    return list(dict.fromkeys([*passed, shot.crash.service.name]))


def tally(workshop: Workshop, volley: list[Shot], answers: dict[str, str]) -> Tally:
    """Compare what is stored with what the shots must have produced."""
    result = Tally(requests=len(volley))
    for shot in volley:
        items = workshop.store.items(trace_id=shot.trace_id)
        errors = [item for item in items if item.type == "event" and not is_watchdog(item.payload)]
        segments = [item for item in items if passed_through(item)]
        result.errors += len(errors)
        result.segments += len(segments)
        if lost := _lost(shot, errors, segments):
            result.lost.append(_describe_loss(shot, lost, items, answers[shot.trace_id]))
        result.misattributed += _misattributed(shot, errors, segments)
    return result


def foreign_threads(item: StoredItem) -> list[str]:
    """Return the threads of other services that a profile holds."""
    servers = {GATEWAY.name, GAME_ENGINE.name, ANALYTICS.name} - {item.project}
    names = {each["name"] for each in item.payload["profile"]["thread_metadata"].values()}
    return [f"profile of {item.project}: thread {name}" for name in names & servers]


def discarded(workshop: Workshop) -> Counter[str]:
    """Return what the SDKs say that they did not send, and why."""
    counted: Counter[str] = Counter()
    for report in workshop.store.items(type="client_report"):
        for each in report.payload.get("discarded_events", []):
            counted[f"{each['category']} of {report.project}: {each['reason']}"] += each["quantity"]
    return counted


def _lost(shot: Shot, errors: list[StoredItem], segments: list[StoredItem]) -> list[str]:
    declared = shot.crash.errors if shot.crash else ()
    lost_errors = Counter(error.chain[0] for error in declared)
    lost_errors -= Counter(exception_types(error.payload)[0] for error in errors)
    lost_segments = Counter(services(shot)) - Counter(item.project for item in segments)
    return [*lost_errors.elements(), *lost_segments.elements()]


def _describe_loss(shot: Shot, lost: list[str], items: list[StoredItem], answer: str) -> str:
    fired = shot.crash.id if shot.crash else "spin"
    route = "through the gateway" if shot.through_gateway else "directly"
    arrived = sorted(f"{item.type} of {item.project}" for item in items)
    return f"{lost} of {fired}, {route}; arrived: {arrived}; answer: {answer}"


def _misattributed(shot: Shot, errors: list[StoredItem], segments: list[StoredItem]) -> list[str]:
    wrong = [error for error in errors if not _is_own(shot, error)]
    # The game engine gives up on telling the analytics service of a spin when that is busy.
    others = [ANALYTICS.name, PAYMENT.name] if shot.crash is None else []
    allowed = [*services(shot), *others]
    wrong += [each for each in segments if each.project not in allowed]
    return [f"{item.type} at {item.project}: {summary(item.payload)}" for item in wrong]


def _is_own(shot: Shot, error: StoredItem) -> bool:
    event = error.payload
    # A spin fails only when another service is too busy to answer in time.
    if shot.crash is None and exception_types(event)[0] not in TIMEOUTS:
        return False
    service = shot.crash.service if shot.crash else GAME_ENGINE
    return bool(
        error.project == event.get("server_name") == event["tags"]["service"] == service.name
        and event["release"] == service.release
        and event["user"]["username"] == shot.player
    )


def summary(event: dict[str, Any]) -> str:
    """Return what an event says of itself."""
    user = event.get("user")
    return f"{exception_types(event)} of {event.get('server_name')} for {user}"


def run(workshop: Workshop, count: int, deadline_s: float = ARRIVAL_DEADLINE_S) -> Tally:
    """Fire ``count`` shots, let every client send what it holds, and return the tally.

    The payment service is not to be told when to send: ``deadline_s`` is how long what is lost may
    still arrive.
    """
    volley = shots(count)
    # Else a global client would put a trace of its own into each request.
    with sentry_off():
        answers = asyncio.run(fire(workshop, volley))
    workshop.flush()
    end = time.monotonic() + deadline_s
    while (result := tally(workshop, volley, answers)).lost and time.monotonic() < end:
        time.sleep(0.1)
    result.discarded = dict(discarded(workshop))
    profiles = workshop.store.items(type="profile_chunk")
    result.profiles = len(profiles)
    result.misattributed += [wrong for item in profiles for wrong in foreign_threads(item)]
    return result


@contextlib.contextmanager
def naive_bind(self: ServiceClient) -> Iterator[None]:
    """What ``sentry_sdk.init()`` does: the last one wins for every thread."""
    sentry_sdk.get_global_scope().set_client(self.client)
    yield


def main() -> None:
    """Run alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    if options.naive:
        ServiceClient.bind = naive_bind  # type: ignore[method-assign]
    with (
        tempfile.TemporaryDirectory() as home,
        Workshop.start(home=Path(home), report=lambda line: None) as workshop,
    ):
        deadline_s = 0.0 if options.naive else ARRIVAL_DEADLINE_S
        print(json.dumps(asdict(run(workshop, options.count, deadline_s))))


if __name__ == "__main__":
    main()
