"""What a server would cut is said, and what it would keep is not."""

import json
import random
import sys
from typing import Any

import pytest
import sentry_sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.reading.server import limits, references
from kit.reading.server.cuts import Cut, frames_slimmed, server_cuts
from kit.reading.server.limits import Limit
from kit.views.card import event_card
from kit.views.card.server_cuts import MAX_SHOWN, server_cuts_part
from tests.card.page import Page
from tests.ingest.sending import Ingest

from .ingesting import client_of

FULL = {"vars": {"n": "1"}, "pre_context": ["a"], "in_app": True}
LIBRARY = FULL | {"in_app": False}
DECLARED = [each for each in vars(limits).values() if isinstance(each, Limit)]
DECLARED += [limit for each in vars(limits).values() if isinstance(each, tuple) for limit in each]


def stack(*frames: dict[str, Any]) -> dict[str, Any]:
    return {"exception": {"values": [{"type": "E", "stacktrace": {"frames": list(frames)}}]}}


def told(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(cut.where, cut.sent, cut.remains) for cut in server_cuts(event)]


def text(length: int) -> dict[str, str]:
    return {"text": "x" * (length - len('{"text":""}'))}


def error(**fields: Any) -> dict[str, Any]:
    return {"exception": {"values": [fields]}}


def crumbs(value: Any) -> dict[str, Any]:
    return {"breadcrumbs": {"values": [value]}}


def cut_to(most: int, allowance: int = 0) -> tuple[str, str]:
    return f"{most + allowance + 1:,} characters", f"the first {most:,} characters"


KEPT_8K = ("8.0 KiB", "the first 8.0 KiB")
GONE = ("a value of 201 characters", "")
STACK = "stack trace of exception 0"
# An event that has as much as is kept, where that is, and what is said of one more.
EDGES: list[tuple[Any, int, str, tuple[str, str]]] = [
    (lambda n: error(type="x" * n), 276, "exception 0: type", cut_to(256, 20)),
    (lambda n: error(value="x" * n), 8392, "exception 0: value", cut_to(8192, 200)),
    (lambda n: {"message": "x" * n}, 8392, "message", cut_to(8192, 200)),
    (lambda n: {"logentry": {"message": "x" * n}}, 8392, "message", cut_to(8192, 200)),
    (lambda n: {"transaction": "x" * n}, 200, "transaction", cut_to(200)),
    (lambda n: {"user": {"email": "x" * n}}, 75, "user.email", cut_to(75)),
    (lambda n: {"request": {"url": "x" * n}}, 296, "request.url", cut_to(256, 40)),
    (lambda n: {"tags": {"t": "x" * n}}, 200, "tags: t", GONE),
    (lambda n: {"tags": [["t", "x" * n]]}, 200, "tags: t", GONE),
    (lambda n: {"contexts": {"c": text(n)}}, 8192, "contexts.c", KEPT_8K),
    (lambda n: {"modules": text(n)}, 8192, "modules", KEPT_8K),
    (lambda n: {"request": {"data": text(n)}}, 8192, "request.data", KEPT_8K),
    (
        lambda n: {"contexts": {"flags": text(n)}},
        132_072,
        "contexts.flags",
        ("129.0 KiB", "the first 129.0 KiB"),
    ),
    (
        lambda n: {"extra": {"e": text(n)}},
        16_384,
        "extra.e",
        ("16.0 KiB", "the first 16.0 KiB"),
    ),
    (lambda n: crumbs({"message": "x" * n}), 8392, "breadcrumb 0: message", cut_to(8192, 200)),
    (lambda n: crumbs({"category": "x" * n}), 128, "breadcrumb 0: category", cut_to(128)),
    (
        lambda n: {"breadcrumbs": [{"data": text(n)}]},
        2048,
        "breadcrumb 0: data",
        ("2.0 KiB", "the first 2.0 KiB"),
    ),
    (
        lambda n: stack({"vars": text(n)}),
        2048,
        f"{STACK}: local variables",
        ("1 frame with up to 2.0 KiB", "2.0 KiB of each frame"),
    ),
    (
        lambda n: stack(*[{}] * n),
        250,
        STACK,
        ("251 frames", "the last 250, nearest to the crash"),
    ),
    (
        lambda n: stack(*[FULL] * n),
        50,
        f"{STACK}: local variables and context lines",
        ("in 51 of the remaining frames", "in 50: the outermost and the innermost"),
    ),
]


@pytest.mark.parametrize(("event", "most", "where", "said"), EDGES, ids=[e[2] for e in EDGES])
def test_what_is_over_a_limit_is_said(
    event: Any, most: int, where: str, said: tuple[str, str]
) -> None:
    assert told(event(most)) == []
    assert told(event(most + 1)) == [(where, *said)]


def test_a_large_event_is_refused_as_a_whole() -> None:
    assert told({"extra": {"e": text(1024 * 1024 + 1)}}) == [("event", "1.0 MiB", "")]
    assert server_cuts({}, size=1024 * 1024) == []
    (cut,) = server_cuts({}, size=1024 * 1024 + 1)
    assert (cut.where, cut.refuses, cut.source) == ("event", True, references.SIZE_LIMITS)


def test_an_event_that_does_not_compress_is_refused_earlier() -> None:
    noise = random.Random(7)
    event = {"extra": {f"e{n}": noise.randbytes(7000).hex() for n in range(30)}}
    assert len(json.dumps(event)) > 400_000
    (cut,) = server_cuts(event)
    assert (cut.where, cut.refuses) == ("event, compressed", True)
    same = {"extra": {f"e{n}": "ab" * 7000 for n in range(15)}}
    assert server_cuts(same) == []


