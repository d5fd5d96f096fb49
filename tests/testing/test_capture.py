"""What a capture waits for, asserts, and says when it is not so. Each assertion fails once here."""

import base64
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sentry_sdk

from demo_services.sdk import logging_integration
from demo_services.trace import start_span
from kit.actionable import ActionableError
from kit.capture.capture import Capture, NotAsExpected
from kit.capture.leaks import secret_forms
from kit.testing import SentryIngest

SHORT_S = 0.05
CARD = "4111 1111 1111 1111"
# Another's: what is sent of the source code around a line that fails is none of these tests'.
QUIET: dict[str, Any] = {"frame_context_lines": 0, "stack_frame_variables": False}


def start_sdk(**options: Any) -> None:
    given = {"traces_sample_rate": 1.0, "trace_lifecycle": "stream", "data_collection": QUIET}
    sentry_sdk.init(**given, **options)


def report(message: str = "empty", **fields: Any) -> None:
    with sentry_sdk.new_scope() as scope:
        for name, value in fields.items():
            scope.set_extra(name, value)
        try:
            raise ValueError(message)
        except ValueError as error:
            sentry_sdk.capture_exception(error)


def report_all(message: str = "empty") -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_user({"id": "7", "username": "ada"})
        scope.set_tag("tier", "gold")
        scope.set_context("cart", {"items": 3, "shop": {"name": "corner"}})
        scope.add_breadcrumb({"category": "cart", "message": "opened"})
        scope.add_breadcrumb({"category": "cart", "message": "filled", "data": {"items": 3}})
        scope.add_breadcrumb({"category": "pay", "message": "refused"})
        scope.fingerprint = ["cart", "empty"]
        try:
            try:
                raise KeyError("cart")
            except KeyError as error:
                raise ValueError(message) from error
        except ValueError as error:
            sentry_sdk.capture_exception(error)


@contextmanager
def failing(*words: str) -> Iterator[None]:
    """Inside the block something fails, and the message has these words."""
    with pytest.raises(NotAsExpected) as caught:
        yield
    missing = [word for word in words if word not in str(caught.value)]
    assert missing == [], str(caught.value)


@pytest.fixture
def captured(sentry_ingest: SentryIngest) -> Iterator[Capture]:
    start_sdk(release="shop@1.2", environment="ci")
    with sentry_ingest.capture(timeout=SHORT_S) as captured:
        yield captured


GOOD: dict[str, Any] = {
    "type": "ValueError",
    "message": "empty",
    "handled": True,
    "level": "error",
    "release": "shop@1.2",
    "environment": "ci",
    "user": {"id": "7"},
    "tags": {"tier": "gold"},
    "contexts": {"cart": {"shop": {"name": "corner"}}},
    "breadcrumbs": ["opened", "items: 3", re.compile("^pay refused$")],
    "fingerprint": ["cart", "empty"],
    "values": {"exception.values[0].type": "KeyError"},
}
WRONG: dict[str, tuple[Any, list[str]]] = {
    "type": ("KeyError", ["exception.values[-1].type", "'KeyError'", "'ValueError'"]),
    "message": (re.compile("^full"), ["exception.values[-1].value", "a match of '^full'"]),
    "handled": (False, ["exception.values[-1].mechanism.handled", "found True"]),
    "level": ("fatal", ["level: expected 'fatal', found 'error'"]),
    "release": ("shop@2", ["release: expected 'shop@2', found 'shop@1.2'"]),
    "environment": ("prod", ["environment: expected 'prod', found 'ci'"]),
    "transaction": ("/cart", ["transaction: expected '/cart', found nothing"]),
    "user": ({"id": "8"}, ["user.id: expected '8', found '7'"]),
    "tags": ({"tier": "gold", "a.b": "x"}, ["tags.\"a.b\": expected 'x', found nothing"]),
    "contexts": (
        {"cart": {"shop": {"name": "market"}}, "order": {"id": 1}},
        ["contexts.cart.shop.name: expected 'market'", "contexts.order.id: expected 1"],
    ),
    "breadcrumbs": (
        ["filled", "opened"],
        ["step 2 of the trail: expected 'opened'", "cart filled"],
    ),
    "fingerprint": (["cart"], ["fingerprint: expected ['cart'], found ['cart', 'empty']"]),
    "values": ({"request.method": "GET"}, ["request.method: expected 'GET', found nothing"]),
}


