import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentry_sdk.utils import event_from_exception

from kit.reading.event import headline
from kit.reading.grouping import (
    FingerprintError,
    ask,
    culprit,
    reason,
    simulated_issue,
)
from kit.reading.server.fingerprint import DEFAULT
from kit.reading.server.messages import without_values


def frame(function: str, code: str = "", *, in_app: bool | None = True) -> dict[str, Any]:
    known = {} if in_app is None else {"in_app": in_app}
    return {"module": "shop", "function": function, "context_line": code, **known}


def raised(kind: str, *frames: dict[str, Any], value: str = "broken") -> dict[str, Any]:
    stack = {"stacktrace": {"frames": list(frames)}} if frames else {}
    return {"type": kind, "value": value, **stack}


def event(*chain: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"server_name": "shop", "exception": {"values": list(chain)}, **fields}


PAY = event(raised("KeyError", frame("order"), frame("pay", "bets[name]")))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (event(raised("KeyError", frame("order"), frame("pay", "bets[name]"), value="x")), True),
        (event(raised("KeyError", frame("order"), frame("pay", "  bets[name] "))), True),
        (event(raised("TypeError", frame("order"), frame("pay", "bets[name]"))), False),
        (event(raised("KeyError", frame("order"), frame("pay", "bets[0]"))), False),
        (event(raised("KeyError", frame("refund"), frame("pay", "bets[name]"))), False),
        (PAY | {"server_name": "till"}, False),
        (PAY | {"level": "fatal", "user": {"id": "1"}, "transaction": "/pay"}, True),
        (PAY | {"fingerprint": ["pay"]}, False),
        (PAY | {"fingerprint": []}, True),
        (PAY | {"fingerprint": ["{{default}}"]}, True),
        (PAY | {"fingerprint": [DEFAULT, "vip"]}, False),
    ],
)
def test_type_frames_and_fingerprint_make_an_issue(other: dict[str, Any], same: bool) -> None:
    assert (simulated_issue(other) == simulated_issue(PAY)) is same


def test_every_exception_of_a_chain_counts() -> None:
    cause, effect = raised("OSError", frame("read")), raised("SettlementError", frame("settle"))
    other = raised("ValueError", frame("read"))
    assert simulated_issue(event(cause, effect)) != simulated_issue(event(other, effect))
    assert simulated_issue(event(cause, effect)) != simulated_issue(event(effect))


def test_frames_of_libraries_count_only_where_there_are_no_others() -> None:
    library = frame("loads", in_app=False), frame("decode", in_app=None)
    ours = event(raised("ValueError", frame("pay"), *library))
    assert simulated_issue(ours) == simulated_issue(event(raised("ValueError", frame("pay"))))
    alone = event(raised("ValueError", *library))
    assert simulated_issue(alone) == ("shop", "ValueError", "shop.loads", "shop.decode")


def test_a_recursion_counts_once_however_deep() -> None:
    deep, deeper = (event(raised("RangeError", *[frame("walk", "walk()")] * n)) for n in (3, 50))
    assert simulated_issue(deep) == simulated_issue(deeper)


def test_code_that_is_too_long_to_be_written_by_hand_does_not_count() -> None:
    one, other = (event(raised("E", frame("f", letter * 121))) for letter in "ab")
    assert simulated_issue(one) == simulated_issue(other)


