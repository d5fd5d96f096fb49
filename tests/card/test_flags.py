"""The feature flags on an event's card."""

from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.feature_flags import add_feature_flag

from kit.course.recording_transport import RecordingTransport
from kit.reading.payload import MAX_ROWS
from kit.system.clients import use_client
from kit.views.card import event_card

from .page import Page


def rows(flags: object) -> list[str]:
    """Return the rows of the context, as text."""
    page = Page(event_card({"contexts": {"flags": flags}}))
    return [
        " ".join(each.text.split())
        for each in page.elements
        if each.tag == "tr" and "flags" in each.parents[-2].text
    ]


def test_flags_that_the_sdk_recorded_have_a_row_each() -> None:
    transport = RecordingTransport()
    client = sentry_sdk.Client(dsn="http://key@127.0.0.1:9/1", transport=transport)
    with use_client(client):
        add_feature_flag("double-payout", True)
        add_feature_flag("new-reels", False)
        add_feature_flag("double-payout", False)
        sentry_sdk.capture_message("spin")
    with use_client(client):
        sentry_sdk.capture_message("the next request")
    spin, following = transport.events
    # The one that was evaluated last stands last, with its last result.
    assert rows(spin["contexts"]["flags"]) == ["new-reels false", "double-payout false"]
    assert "flags" not in following["contexts"]


@pytest.mark.parametrize(
    "flags",
    [
        {"values": [{"flag": "a", "result": True}, {"flag": "b"}]},
        {"values": [{"flag": "a", "result": True}, "b"]},
        {"values": [{"flag": "a", "result": True}], "more": "b"},
    ],
)
def test_flags_of_another_shape_are_not_hidden(flags: Any) -> None:
    assert "b" in " ".join(rows(flags))


def test_the_newest_flags_are_shown_when_there_are_many() -> None:
    many = [{"flag": f"flag-{number}", "result": True} for number in range(MAX_ROWS + 2)]
    shown = rows({"values": many})
    assert len(shown) == MAX_ROWS
    assert shown[-1] == f"flag-{MAX_ROWS + 1} true"
    assert "2 more in the raw JSON." in event_card({"contexts": {"flags": {"values": many}}})
