"""What each question to the store costs as it fills up: python -m tests.benchmarks.store.

The same questions are asked of a store with 100 events and of one with 100,000, which is larger
than a store may grow unless its bound is raised. Both answers have as many items.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kit.course.exercises.tracing import wait_for_entry
from kit.ingest.encoding import IDENTITY, Encoded
from kit.ingest.store import Received, Store
from kit.issues import read_issues
from kit.widgets.feed import MAX_ENTRIES, Feed
from tests.benchmarks.goals import goal
from tests.ingest.sending import body, item, new_id, received

FEW, MANY = 100, 100_000
GOAL_RATIO, ALLOWED_MS = 1.5, 0.2
# As a spin that fails leaves them: an event, and what each service says of its part.
SERVICES = ("frontend", "gateway", "game-engine", "payment")
PLAYER = "benchmark"
# Every so many traces something rare.
RARE_EVERY = 1000
ROUNDS, BUDGET_S = 200, 1.0
BATCH = 500
LARGEST = 10**12

Ask = Callable[[], object]


class Asked(NamedTuple):
    """A trace that is in both stores, and the event in it."""

    trace_id: str
    event_id: str


def envelopes(trace_id: str, event_id: str, player: str = "ada") -> Iterator[tuple[str, bytes]]:
    """Yield projects and bodies of what one failed spin sends."""
    trace = {"contexts": {"trace": {"trace_id": trace_id}}}
    frames = [{"function": f"function_{n}", "lineno": n, "in_app": True} for n in range(12)]
    error = {"type": "RuntimeError", "value": "reels", "stacktrace": {"frames": frames}}
    event = {"event_id": event_id, "exception": {"values": [error]}, **trace}
    yield "game-engine", body(item("event", event), event_id=event_id)
    request = {"request": {"data": {"player": player, "bet": 10}}}
    for project in SERVICES:
        transaction = {"event_id": new_id(), "type": "transaction", **request, **trace}
        yield project, body(item("transaction", transaction))
    spans = {"items": [{"trace_id": trace_id, "name": f"span {n}"} for n in range(5)]}
    yield "payment", body(item("span", spans))


def rare(trace_id: str) -> Iterator[tuple[str, bytes]]:
    """Yield what is sent seldom, by a project that often sends something else."""
    feedback = {"contexts": {"trace": {"trace_id": trace_id}}, "message": "it broke"}
    yield "gateway", body(item("feedback", feedback))
    yield "spotlight", body(item("transaction", feedback))


def received_all(sent: Iterator[tuple[str, bytes]]) -> list[Received]:
    """Return envelopes as the ingest hands them to the store."""
    return [received(content, project=project) for project, content in sent]


def others(patterns: Sequence[Received], trace_id: str, event_id: str) -> Iterator[Received]:
    """Yield the same envelopes with ids of their own: parsing each takes most of the time."""
    new_trace, new_event = new_id(), new_id()
    trace, event = (trace_id.encode(), new_trace.encode()), (event_id.encode(), new_event.encode())
    for pattern in patterns:
        content = pattern.envelope.body.replace(*trace).replace(*event)
        items = tuple(
            replace(
                each,
                body=content,
                event_id=new_event if each.event_id == event_id else each.event_id,
                trace_ids=frozenset({new_trace}),
            )
            for each in pattern.envelope.items
        )
        envelope = replace(pattern.envelope, body=content, items=items)
        yield pattern._replace(envelope=envelope, sent=Encoded(IDENTITY, content))


def fill(store: Store, events: int, asked: Asked) -> None:
    """Store so many events and all that belongs to their traces; what is asked for in the middle.

    Whatever the size, the last ``FEW`` traces hold all that the answers need.
    """
    trace_id, event_id = new_id(), new_id()
    often = received_all(envelopes(trace_id, event_id))
    seldom = received_all(rare(trace_id))

    def all_of_them() -> Iterator[Received]:
        for number in range(events):
            yield from others(often, trace_id, event_id)
            if number % RARE_EVERY == 0 and number < MANY - FEW:
                yield from others(seldom, trace_id, event_id)
            if number == events // 2:
                yield from received_all(envelopes(*asked))
        yield from received_all(envelopes(new_id(), new_id(), player=PLAYER))

    remaining = all_of_them()
    while batch := list(islice(remaining, BATCH)):
        store.write(batch)


def questions(store: Store, asked: Asked) -> dict[str, Ask]:
    """Return all that notebooks, cards, feed, issue list, waiters and checks ask."""
    trace, event = asked

    def items(**given: Any) -> Ask:
        return lambda: store.items(**given)

    def feed() -> None:
        Feed(lambda item: None).add(store.items(type="event", limit=MAX_ENTRIES)[::-1])

    def subscribe() -> None:
        with store.subscribe(trace):
            pass

    def write() -> None:
        store.write(received_all(envelopes(new_id(), new_id())))

    return {
        "all, the last 40": items(limit=40),
        "a type": items(type="event", limit=40),
        "a rare type": items(type="feedback", limit=1),
        "a type that is not there": items(type="check_in"),
        "a project": items(project="gateway", limit=40),
        "a rare project": items(project="spotlight", limit=1),
        "a type of a project": items(type="transaction", project="gateway", limit=40),
        "a rare type of a project": items(type="feedback", project="gateway", limit=1),
        "a type that a project never sends": items(type="event", project="gateway"),
        "a trace": items(trace_id=trace),
        "a trace that is not there": items(trace_id="0" * 32),
        "a type of a trace": items(trace_id=trace, type="event"),
        "a project of a trace": items(trace_id=trace, project="payment"),
        "a type of a project of a trace": items(
            trace_id=trace, type="transaction", project="gateway"
        ),
        "an event": items(event_id=event),
        "an event of an issue": items(event_id=event, type="event", limit=1),
        "an event of a trace": items(event_id=event, trace_id=trace),
        "waiter: error of a trace": lambda: store.wait_for_error(trace, 1),
        "waiter: service span of a trace": lambda: store.wait_for_segment(trace, 1, "gateway"),
        "waiter: spin of a player": lambda: wait_for_entry(store, PLAYER, 1),
        "subscription to a trace": subscribe,
        "feed of the panel": feed,
        "issue list, 100 events": lambda: read_issues(store, last=FEW),
        "write of a failed spin": write,
    }


def times_ms(ask: tuple[Ask, Ask]) -> tuple[float, float]:
    """Return the median time of each of two questions, asked in turn."""
    for each in ask:
        each()
    taken: tuple[list[float], list[float]] = ([], [])
    deadline = time.perf_counter() + BUDGET_S
    while len(taken[0]) < 5 or (len(taken[0]) < ROUNDS and time.perf_counter() < deadline):
        for each, measured in zip(ask, taken, strict=True):
            began = time.perf_counter()
            each()
            measured.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[0]), statistics.median(taken[1])


def opening_ms(path: Path) -> float:
    """Return how long it takes to open a store, the median of some times."""

    def once() -> float:
        began = time.perf_counter()
        Store(path, max_bytes=LARGEST).close()
        return (time.perf_counter() - began) * 1000

    return statistics.median(once() for _ in range(9))


def is_fine(few: float, many: float) -> bool:
    """Return whether what is asked costs the same in both."""
    return many <= GOAL_RATIO * few + ALLOWED_MS


def line(what: str, few: float, many: float) -> str:
    """Return a line of the table."""
    mark = "ok" if is_fine(few, many) else "SLOWER"
    return f"  {what:<34} {few:8.3f} {many:9.3f} {many / few:6.2f}  {mark}"


def main(events: str = str(MANY)) -> int:
    """Print the table; return 1 when a question costs more in the large store."""
    asked = Asked(new_id(), new_id())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as opened:
        paths = [Path(folder) / f"{size}.sqlite3" for size in ("few", "many")]
        few, many = (
            opened.enter_context(closing(Store(path, max_bytes=LARGEST))) for path in paths
        )
        fill(few, FEW, asked)
        fill(many, int(events), asked)
        size = paths[1].stat().st_size / 1e6
        print(f"  {'milliseconds, median':<34} {FEW:>8,} {int(events):>9,}  ratio  ({size:.0f} MB)")
        pairs = zip(questions(few, asked).items(), questions(many, asked).values(), strict=True)
        results = {what: times_ms((small, large)) for (what, small), large in pairs}
        few.close()
        many.close()
        results["opening the store"] = (opening_ms(paths[0]), opening_ms(paths[1]))
    for what, measured in results.items():
        print(line(what, *measured))
    reached = all(is_fine(*measured) for measured in results.values())
    what = f"each at most {GOAL_RATIO} times as long ({ALLOWED_MS} ms allowed)"
    return 0 if goal(what, reached) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
