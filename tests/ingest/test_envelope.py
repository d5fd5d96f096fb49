import contextlib
import json
import math
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentry_sdk.envelope import Envelope as SdkEnvelope
from sentry_sdk.envelope import Item as SdkItem

from kit.ingest.envelope import (
    ACCOMPANYING,
    JSON_TYPES,
    MAX_DEPTH,
    MAX_ITEM_BYTES,
    MAX_ITEMS,
    MAX_PROFILE_BYTES,
    BadEnvelope,
    Envelope,
    TooLarge,
    parse,
    parse_item,
)
from tests.ingest.sending import body, item

TRACE, OTHER = "a" * 32, "b" * 32


def one(kind: str, payload: object, **headers: object) -> bytes:
    return body(item(kind, payload), **headers)


BAD = {
    "empty body": (b"", "envelope header is not JSON"),
    "header is not JSON": (b"hello\n", "envelope header is not JSON"),
    "header is not an object": (b"[]\n", "envelope header is not a JSON object"),
    "item header is not JSON": (b"{}\nhello\n", "header of item 1 is not JSON"),
    "item header is not an object": (b"{}\n3\n{}", "header of item 1 is not a JSON object"),
    "no type": (b"{}\n{}\n{}", "has no type"),
    "type is a number": (b'{}\n{"type":1}\n{}', "has no type"),
    "type is a lone surrogate": (b'{}\n{"type":"\\ud800"}\n{}', "has no type"),
    "negative length": (b'{}\n{"type":"event","length":-1}\n{}', "not a number of bytes"),
    "length is text": (b'{}\n{"type":"event","length":"2"}\n{}', "not a number of bytes"),
    "length is true": (b'{}\n{"type":"event","length":true}\n{}', "not a number of bytes"),
    "length is over 2^63": (b'{}\n{"type":"x","length":%d}\n{}' % 10**30, "ends after 2 of its"),
    "payload too short": (b'{}\n{"type":"event","length":9}\n{}', "ends after 2 of its 9 bytes"),
    "payload too long": (b'{}\n{"type":"x","length":1}\nabc\n', "continues after its 1 bytes"),
    "payload is not JSON": (b'{}\n{"type":"event"}\nhello\n', "payload of item 1 is not JSON"),
    "payload missing": (b'{}\n{"type":"event"}\n', "payload of item 1 is not JSON"),
    "log is not JSON": (b'{}\n{"type":"log"}\nhello\n', "payload of item 1 is not JSON"),
    "payload is a list": (b'{}\n{"type":"event"}\n[]\n', "is not a JSON object"),
    "payload is null": (b'{}\n{"type":"event"}\nnull\n', "is not a JSON object"),
    "huge integer": (b'{}\n{"type":"event"}\n{"n":%s}\n' % (b"9" * 5000), "is not JSON"),
    "blank line between items": (
        b'{}\n{"type":"x"}\na\n\n{"type":"x"}\nb\n',
        "blank line instead of an item header",
    ),
    "second item": (b'{}\n{"type":"x"}\na\n{"type":"event"}\n{\n', "item 2"),
}


@pytest.mark.parametrize(("sent", "reason"), BAD.values(), ids=BAD)
def test_every_defect_is_named(sent: bytes, reason: str) -> None:
    with pytest.raises(BadEnvelope, match=reason):
        parse(sent)