def test_a_file_stands_for_a_module_wherever_it_lies() -> None:
    places = "C:\\app\\Pay.js", "/srv/pay.js"
    frames = ({"filename": each, "function": "pay", "in_app": True} for each in places)
    one, other = (event(raised("Error", each)) for each in frames)
    assert simulated_issue(one) == simulated_issue(other) == ("shop", "Error", "pay.js.pay")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (event(raised("E", value="spin 17 failed")), event(raised("E", value="spin 18 failed"))),
        ({"message": "spin 17 failed"}, {"message": "spin 18 failed"}),
        (
            {"logentry": {"message": "%s failed", "formatted": "ada failed"}},
            {"logentry": {"message": "%s failed", "formatted": "bob failed"}},
        ),
        (
            {"message": "a", "threads": {"values": [raised("", frame("watch"))]}},
            {"message": "b", "threads": {"values": [raised("", frame("watch"))]}},
        ),
    ],
)
def test_without_a_stack_trace_the_message_counts(one: dict[str, Any], other: Any) -> None:
    assert simulated_issue(one) == simulated_issue(other)
    assert simulated_issue(one) != simulated_issue({"message": "closed"})


def test_without_a_stack_trace_other_words_are_another_issue() -> None:
    one, other = (event(raised("E", value=value)) for value in ("spin 17 failed", "bank closed"))
    assert simulated_issue(one) != simulated_issue(other)


def test_a_message_of_any_form_is_grouped_without_its_parameters() -> None:
    one, other = ({"message": {"message": "%s failed", "params": [who]}} for who in ("ada", "bob"))
    assert simulated_issue(one) == simulated_issue(other) == ("", "%s failed")


@pytest.mark.parametrize(
    ("threads", "counted"),
    [
        ([raised("", frame("watch"))], "shop.watch"),
        ([raised("", frame("a")), raised("", frame("b"))], "closed"),
        ([raised("", frame("a")), raised("", frame("b")) | {"crashed": True}], "shop.b"),
        ([raised("", frame("a")), raised("", frame("b")) | {"current": True}], "shop.b"),
        (
            [raised("", frame(name)) | {"crashed": True, "current": name == "a"} for name in "ab"],
            "shop.a",
        ),
        (
            [
                raised("", frame(name)) | {"crashed": name != "c", "current": name == "c"}
                for name in "abc"
            ],
            "shop.c",
        ),
        ([raised("", frame(name)) | {"crashed": True} for name in "ab"], "closed"),
        ([raised("") | {"crashed": True}, raised("", frame("b"))], "closed"),
    ],
)
def test_a_thread_counts_that_alone_crashed_or_is_current(threads: Any, counted: str) -> None:
    sent = {"message": "closed", "threads": {"values": threads}}
    assert simulated_issue(sent) == ("", counted)


def test_the_type_of_a_synthetic_exception_does_not_count() -> None:
    synthetic = {"mechanism": {"type": "generic", "synthetic": True}}
    one, other = (event(raised(kind, frame("pay")) | synthetic) for kind in ("Error", "Signal"))
    assert simulated_issue(one) == simulated_issue(other) == ("shop", "shop.pay")
    assert reason(one, 2) == "Same in-app frames: pay."


# Groups of exceptions


def failing(*kinds: type[Exception]) -> Iterator[Exception]:
    for kind in kinds:
        try:
            raise kind("broken")
        except kind as error:
            yield error


def group_of(*kinds: type[Exception]) -> dict[str, Any]:
    """Return what the SDK makes of a group of exceptions, each raised at the same place."""
    try:
        raise ExceptionGroup("several", list(failing(*kinds)))
    except ExceptionGroup as group:
        made: dict[str, Any] = json.loads(json.dumps(event_from_exception(group)[0]))
    return {**made, "platform": "python", "sdk": {"version": "2.75.0"}}


def test_members_of_a_group_that_are_equal_count_as_one() -> None:
    keys = [group_of(*[KeyError] * number) for number in (1, 2, 5)]
    assert len({simulated_issue(each) for each in keys}) == 1
    # As the member alone would be: the group itself does not count.
    (alone,) = (each for each in keys[0]["exception"]["values"] if each["type"] == "KeyError")
    assert simulated_issue(keys[0]) == simulated_issue({"exception": {"values": [alone]}})
    assert reason(keys[2], 2).startswith("Same exception type and ")


