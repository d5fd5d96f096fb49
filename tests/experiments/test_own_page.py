"""A click on the page of another site, in a browser, and the trace that it begins."""

from pathlib import Path

import pytest

from kit.course.exercises.own_service import MY_APP
from kit.workshop import Workshop
from tests.browser import chromium

pytestmark = [pytest.mark.browser, pytest.mark.system]

PATIENCE_MS = 60_000


def test_a_click_begins_the_trace_that_ends_in_python(workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "my_app.py"
    file.write_text(MY_APP)
    app = workshop.run(file, "clicked-app")
    page = workshop.page("clicked-page", f"{app.url}/checkout", report=lambda line: None)
    blocked = []
    with chromium.browser_or_skip() as browser:
        shown = browser.new_page()
        shown.on("console", lambda message: blocked.append(message.text))
        with workshop.capture("clicked-app") as app_sent, workshop.capture("clicked-page") as sent:
            shown.goto(f"{page.url}/")
            shown.click("text=Buy")
            shown.wait_for_selector("body[data-sent=true]", timeout=PATIENCE_MS)
            seen, failed = sent.event, app_sent.event
    app.stop()
    page.stop()

    assert failed.find("exception.values[-1].type") == "PaymentError"
    # As the notebook says: an answer to an unhandled exception has no headers for other sites.
    assert any("No 'Access-Control-Allow-Origin' header" in each for each in blocked)
    assert seen.find("exception.values[-1].type") == "TypeError"
    assert seen.find("exception.values[-1].value").startswith("Failed to fetch")
    frames = seen.find("exception.values[-1].stacktrace.frames")
    assert all(frame["filename"] == f"{page.url}/page.js" for frame in frames)
    assert max(frame["colno"] for frame in frames) > 1000
    trace_ids = {event.find("contexts.trace.trace_id") for event in (seen, failed)}
    assert len(trace_ids) == 1

    trace = workshop.trace(trace_ids.pop())
    first = trace[0]
    assert (first.service, first.name, first.parent_id) == ("clicked-page", "Buy", "")
    (last,) = (span for span in trace if span.service == "clicked-app")
    assert "/checkout" in last.name
    called = next(span for span in trace if span.id == last.parent_id)
    assert (called.service, called.op) == ("clicked-page", "http.client")