def deep(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@contextlib.contextmanager
def recursion_limit(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("place", ["payload", "item header", "envelope header"])
def test_deep_json_is_refused_before_a_parser_recurses_into_it(place: str) -> None:
    bodies = {
        "payload": b'{}\n{"type":"event"}\n' + deep(50_000),
        "item header": b'{}\n{"type":"event","a":' + deep(50_000) + b"}\n{}",
        "envelope header": deep(50_000),
    }
    with recursion_limit(10**6), pytest.raises(BadEnvelope, match="nested deeper than 128"):
        parse(bodies[place])


def test_the_deepest_json_allowed_is_read() -> None:
    assert parse(b'{}\n{"type":"event"}\n' + deep(MAX_DEPTH)).items
    with pytest.raises(BadEnvelope, match="nested deeper"):
        parse(b'{}\n{"type":"event"}\n' + deep(MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "text", ["[" * 300, '\\"' + "[" * 300, "\\" * 3 + "{" * 300, '\\n"[' * 200]
)
def test_brackets_in_strings_are_no_depth(text: str) -> None:
    (only,) = parse(one("event", {"message": text, "": "", "again": [text]})).items
    assert only.payload["message"] == text


def test_depth_behind_a_string_is_seen() -> None:
    payload = b'{"a":"\\\\","b":' + b"[" * 200 + b"]" * 200 + b"}"
    with pytest.raises(BadEnvelope, match="nested deeper"):
        parse(one("event", payload))


def test_an_item_over_the_limit_is_too_large() -> None:
    assert parse(one("attachment", bytes(MAX_ITEM_BYTES))).items
    with pytest.raises(TooLarge, match="over the limit"):
        parse(one("attachment", bytes(MAX_ITEM_BYTES + 1)))


@pytest.mark.parametrize("kind", ["profile", "profile_chunk"])
def test_a_profile_may_be_larger(kind: str) -> None:
    """A busy process has many threads, and what is refused takes its transaction with it."""
    around = len(b'{"samples": ""}')
    assert parse(one(kind, {"samples": "x" * (MAX_PROFILE_BYTES - around)})).items
    with pytest.raises(TooLarge, match="over the limit"):
        parse(one(kind, {"samples": "x" * (MAX_PROFILE_BYTES - around + 1)}))


def test_too_many_items_are_too_large() -> None:
    empty = item("x", b"")
    assert len(parse(body(empty * MAX_ITEMS)).items) == MAX_ITEMS
    with pytest.raises(TooLarge, match="over 1000 items"):
        parse(body(empty * (MAX_ITEMS + 1)))


def test_not_a_number_is_kept() -> None:
    (only,) = parse(b'{}\n{"type":"event"}\n{"a":NaN,"b":-Infinity}\n').items
    assert math.isnan(only.payload["a"])
    assert only.payload["b"] == -math.inf


def test_an_envelope_without_items_is_one() -> None:
    envelope = parse(b'{"event_id":"%s"}' % TRACE.encode())
    assert envelope.items == ()
    assert envelope.event_id == TRACE


@pytest.mark.parametrize("kind", ["attachment", "statsd", "replay_recording", "of tomorrow"])
def test_what_is_not_json_is_kept_raw(kind: str) -> None:
    (only,) = parse(one(kind, b"[[[\n\xff")).items
    assert only.payload == b"[[[\n\xff"


@pytest.mark.parametrize("kind", sorted(JSON_TYPES))
def test_json_items_are_parsed(kind: str) -> None:
    (only,) = parse(one(kind, {"a": [1]})).items
    assert only.payload == {"a": [1]}


TRACED = {
    "event": {"contexts": {"trace": {"trace_id": TRACE}}},
    "transaction": {"contexts": {"trace": {"trace_id": TRACE}}},
    "feedback": {"contexts": {"trace": {"trace_id": TRACE}}},
    "check_in": {"contexts": {"trace": {"trace_id": TRACE}}},
    "profile": {"transaction": {"trace_id": TRACE}},
    "log": {"items": [{"trace_id": TRACE}]},
    "span": {"items": [{"trace_id": TRACE}]},
    "trace_metric": {"items": [{"trace_id": TRACE}]},
}


@pytest.mark.parametrize("kind", TRACED)
def test_an_item_knows_its_trace(kind: str) -> None:
    (only,) = parse(one(kind, TRACED[kind], trace={"trace_id": OTHER})).items
    assert only.trace_ids == {TRACE}


@pytest.mark.parametrize("kind", [*TRACED, "session", "attachment"])
def test_the_envelope_speaks_for_an_item_that_names_no_trace(kind: str) -> None:
    (only,) = parse(one(kind, {}, trace={"trace_id": OTHER})).items
    assert only.trace_ids == {OTHER}


def test_a_container_may_belong_to_several_traces() -> None:
    logs = {"items": [{"trace_id": TRACE}, {"trace_id": OTHER}, {}, 3]}
    (only,) = parse(one("log", logs)).items
    assert only.trace_ids == {TRACE, OTHER}


def test_a_span_of_its_own_knows_its_trace() -> None:
    (only,) = parse(one("span", {"trace_id": TRACE})).items
    assert only.trace_ids == {TRACE}


@pytest.mark.parametrize("kind", sorted(ACCOMPANYING))
def test_what_names_no_trace_belongs_to_that_of_what_it_came_with(kind: str) -> None:
    event = item("event", {"contexts": {"trace": {"trace_id": TRACE}}})
    both = parse(body(item(kind, b"x"), event, item("session", {}), item("statsd", b"a:1|c")))
    assert [each.trace_ids for each in both.items] == [{TRACE}, {TRACE}, set(), set()]
    (only,) = parse(one(kind, b"x")).items
    assert only.trace_ids == frozenset()


def test_a_replay_names_several_traces() -> None:
    (only,) = parse(one("replay_event", {"trace_ids": [TRACE, OTHER, 3]})).items
    assert only.trace_ids == {TRACE, OTHER}


@pytest.mark.parametrize("sent", [b"\x00\xff", b"[" * 1000, {"trace_ids": TRACE}, b"[]"])
def test_a_replay_of_any_shape_is_kept_as_bytes(sent: object) -> None:
    (only,) = parse(one("replay_event", sent, trace={"trace_id": OTHER})).items
    assert isinstance(only.payload, bytes)
    assert only.trace_ids == {OTHER}


@pytest.mark.parametrize("trace_id", [None, 1, "", "xyz", ["a"], "\ud800" * 32])
def test_what_is_no_trace_id_is_none(trace_id: object) -> None:
    (only,) = parse(one("event", {"contexts": {"trace": {"trace_id": trace_id}}})).items
    assert only.trace_ids == frozenset()


def test_ids_are_read_with_and_without_dashes() -> None:
    dashed = "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA"
    (only,) = parse(one("event", {"event_id": dashed})).items
    assert only.event_id == TRACE


def test_an_attachment_has_the_id_of_its_event() -> None:
    (only,) = parse(one("attachment", b"x", event_id=TRACE)).items
    assert only.event_id == TRACE


@settings(deadline=None)
@given(st.binary())
def test_arbitrary_bytes_are_read_or_refused(sent: bytes) -> None:
    refused_or_read(sent)


lines = st.sampled_from(
    [
        *(b'{"type":"%s"}\n' % kind.encode() for kind in ("event", "log", "x")),
        *(b'{"type":"event","length":%d}\n' % length for length in (-1, 0, 2, 7, 10**20)),
        *(b"{}\n", b"[]\n", b"null\n", b"\n", b"\r\n", b'"\\ud800"\n', b"1e999\n", b"\xff\xfe\n"),
        *(b'{"contexts":[]}\n', b'{"items":{}}\n', b'{"items":[1]}\n', b'{"trace":"x"}\n'),
    ]
)


@settings(deadline=None)
@given(st.lists(lines | st.binary(max_size=8)).map(b"".join))
def test_nearly_right_envelopes_are_read_or_refused(sent: bytes) -> None:
    refused_or_read(b"{}\n" + sent)


def refused_or_read(sent: bytes) -> None:
    with contextlib.suppress(BadEnvelope):
        assert_found_again(parse(sent))


def assert_found_again(envelope: Envelope) -> None:
    for each in envelope.items:
        found = parse_item(envelope.body[each.offset : each.offset + each.length])
        # As text, because NaN is not equal to itself.
        assert repr(found) == repr((each.headers, each.payload))


@settings(deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=200), max_size=5),
    objects=st.lists(st.dictionaries(st.text(), st.text() | st.floats() | st.none()), max_size=3),
)
def test_the_bytes_that_the_sdk_writes_are_kept(
    payloads: list[bytes], objects: list[dict[str, object]]
) -> None:
    sent = SdkEnvelope({"event_id": TRACE})
    for payload in payloads:
        sent.add_item(SdkItem(payload, type="attachment"))
    for each in objects:
        sent.add_item(SdkItem(json.dumps(each), type="event"))
    envelope = parse(sent.serialize())
    assert [each.payload for each in envelope.items[: len(payloads)]] == payloads
    parsed = [each.payload for each in envelope.items[len(payloads) :]]
    assert repr(parsed) == repr([json.loads(json.dumps(each)) for each in objects])
    assert_found_again(envelope)
