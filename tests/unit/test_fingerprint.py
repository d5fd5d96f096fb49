import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.reading.grouping import reason, simulated_issue
from kit.reading.server.fingerprint import DEFAULT, fingerprint_of, resolve

OURS = {
    "module": "shop.till",
    "function": "pay",
    "filename": "shop/till.py",
    "abs_path": "/srv/shop/till.py",
    "package": "/usr/lib/libshop.so",
    "in_app": True,
}
LIBRARY = {"module": "json", "function": "loads", "in_app": False}
EVENT: dict[str, Any] = {
    "transaction": "/pay",
    "level": "warning",
    "logger": "shop",
    "release": "shop@1",
    "environment": "workshop",
    "server_name": "till-7",
    "tags": {"tier": "vip", "two words": "yes", "number": 7, "user": "ada", "long": "x" * 201},
    "exception": {
        "values": [
            {"type": "OSError", "value": "disk"},
            {"type": "PayError", "value": "bet 7", "stacktrace": {"frames": [OURS, LIBRARY]}},
        ]
    },
}
VALUES = {
    "transaction": "/pay",
    "type": "PayError",
    "error.type": "PayError",
    "value": "bet 7",
    "error.value": "bet 7",
    "message": "bet <int>",
    "function": "pay",
    "stack.function": "pay",
    "module": "shop.till",
    "stack.module": "shop.till",
    "path": "/srv/shop/till.py",
    "stack.abs_path": "/srv/shop/till.py",
    "stack.filename": "shop/till.py",
    "package": "libshop.so",
    "stack.package": "libshop.so",
    "level": "warning",
    "logger": "shop",
    "tags.tier": "vip",
    "tags.two-words": "yes",
    "tags.number": "7",
    "tags.server_name": "till-7",
    "tags.environment": "workshop",
    # Too long, or a name that the servers keep to themselves.
    "tags.long": "<no-value-for-tag-long>",
    "tags.user": "<no-value-for-tag-user>",
    "tags.release": "<no-value-for-tag-release>",
    # Not among the documented ones.
    "release": "<unrecognized-variable-release>",
    '"type"': '<unrecognized-variable-"type">',
}
MISSING = {
    "transaction": "<no-transaction>",
    "type": "<no-type>",
    "error.value": "<no-value>",
    "message": "<no-message>",
    "stack.function": "<no-function>",
    "path": "<no-abs-path>",
    "stack.filename": "<no-filename>",
    "module": "<no-module>",
    "package": "<no-package>",
    # The servers take an event without a level for an error.
    "level": "error",
    "logger": "<no-logger>",
    "tags.tier": "<no-value-for-tag-tier>",
}


@pytest.mark.parametrize("name", VALUES)
def test_a_variable_stands_for_its_value(name: str) -> None:
    for spelled in (f"{{{{ {name} }}}}", f"{{{{{name}}}}}", f"{{{{  {name}}}}}"):
        assert resolve(spelled, EVENT) == VALUES[name]


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_is_the_same_for_all(name: str) -> None:
    assert resolve(f"{{{{ {name} }}}}", {}) == MISSING[name]


@pytest.mark.parametrize("part", ["pay", "{{ type }} x", "{{ two words }}", "{ type }", "{{ }}"])
def test_what_is_no_variable_stays_as_it_is(part: str) -> None:
    assert resolve(part, EVENT) == part


def test_frames_of_libraries_stand_in_where_there_are_no_others() -> None:
    event = {"stacktrace": {"frames": [OURS | {"in_app": False}, LIBRARY]}}
    assert resolve("{{ function }}", event) == "loads"
    thread = {"stacktrace": {"frames": [OURS, LIBRARY]}}
    assert resolve("{{ function }}", {"threads": {"values": [thread]}}) == "pay"
    assert resolve("{{ function }}", {"threads": {"values": [thread, {}]}}) == "<no-function>"


def test_tags_may_be_pairs_and_a_message_a_template() -> None:
    assert resolve("{{ tags.tier }}", {"tags": [["tier", "vip"], None, ["x"]]}) == "vip"
    entry = {"message": "bet %s", "formatted": "bet 17"}
    assert resolve("{{ message }}", {"logentry": entry}) == "bet <int>"


def failed(number: int, transaction: str, *fingerprint: str) -> dict[str, Any]:
    frames = [{"function": f"h{number}", "filename": "a.py", "in_app": True}]
    error = {"type": "E", "value": "boom", "stacktrace": {"frames": frames}}
    given = {"transaction": transaction, "fingerprint": list(fingerprint)}
    return {**given, "exception": {"values": [error]}}


def test_events_of_two_transactions_are_two_issues() -> None:
    checkout, login = (
        failed(0, "/checkout", "{{ transaction }}"),
        failed(1, "/login", "{{transaction}}"),
    )
    again = failed(2, "/login", "{{ transaction }}")
    assert simulated_issue(checkout) == ("", "/checkout")
    assert simulated_issue(login) == simulated_issue(again) == ("", "/login")
    assert reason(login | {"fingerprint": ["db", "{{ transaction }}"]}, 2) == (
        "All 2 were given the fingerprint db / {{ transaction }} = /login."
    )


def test_a_variable_refines_the_default() -> None:
    split = [failed(0, name, DEFAULT, "{{ transaction }}") for name in ("/a", "/b", "/a")]
    assert len({simulated_issue(event) for event in split}) == 2


def test_a_variable_that_the_servers_do_not_know_puts_all_into_one_issue() -> None:
    releases = (failed(0, "/a", "{{ release }}") | {"release": name} for name in ("1", "2"))
    assert len({simulated_issue(event) for event in releases}) == 1


@pytest.mark.parametrize(
    ("sent", "parts"),
    [
        (["a", 7, True, 3.7], ["a", "7", "True", "3"]),
        ([None, {}, [], float("nan"), 1e100], []),
        ("pay", []),
        (["{{default}}", "{{  default }}"], [DEFAULT, DEFAULT]),
    ],
)
def test_a_fingerprint_is_read_as_relay_reads_it(sent: Any, parts: list[str]) -> None:
    assert fingerprint_of({"fingerprint": sent}) == parts


JUNK = st.sampled_from((None, True, 7, 1e400, "text", [], {}, [None], {"values": [None, 7]}))
FIELDS = ("transaction", "exception", "threads", "stacktrace", "tags", "level", "logger", "message")


@settings(deadline=None, max_examples=50)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JUNK)))
def test_no_event_is_too_strange_for_a_variable(event: dict[str, Any]) -> None:
    for name in VALUES:
        assert resolve(f"{{{{ {name} }}}}", event)
    assert json.dumps(fingerprint_of(event)) == "[]"
