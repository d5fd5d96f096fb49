"""The real SDKs, each run against a real ingest, send what is recorded of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kit.outcome import make_event
from kit.reading.event import headline
from kit.reading.payload import exceptions, stack_frames
from tests.foreign.driving import ForeignIngest, run, running
from tests.foreign.installation import Installation, MissingToolError, require
from tests.foreign.recording import recorded, scrubbed
from tests.foreign.sdks import PROCESSES, ForeignSdk

pytestmark = pytest.mark.slow

# What an SDK adds to an event depends on where it runs.
OF_PLACE = {"modules", "extra", "server_name", "contexts", "transaction_info", "threads", "sdk"}


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignIngest]:
    with running(tmp_path_factory.mktemp("foreign")) as found:
        yield found


@pytest.fixture(scope="module")
def installed() -> Installation:
    return Installation()


@pytest.mark.parametrize("sdk", PROCESSES, ids=lambda sdk: sdk.name)
def test_an_sdk_sends_what_is_recorded_of_it(
    sdk: ForeignSdk, ingest: ForeignIngest, installed: Installation
) -> None:
    said = run(sdk, ingest.dsn(sdk), installed)
    compare(sdk, ingest, said)


def compare(sdk: ForeignSdk, ingest: ForeignIngest, said: str = "") -> None:
    """Assert that the events which arrived have the titles and the shape of the recorded ones."""
    items = ingest.wait_for_events(sdk)
    assert [headline(item.payload).title for item in items] == [*sdk.titles], said
    for item, known in zip(items, recorded(sdk), strict=True):
        assert shape(scrubbed(item.payload)) == shape(known)
        assert make_event(item).project == sdk.name
        assert sdk.name in make_event(item)._repr_html_()


def shape(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an event the views read, without values that differ from run to run."""
    return {
        "parts": set(event) - OF_PLACE,
        "level": event.get("level"),
        "platform": event.get("platform"),
        "exceptions": [
            (
                raised.get("type"),
                raised.get("value"),
                raised.get("mechanism"),
                [_frame_shape(frame) for frame in stack_frames(raised)],
            )
            for raised in exceptions(event)
        ],
    }


def _frame_shape(frame: Mapping[str, Any]) -> tuple[Any, ...]:
    # The names of minified code, and inside of Node.js the lines, change with each version.
    is_of_program = re.search(r"shop\.|main\.go$", str(frame.get("filename") or frame["abs_path"]))
    name = frame.get("function") if is_of_program else None
    return (name, frame.get("in_app"), "colno" in frame, "context_line" in frame)


def test_a_tool_that_is_missing_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match=r"apt-get install .* ruby-sentry-ruby"):
        require("ruby")
