"""``workshop.capture``: what a program of one's own sends, in a notebook."""

import pytest
import sentry_sdk

from kit.actionable import WorkshopError
from kit.system.clients import open_client, use_client
from kit.workshop import Workshop


def test_a_program_of_ones_own_is_captured(workshop: Workshop) -> None:
    client = open_client(dsn=workshop.dsn("my-app"), release="my-app@1")
    with use_client(client):
        with workshop.capture("my-app") as captured:
            sentry_sdk.capture_exception(LookupError("sold out"))
        event = captured.event
        assert captured.expect(type="LookupError", release="my-app@1") == event
        captured.assert_issues(1)
        with workshop.capture("my-app") as again:
            pass
        again.assert_nothing_reported()
    client.close()
    assert "sold out" in event._repr_html_()
    assert [item.project for item in captured.items()] == ["my-app"]


def test_what_the_course_sends_is_not_in_it(workshop: Workshop) -> None:
    with workshop.capture("other-app") as captured:
        workshop.trigger("game-engine/error", type="index")
    assert captured.items() == []


def test_a_name_that_no_project_can_have_is_refused(workshop: Workshop) -> None:
    for name in ("gateway", "My App"):
        with pytest.raises(WorkshopError, match="called"):
            workshop.capture(name)
