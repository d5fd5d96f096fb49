"""A trace through several services: whether it is complete, and how it is propagated."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx

from demo_services.sdk import GENERATION
from demo_services.services import GAME_ENGINE, GATEWAY
from demo_services.trace import start_span
from kit.course.answer_parts import raise_all
from kit.course.exercise import Exercise, FunctionExercise, Wrong
from kit.ingest.store import Store, StoredItem
from kit.reading.payload import as_mapping, as_str
from kit.reading.spans import Span, segments, spans
from kit.system.clients import sentry_off
from kit.widgets.crash_widget import TriggerFunction
from kit.words import count_noun

DEADLINE_S = 30.0
CALL = "http.client"
TRACE, BAGGAGE = "sentry-trace", "baggage"
HEADER, BODY = "http.request.header.", "http.request.body.data"
PLAYED = 2

Items = Sequence[StoredItem]
Find = Callable[[list[Span]], object]
Carry = Callable[[], object]


def whole_trace(store: Store, trace_id: str, timeout: float = DEADLINE_S) -> list[StoredItem]:
    """Return all items of a trace, once its root span and the server span of each call are there.

    Raises TimeoutError when something is still missing after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    with store.subscribe(trace_id) as arrivals:
        while not _is_whole(spans(items := store.items(trace_id=trace_id))):
            arrivals.get(deadline - time.monotonic())
        return items


def torn_calls(found: Sequence[Span]) -> list[Span]:
    """Return the calls that no service answered with a span."""
    parents = {span.parent_id for span in found}
    return [span for span in found if span.op == CALL and span.id not in parents]


def _header(span: Span, name: str) -> str:
    """Return a request header; version 3 of the SDK stores a list of its values."""
    value = span.attributes.get(HEADER + name)
    return as_str(value[0] if isinstance(value, list) and value else value)


def _is_whole(found: list[Span]) -> bool:
    return any(not span.parent_id for span in found) and not torn_calls(found)


# Where a trace is torn


def torn_where(trigger: TriggerFunction, whole: Items) -> Exercise:
    """Write a function that finds the calls where a trace breaks; ``whole`` has none."""
    callers = list(dict.fromkeys(span.service for span in spans(whole)))

    def verify(answer: Find) -> str:
        _check_torn(answer, whole, "the whole trace")
        for name in callers[1:]:
            rest = [item for item in whole if item.project != name]
            _check_torn(answer, rest, f"the trace without the items from {name}")
        fresh = trigger("game-engine/crash")
        _check_torn(answer, fresh.items, "the trace of a crash")
        return f"Tried on {len(callers) + 1} traces, whole and torn."

    return FunctionExercise(
        "torn-where",
        verify,
        f'A call is a span with span.op == "{CALL}". The matching server span is one whose '
        "parent_id is the id of the call.",
        "def torn(spans):\n"
        "    parents = {span.parent_id for span in spans}\n"
        f'    calls = [span for span in spans if span.op == "{CALL}"]\n'
        "    return [call.name for call in calls if call.id not in parents]",
        answer_name="torn",
    )


def _check_torn(answer: Find, items: Items, what: str) -> None:
    given = answer(spans(items))
    if not isinstance(given, list | tuple | set) or not all(isinstance(n, str) for n in given):
        raise Wrong("The function must return a list with the name of each such call.")
    expected = Counter(span.name for span in torn_calls(spans(items)))
    extra, lacking = Counter(given) - expected, expected - Counter(given)
    problems = [f"In {what}, {name!r} is not a call without a server span." for name in extra]
    if lacking:
        problems.append(f"In {what}, the list misses {count_noun(lacking.total(), 'such call')}.")
    raise_all(problems)


# How a trace is propagated


def carry_on(
    gateway: str,
    store: Store,
    reporting: Callable[[], AbstractContextManager[None]],
) -> Exercise:
    """Write the headers for an HTTP client without an integration; the check plays spins with it.

    ``gateway`` is the URL of the gateway, and ``reporting`` makes code report as the frontend.
    """

    def verify(answer: Carry) -> str:
        for _ in range(PLAYED):
            player = f"carried-{uuid.uuid4().hex[:8]}"
            with reporting(), start_span(op="exercise", name="spin") as spin:
                _play(gateway, player, _headers(answer()))
            _check_carry(wait_for_entry(store, player), player, spin.trace_id)
        return f"{PLAYED} spins were played: the gateway continued the trace of each."

    return FunctionExercise(
        "carry-on",
        verify,
        "sentry_sdk.get_traceparent() and sentry_sdk.get_baggage() return the values of the "
        f"headers {TRACE} and {BAGGAGE}. On the receiving side "
        "sentry_sdk.traces.continue_trace(headers) reads them: the gateway's integration calls it.",
        "import sentry_sdk\n\n\n"
        "def carry():\n"
        "    return {\n"
        f'        "{TRACE}": sentry_sdk.get_traceparent(),\n'
        f'        "{BAGGAGE}": sentry_sdk.get_baggage(),\n'
        "    }",
        answer_name="carry",
    )


def wait_for_entry(store: Store, player: str, timeout: float = DEADLINE_S) -> StoredItem:
    """Return the item with the gateway's service span for a player's only spin.

    Raises TimeoutError.
    """
    # The gateway forwards bodies unread, and version 3 of the SDK only sends bodies that were read.
    reader = GATEWAY if GENERATION < 3 else GAME_ENGINE
    item = store.wait_for(
        None,
        lambda item: _entry(item, player) is not None,
        timeout,
        type="span",
        project=reader.name,
        what=f"spin of {player}",
    )
    if reader is GATEWAY:
        return item
    (trace_id,) = item.trace_ids
    return store.wait_for_segment(trace_id, timeout, GATEWAY.name)


def _entry(item: StoredItem, player: str) -> Span | None:
    """Return the service span of the request that a player sent, if it is in the item."""
    return next((span for span in segments([item]) if _player(span) == player), None)


def _player(span: Span) -> object:
    try:
        body = json.loads(as_str(span.attributes.get(BODY)))
    except (ValueError, RecursionError):
        return None
    return as_mapping(body).get("player")


def _headers(given: Any) -> dict[str, str]:
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise Wrong("The function must return a dict of header names and their values as text.")
    return given


def _play(gateway: str, player: str, headers: dict[str, str]) -> None:
    """Play a spin with a client that adds no tracing headers itself."""
    url = f"{gateway}/api/v1/{GAME_ENGINE.prefix}/spin"
    with sentry_off():
        answer = httpx.post(
            url,
            json={"player": player, "bet": 10},
            headers=headers,
            timeout=DEADLINE_S,
            trust_env=False,
        )
    answer.raise_for_status()


def _check_carry(item: StoredItem, player: str, trace_id: str) -> None:
    entry = _entry(item, player) or segments([item])[0]
    trace, baggage = (_header(entry, name) for name in (TRACE, BAGGAGE))
    if not trace:
        raise Wrong(f"The gateway started a new trace: it got no header {TRACE}.")
    if trace_id not in item.trace_ids:
        raise Wrong(f"The gateway got {TRACE}: {trace}. The current trace is {trace_id}.")
    if f"sentry-trace_id={trace_id}" not in baggage:
        raise Wrong(
            f"The gateway continued the trace, but got {BAGGAGE}: {baggage or 'nothing'}. Without "
            "it, no service downstream knows how the trace was sampled, and by which service."
        )
