from typing import Any

import ipywidgets
import pytest

from kit.widgets.static import FollowedStatic


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What widgets send to pages."""
    sent: list[Any] = []
    monkeypatch.setattr(
        ipywidgets.HTML, "_send", lambda self, message, buffers=None: sent.append(message["state"])
    )
    return sent


def test_its_copy_is_empty_until_a_page_requests_the_state(sent: list[Any]) -> None:
    static = FollowedStatic()
    static.show("<b>one</b>")
    assert static.copy.value == ""
    assert sent == []
    assert static.copy.get_state("value") == {"value": ""}


def test_a_page_that_requests_the_state_is_kept_up_to_date(sent: list[Any]) -> None:
    static = FollowedStatic()
    static.show("<b>one</b>")
    state = static.copy.get_state()
    assert "<b>one</b>" in state["value"]
    # It hides the output in whose place it stands.
    assert f".cw-static-{static._id} {{ display: none; }}" in state["value"]
    assert f'<div class="cw-static-{static._id}"><b>one</b></div>' in static._html
    static.show("<b>two</b>")
    static.show("")
    assert ["<b>two</b>" in each["value"] for each in sent] == [True, False]
    assert all(f".cw-static-{static._id}" in each["value"] for each in sent)