def test_each_different_member_of_a_group_counts_once_and_the_group_too() -> None:
    pair, more = group_of(KeyError, OSError), group_of(OSError, KeyError, KeyError, OSError)
    assert simulated_issue(pair) == simulated_issue(more)
    assert {"ExceptionGroup", "KeyError", "OSError"} < set(simulated_issue(pair))
    assert simulated_issue(pair) != simulated_issue(group_of(KeyError, ValueError))
    assert "3 exception types (ExceptionGroup, " in reason(more, 2)


def test_an_event_of_sdk_3_is_grouped_by_all_members() -> None:
    one, two = group_of(KeyError), group_of(KeyError, KeyError)
    for made in (one, two):
        made["sdk"] = {"version": "3.0.0"}
    assert simulated_issue(one) != simulated_issue(two)
    assert simulated_issue(two).count("KeyError") == 2


def numbered(kind: str, number: Any, above: Any = None, *, group: bool = False) -> dict[str, Any]:
    mechanism = {"exception_id": number, "parent_id": above, "is_exception_group": group}
    return raised(kind) | {"mechanism": mechanism}


@pytest.mark.parametrize(
    "chain",
    [
        # Two of one id, one below itself, one without an id, no root, a circle, only groups.
        [numbered("A", 1, 0), numbered("B", 1, 0), numbered("G", 0, group=True)],
        [numbered("A", 1, 1), numbered("G", 0, group=True)],
        [numbered("A", None, 0), numbered("G", 0, group=True)],
        [numbered("A", 2, 1), numbered("G", 1, group=True)],
        [numbered("A", 1, 0, group=True), numbered("G", 0, 1, group=True)],
        [numbered("B", 2, 0), numbered("A", 1, 0, group=True), numbered("G", 0, 1, group=True)],
        [numbered("A", 1, 0, group=True), numbered("G", 0, group=True)],
    ],
)
def test_of_a_broken_group_all_exceptions_count(chain: list[dict[str, Any]]) -> None:
    kinds = [part for part in simulated_issue(event(*chain)) if part in "ABG"]
    assert kinds == [each["type"] for each in chain]


def test_a_group_in_a_group_is_looked_into() -> None:
    inner = numbered("B", 3, 2), numbered("G2", 2, 0, group=True)
    chain = event(*inner, numbered("A", 1, 0), numbered("G1", 0, group=True))
    assert simulated_issue(chain) == ("shop", "B", "broken", "A", "broken", "G1", "broken")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("spin 17 lost -3.50", "spin <int> lost <float>"),
        ("id 6f1c2a34-0b1d-4c2e-9f3a-1234567890ab", "id <uuid>"),
        ("at 0x7f3a, spin 513d98ec4427", "at <hex>, spin <hex>"),
        ("ada@example.org from 10.0.0.7", "<email> from <ip>"),
        ("since 2026-11-22T03:08:11Z, 250ms, 1.5s", "since <date>, <duration>, <duration>"),
        ("GET http://127.0.0.1:8080/a?b=1 failed", "GET <url> failed"),
        ("utf8 and LUCKY-15 on tier2", "utf8 and LUCKY-<int> on tier2"),
        ("one\n\ntwo\nthree", "one\ntwo"),
    ],
)
def test_what_differs_from_event_to_event_is_left_out_of_a_message(text: str, shown: str) -> None:
    assert without_values(text) == shown