def test_an_event_that_is_as_expected_is_returned(captured: Capture) -> None:
    report("another")
    report_all()
    assert captured.expect(**GOOD).title == "ValueError"
    assert captured.expect(type=["ValueError", "KeyError"])["release"] == "shop@1.2"
    assert [event.find("exception.values[-1].value") for event in captured.events] == [
        "another",
        "empty",
    ]
    # So that the card names the service.
    assert {event.project for event in captured.events} == {captured.project}


def test_each_part_that_is_not_as_expected_is_named(captured: Capture) -> None:
    report_all()
    for name, (expected, words) in WRONG.items():
        with failing("“ValueError", *words):
            captured.expect(**{**GOOD, name: expected})


def test_the_nearest_event_is_compared_and_the_others_are_named(captured: Capture) -> None:
    report("far")
    report_all("near")
    with failing("“ValueError", "found 'near'", "Less similar: ValueError"):
        captured.expect(**GOOD)


def test_an_event_is_waited_for_that_comes_late(sentry_ingest: SentryIngest) -> None:
    start_sdk()
    scope = sentry_sdk.get_isolation_scope()

    def late() -> None:
        with sentry_sdk.scope.use_isolation_scope(scope):
            report("late")

    with sentry_ingest.capture(timeout=20) as captured:
        timer = threading.Timer(0.2, late)
        timer.start()
        assert captured.events == []
        assert captured.event.title == "ValueError"
        timer.join()


def test_only_what_came_since_the_beginning_counts(sentry_ingest: SentryIngest) -> None:
    start_sdk()
    report("before")
    with sentry_ingest.capture(timeout=SHORT_S) as captured:
        report("inside")
    report("after")
    assert [e.find("exception.values[-1].value") for e in captured.wait_for_events(2)] == [
        "inside",
        "after",
    ]
    with failing("Fewer than 3 error events", "ValueError: inside"):
        captured.wait_for_events(3)


def test_more_items_than_one_reading_has_are_all_read(
    captured: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.capture.capture.FIRST_READ", 3)
    for number in range(10):
        report(str(number))
    values = [event.find("exception.values[-1].value") for event in captured.events]
    assert values == [str(number) for number in range(10)]


# Silence


def test_without_a_client_it_says_so(sentry_ingest: SentryIngest) -> None:
    with sentry_ingest.capture(timeout=SHORT_S) as captured:
        report()
    with failing("No error event of app-", "No Sentry client is active", sentry_ingest.dsn()):
        _ = captured.event


def test_a_client_with_another_dsn_is_named(sentry_ingest: SentryIngest) -> None:
    start_sdk(dsn=sentry_ingest.dsn("shop"))
    with sentry_ingest.capture(timeout=SHORT_S) as captured:
        report()
    with failing("sends elsewhere", "1 error event arrived in the project shop-"):
        _ = captured.event


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_rate": 0.0}, ["dropped 1 error: left out by sample_rate", "sample_rate is 0"]),
        ({"before_send": lambda event, hint: None}, ["before_send", "dropped 1 error"]),
    ],
    ids=["sample_rate", "before_send"],
)
def test_what_the_sdk_dropped_is_told(
    sentry_ingest: SentryIngest, options: dict[str, Any], words: list[str]
) -> None:
    start_sdk(**options)
    with sentry_ingest.capture(timeout=SHORT_S) as captured:
        report()
    with failing("1 client_report item", *words):
        _ = captured.event
    with failing("1 client_report item", *words):
        captured.expect(type="ValueError")


# Secrets


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        (CARD, "as plain text"),
        (CARD.replace(" ", ""), "without spaces"),
        (CARD.replace(" ", "-"), "with hyphens for spaces"),
        (quote(CARD), "URL-encoded"),
        (f"Basic {base64.b64encode(f'ada:{CARD}'.encode()).decode()}", "in base64"),
        (f"Basic {base64.b64encode(f'a:{CARD}:'.encode()).decode()}", "in base64"),
    ],
)
def test_a_secret_is_found_in_each_encoding(captured: Capture, sent: str, encoding: str) -> None:
    report(note=sent)
    with failing("“4111…” (19 characters)", "error event ", "at extra.note, ", encoding):
        captured.assert_no_secret("nothing of this kind", CARD)


@pytest.mark.parametrize("secret", ['pass"wörd\\1', "p&ss<w>rd", "päßwörd+1/2"])
def test_a_secret_with_characters_that_are_escaped_is_found(captured: Capture, secret: str) -> None:
    report(note=json.dumps({"body": json.dumps(secret)}), query=quote(secret, safe=""))
    with failing("at extra.note", "at extra.query", "URL-encoded", "data_collection"):
        captured.assert_no_secret(secret)


