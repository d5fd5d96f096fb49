"""What other SDKs sent, recorded from the real ones: as issues, in the feed and as cards."""

import json
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from kit.ingest.store import Store, StoredItem
from kit.issues import Issues, read_issues
from kit.outcome import Event, make_event
from kit.provenance.origin import UNKNOWN, origin_at
from kit.reading.event import canonical
from kit.reading.payload import leaves
from kit.widgets.feed import describe_item
from tests.foreign.recording import recorded
from tests.foreign.sdks import BROWSER, CLI, EVERY, GO, MESSAGE, NODE, PYTHON, RUBY, ForeignSdk
from tests.ingest.sending import body, item, store_away

OURS = ("demo_services/", "kit/", "our code", "our before_send", "the supervisor")
OF_NODE_11 = next(sdk for sdk in NODE if sdk.name == "node-11")
MACHINE = re.compile(r"127\.0\.0\.1|/tmp/|/opt/|/home/|/root|/work/")

# What is known of SDKs is known of these versions.
EXPLAINED = (*PYTHON[1:3], OF_NODE_11)

every = pytest.mark.parametrize("sdk", EVERY, ids=lambda sdk: sdk.name)
with_error = pytest.mark.parametrize(
    "sdk", [sdk for sdk in EVERY if sdk is not CLI], ids=lambda sdk: sdk.name
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    found = Store(tmp_path_factory.mktemp("foreign") / "foreign.db")
    for sdk in EVERY:
        for payload in recorded(sdk):
            envelope = body(item("event", payload), event_id=payload["event_id"])
            store_away(found, envelope, project=sdk.name)
    yield found
    found.close()


@pytest.fixture(scope="module")
def issues(store: Store) -> Issues:
    return read_issues(store)


def items_of(store: Store, sdk: ForeignSdk) -> list[StoredItem]:
    return store.items(project=sdk.name, type="event")[::-1]


@cache
def card(sdk: ForeignSdk, number: int = -1) -> str:
    """Return the card of an event of an SDK, the last one by default."""
    event = Event(recorded(sdk)[number])
    event.project = sdk.name
    return str(event._repr_html_())


def text(sdk: ForeignSdk, number: int = -1) -> str:
    """Return what one reads on a card, without its raw JSON."""
    shown = card(sdk, number).partition("<h4>Raw event</h4>")[0]
    shown = re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", shown)).split())


@every
def test_the_card_the_issue_and_the_feed_name_it_alike(
    sdk: ForeignSdk, store: Store, issues: Issues
) -> None:
    items = items_of(store, sdk)
    titles = {issue.title for issue in issues if issue.service == sdk.name}
    assert titles == set(sdk.titles)
    assert [describe_item(each).words.removeprefix("Message: ") for each in items] == [*sdk.titles]
    for number, each in enumerate(items):
        assert describe_item(each).service == sdk.name
        assert f'<span class="cw-service"><bdi>{sdk.name}</bdi>' in card(sdk, number)


@every
def test_its_levels_are_those_that_sentry_has(sdk: ForeignSdk, store: Store) -> None:
    levels = [describe_item(each).level for each in items_of(store, sdk)]
    assert levels[0] == "warning"
    assert set(levels[1:]) <= ({"fatal"} if sdk in NODE else {"error"})


@every
def test_a_message_is_not_called_an_exception(sdk: ForeignSdk, store: Store) -> None:
    shown = text(sdk, 0)
    assert make_event(items_of(store, sdk)[0]).title == MESSAGE
    assert f"Message {MESSAGE}" in shown
    assert "<h4>Exception" not in card(sdk, 0)
    assert "Handled" not in shown.partition("Breadcrumbs")[0]
    assert "✖ the error" not in shown


@with_error
def test_the_card_says_what_the_table_declares(sdk: ForeignSdk) -> None:
    html, shown = card(sdk), text(sdk)
    assert [said for said in sdk.says if said not in shown and said not in html] == []
    assert f"{recorded(sdk)[-1]['sdk']['version']}. Event" in shown


@every
def test_nothing_is_said_to_be_of_the_course(sdk: ForeignSdk, store: Store) -> None:
    for each in items_of(store, sdk):
        event = canonical(each.payload)
        found = {origin_at(event, path, each.project) for path in leaves(event)}
        said = " ".join(f"{one.who} {one.why} {one.file}" for one in found)
        assert [words for words in OURS if words in said] == []
        if sdk not in EXPLAINED:
            assert {one.who for one in found} == {UNKNOWN}
        tags = origin_at(event, ("tags", "shop.till"), each.project)
        assert tags.who == UNKNOWN


def test_of_a_message_of_node_11_it_is_known_that_nothing_was_thrown(store: Store) -> None:
    event = canonical(items_of(store, OF_NODE_11)[0].payload)
    (value,) = event["exception"]["values"]
    assert "type" not in value
    below = [("exception", "values", 0, *path) for path in leaves(value)]
    who = {origin_at(event, path).who for path in below}
    assert "captureMessage" in who
    assert "captureException" not in who


def test_of_a_frame_that_is_minified_the_column_is_shown() -> None:
    for sdk in BROWSER:
        assert re.search(r"shop\.example/[\w-]+\.js:\d+:\d{3,}", text(sdk))


def test_frames_that_no_one_marked_are_said_to_be_so() -> None:
    raven = text(PYTHON[-1])
    assert "order in programs/shop.py:22" in raven
    assert "from libraries" not in raven
    for sdk in RUBY:
        shown = text(sdk)
        assert "rescue in order in" in shown
        assert "from libraries" not in shown


def test_code_is_highlighted_in_its_own_language() -> None:
    ruby, go = card(RUBY[0]), card(GO)
    assert '<span class="cw-k">rescue</span>' in ruby
    assert '<span class="cw-kd">func</span>' in go


def test_the_default_logger_of_an_sdk_makes_no_log_record() -> None:
    assert recorded(RUBY[1])[0]["logger"] == "ruby"
    assert "Log record" not in text(RUBY[1], 0)


def test_a_copy_of_a_service_with_another_dsn_is_not_taken_for_it() -> None:
    event: dict[str, Any] = {
        **recorded(PYTHON[1])[-1],
        "server_name": "gateway",
        "release": "gateway@1.0.0",
        "environment": "workshop",
    }
    path = ("release",)
    assert "demo_services" in str(origin_at(event, path, "gateway").file)
    assert "demo_services" not in str(origin_at(event, path, "shop").file)


@every
def test_nothing_of_a_machine_is_recorded(sdk: ForeignSdk) -> None:
    said = json.dumps(recorded(sdk))
    assert MACHINE.findall(said) == []
    assert len(said) < 12_000


def test_each_sdk_is_recorded() -> None:
    files = {file.stem for file in (Path(__file__).parent / "recorded").iterdir()}
    assert files == {sdk.name for sdk in EVERY}