@pytest.mark.parametrize(
    ("sent", "count", "why"),
    [
        (PAY, 4, "Same exception type and in-app frames: pay ← order."),
        (
            PAY,
            1,
            "The only event with this exception type and in-app frames: pay ← order.",
        ),
        (PAY | {"fingerprint": ["a", "b"]}, 4, "All 4 were given the fingerprint a / b."),
        (PAY | {"fingerprint": ["a"]}, 1, "Only this event was given the fingerprint a."),
        (
            PAY | {"fingerprint": [DEFAULT, "vip"]},
            2,
            "All 2 were given the fingerprint {{ default }} / vip. {{ default }} stands for "
            "exception type and in-app frames: pay ← order.",
        ),
        (
            event(raised("OSError", frame("read")), raised("PayError", frame("settle"))),
            2,
            "Same 2 exception types (PayError, OSError) and in-app frames: settle.",
        ),
        (
            event(raised("ValueError", frame("loads", in_app=None))),
            2,
            "Same exception type and frames, none of them in-app: loads.",
        ),
        (
            event(raised("ValueError", value="spin 7")),
            2,
            "Same exception type and message, ignoring values: “spin <int>”.",
        ),
        ({"message": "spin 7"}, 2, "Same message, ignoring values: “spin <int>”."),
        (
            event(raised("E", *map(frame, "abcdef"))),
            2,
            "Same exception type and in-app frames: f ← e ← d ← c ← ….",
        ),
    ],
)
def test_a_sentence_says_why_events_are_one_issue(
    sent: dict[str, Any], count: int, why: str
) -> None:
    assert reason(sent, count) == why


def test_the_sentence_names_who_gave_the_fingerprint() -> None:
    told = reason(PAY | {"fingerprint": ["pay"]}, 3, by="your function")
    assert told == "All 3 were given the fingerprint pay by your function."


def test_an_issue_is_named_after_the_exception_raised_last() -> None:
    chained = event(raised("OSError", frame("read")), raised("PayError", frame("settle")))
    assert (headline(chained).title, culprit(chained)) == ("PayError: broken", "settle")
    assert culprit(chained | {"transaction": "/pay"}) == "/pay"
    assert headline({"logentry": {"message": "%s", "formatted": "ada"}}).title == "ada"
    assert headline({}).title == "Event without a message"


def test_a_rule_is_asked_for_a_list_of_strings() -> None:
    assert ask(lambda given: [given["server_name"], "pay"], PAY) == ["shop", "pay"]
    assert ask(lambda given: None, PAY) is None


def careless(given: dict[str, Any]) -> list[str]:
    return [given["tags"]["tier"]]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (careless, """raised KeyError: 'tags' in line """),
        (
            careless,
            """, return [given["tags"]["tier"]]. Its argument was the event “KeyError: bro""",
        ),
        (int, "raised TypeError: "),
        (lambda given: "pay", "returned 'pay' for the event “KeyError: broken”. A fingerprint is"),
        (lambda given: [1], "returned [1]"),
        (lambda given: given, "A fingerprint is a list of strings"),
        (lambda given: ..., "returned Ellipsis"),
    ],
)
def test_a_rule_that_fails_is_told_in_one_line(rule: Any, told: str) -> None:
    with pytest.raises(FingerprintError) as failed:
        ask(rule, PAY)
    assert told in str(failed.value)
    assert failed.value._render_traceback_() == [f"FingerprintError: {failed.value}"]
    assert "\n" not in str(failed.value)


JUNK = (None, True, 7, 1.5, "text", [], {}, [None], {"values": None}, {"frames": [7, {}]})
STACK = {"frames": [{"in_app": True, "module": [], "function": {}, "context_line": 7}]}
junk = st.sampled_from((*JUNK, {"values": [*JUNK, {"stacktrace": STACK}]}, STACK))
raised_junk = st.dictionaries(st.sampled_from(("type", "value", "stacktrace")), junk)
exceptions = junk | st.lists(raised_junk, max_size=3).map(lambda each: {"values": each})
FIELDS = ("threads", "stacktrace", "fingerprint", "message", "logentry", "transaction")


@settings(deadline=None)
@given(st.fixed_dictionaries({"exception": exceptions}, optional=dict.fromkeys(FIELDS, junk)))
def test_no_payload_is_too_strange(payload: dict[str, Any]) -> None:
    assert all(isinstance(part, str) for part in simulated_issue(payload))
    assert reason(payload, 1).endswith(".")
    assert headline(payload).title
    assert isinstance(culprit(payload), str)