def test_a_secret_that_json_escapes_is_found_where_it_is_a_plain_value(captured: Capture) -> None:
    report(note='pass"wörd\\1')
    with failing("at extra.note, as plain text"):
        captured.assert_no_secret('pass"wörd\\1')


def test_a_secret_is_found_in_every_kind_of_item(captured: Capture) -> None:
    with start_span(op="task", name=f"pay {CARD}"), sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=CARD.encode(), filename="order.txt")
        sentry_sdk.capture_message("harmless")
    sentry_sdk.set_tag(CARD, "a key")
    sentry_sdk.capture_message("with a key")
    with failing("span item at items[0].name", "attachment item", "its content", "tags."):
        captured.assert_no_secret(CARD)


def test_no_secret_is_claimed_of_nothing_that_was_sent(captured: Capture) -> None:
    with failing("No error event", "Arrived: nothing"):
        captured.assert_no_secret(CARD)
    report()
    captured.assert_no_secret(CARD)
    for nothing in ([], [""], [" "]):
        with pytest.raises(ValueError, match="secret"):
            captured.assert_no_secret(*nothing)


def test_short_secrets_are_not_looked_for_in_forms_that_are_anywhere() -> None:
    assert set(secret_forms("1234")) == {"1234"}


# Nothing


def test_nothing_reported_does_not_wait_for_this_process(sentry_ingest: SentryIngest) -> None:
    start_sdk()
    captured = sentry_ingest.capture(timeout=60)
    start = time.monotonic()
    captured.assert_nothing_reported()
    assert time.monotonic() - start < 30
    report()
    with failing("should report nothing", "“ValueError: empty”"):
        captured.assert_nothing_reported()


def test_nothing_reported_proves_nothing_without_a_client(sentry_ingest: SentryIngest) -> None:
    with sentry_ingest.capture() as captured:
        pass
    with failing("proves nothing", "settle=1.0"):
        captured.assert_nothing_reported()
    captured.assert_nothing_reported(settle=0.05)


# Everything else that is sent


def test_logs_and_traces_are_read(sentry_ingest: SentryIngest) -> None:
    start_sdk(integrations=[logging_integration(logs=True)])
    logger = logging.getLogger("shop")
    with sentry_ingest.capture() as captured:
        with start_span(op="task", name="first"):
            logger.warning("seen %s", "first")
        sentry_sdk.traces.new_trace()
        with start_span(op="task", name="second"):
            report()
            logger.warning("seen second")
        assert [span.name for span in captured.trace] == ["second"]
    assert [entry.message for entry in captured.logs] == ["seen first", "seen second"]
    assert {item.type for item in captured.items()} >= {"event", "span", "log"}
    assert captured.wait_for("log").type == "log"
    assert repr(captured).startswith("<Capture of app-")


def test_a_trace_that_never_comes_is_explained(captured: Capture) -> None:
    report()
    with failing("No trace of app-", "the error event “ValueError: empty”", "traces_sample_rate"):
        _ = captured.trace
    with failing("No such check_in item", "the error event"):
        captured.wait_for("check_in")


def test_issues_are_counted_and_explained(captured: Capture) -> None:
    for number in range(3):
        report(str(number))
    captured.assert_issues(1)
    report_all()
    captured.assert_issues(2)
    with failing("4 error events", "2 issues (simulated), expected 1", "cart / empty", "Same "):
        captured.assert_issues(1)
    assert [len(issue) for issue in captured.simulated_issues] == [3, 1]


def test_a_failure_is_an_assertion_and_is_shown_without_a_traceback() -> None:
    assert issubclass(NotAsExpected, AssertionError)
    assert issubclass(NotAsExpected, ActionableError)


# Other processes


CHILD = """
import sentry_sdk
sentry_sdk.init()
{}
"""


@pytest.mark.slow
def test_an_app_in_another_process_reports_by_the_environment(
    sentry_ingest: SentryIngest, tmp_path: Path
) -> None:
    program = tmp_path / "child.py"
    program.write_text(CHILD.format("1 / 0"), encoding="utf-8")
    with sentry_ingest.capture() as captured:
        subprocess.run([sys.executable, program], capture_output=True, check=False)
    captured.expect(type="ZeroDivisionError", handled=False)