@pytest.mark.parametrize(
    ("frames", "kept"),
    [
        ([FULL] * 100, {*range(25), *range(75, 100)}),
        # In-app frames keep theirs, and of the others so many as are left, at both ends.
        (
            [LIBRARY] * 50 + [FULL] * 40 + [LIBRARY] * 10,
            {*range(5), *range(50, 90), *range(95, 100)},
        ),
        ([LIBRARY] * 10 + [FULL] * 60, {*range(10, 35), *range(45, 70)}),
        ([LIBRARY] * 50, set(range(50))),
    ],
)
def test_frames_in_the_middle_and_of_libraries_lose_their_variables_first(
    frames: list[dict[str, Any]], kept: set[int]
) -> None:
    assert set(range(len(frames))) - frames_slimmed(frames) == kept


def test_the_frames_nearest_to_the_crash_are_those_that_remain() -> None:
    large: dict[str, Any] = {"vars": text(3000)}
    outermost, innermost = stack(*[large] * 5, *[{}] * 250), stack(*[{}] * 250, *[large] * 5)
    assert [where for where, *_ in told(outermost)] == [STACK]
    assert [where for where, *_ in told(innermost)] == [STACK, f"{STACK}: local variables"]


def test_threads_and_a_stack_of_the_event_count_too() -> None:
    frames = {"stacktrace": {"frames": [{}] * 300}}
    event = {**frames, "threads": {"values": [{}, frames]}}
    places = [where for where, *_ in told(event)]
    assert places == ["stack trace of threads 1", "stack trace of the event"]


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("user", "ada", "a name that the servers set themselves"),
        ("spin/id", "7", "a name with characters other than a-z, A-Z, 0-9, _ . : -"),
        ("", "7", "a name with characters other than a-z, A-Z, 0-9, _ . : -"),
        ("note", "one\ntwo", "a value of several lines"),
    ],
)
def test_a_tag_that_the_servers_would_not_keep_is_said(key: str, value: str, fault: str) -> None:
    assert told({"tags": {key: value}}) == [(f"tags: {key}", fault, "")]
    assert told({"tags": {"spin id": "7", "a.b:c-d_1": "one\n"}}) == []


@pytest.mark.parametrize("limit", DECLARED, ids=lambda limit: f"{limit.field}-{limit.most}")
def test_a_limit_names_where_it_is_written(limit: Limit) -> None:
    assert limit.source in vars(references).values()
    assert limit.most > limit.allowance >= 0


def test_an_address_has_one_reference_with_a_month() -> None:
    known = [each for each in vars(references).values() if isinstance(each, references.Reference)]
    assert len({each.url for each in known}) == len(known)
    assert all(each.url.startswith("https://") and each.read >= "2026-11" for each in known)
    assert {reference for _, reference in references.NOT_IMITATED} <= set(known)


# On the card


def part(event: dict[str, Any]) -> str:
    page = Page(event_card(event))
    (heading,) = (each for each in page.all("h4") if each.text.startswith("A server would"))
    return " ".join(heading.parents[-2].text.split())


def test_the_card_says_what_a_server_would_cut() -> None:
    said = part({"tags": {"note": "<b>" * 100}})
    assert said.startswith("A server would cut this (simulated) 1 place that Sentry's")
    assert (
        "tags: note a value of 300 characters nothing "
        "not tried on a server; according to Relay's source" in said
    )
    many = {"tags": {f"i{n}": "x" * 201 for n in range(MAX_SHOWN + 2)}}
    assert "nothing not tried" in part(many)
    assert "2 more Not imitated" in part(many)


def test_the_card_says_that_a_server_would_refuse_it() -> None:
    said = part({"extra": {"e": "x" * 1_100_000}})
    assert said.startswith("A server would reject this (simulated) The event is too large")
    assert "HTTP 413" in said


def test_a_card_of_an_ordinary_event_says_nothing() -> None:
    assert "A server would" not in event_card(error(type="KeyError", value="ada"))


JUNK = st.sampled_from((None, True, 7, 1.5, "x" * 300, [], {}, [None], {"values": [None, 7, {}]}))
FIELDS = ("exception", "threads", "stacktrace", "breadcrumbs", "tags", "contexts", "extra", "user")


@settings(deadline=None, max_examples=50)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*FIELDS, "request", "modules"), JUNK)))
def test_no_payload_is_too_strange(payload: dict[str, Any]) -> None:
    assert all(isinstance(cut, Cut) for cut in server_cuts(payload))


# What the SDK really sends


def fall(depth: int) -> int:
    return fall(depth + 1) + 1


@pytest.mark.system
def test_of_a_real_recursion_a_server_keeps_a_quarter(ingest: Ingest) -> None:
    with client_of(ingest.dsn, in_app_include=["tests"]):
        try:
            fall(0)
        except RecursionError:
            sentry_sdk.capture_exception()
    (item,) = ingest.store.items(type="event")
    frames = item.payload["exception"]["values"][-1]["stacktrace"]["frames"]
    assert 250 < len(frames) <= sys.getrecursionlimit()
    assert all(frame["vars"] for frame in frames[-200:])
    assert told(item.payload)[:2] == [
        (STACK, f"{len(frames):,} frames", "the last 250, nearest to the crash"),
        (
            f"{STACK}: local variables and context lines",
            "in 250 of the remaining frames",
            "in 50: the outermost and the innermost",
        ),
    ]
    assert f"<td><bdi>{len(frames):,} frames</bdi></td>" in server_cuts_part(item.payload)
