"""A drill on screen: what is pressed is done, and nothing is given away."""

from functools import partial

import pytest

from kit.reliability.drill.widget import DrillWidget
from tests.reliability.drills import Stage, make_stage
from tests.waiting import wait_until


@pytest.fixture
def stage() -> Stage:
    return make_stage()


@pytest.fixture
def widget(stage: Stage) -> DrillWidget:
    return DrillWidget(stage.drill)


@pytest.fixture
def begun(stage: Stage, widget: DrillWidget) -> Stage:
    stage.drill.start()
    stage.wait(stage.scenario.starts_at + 60)
    return stage


def page(widget: DrillWidget) -> str:
    """Return all HTML and all buttons that are shown."""
    parts, found = [*widget.view.children], []
    for part in parts:
        if part.layout.display == "none":
            continue
        parts.extend(getattr(part, "children", ()))
        found.append(getattr(part, "value", getattr(part, "description", "")))
    return "\n".join(found)


# For what a button does in its thread.
wait_for = partial(wait_until, seconds=10.0)


def test_before_the_start_nothing_is_given_away(stage: Stage, widget: DrillWidget) -> None:
    shown = page(widget)
    for secret in (*stage.drill.causes, *stage.drill.flags, "payment", "Give up"):
        assert secret not in shown
    widget.start_button.click()
    wait_for(lambda: "The clock is running" in page(widget))
    assert stage.drill.state == "running"


def test_buttons_are_the_answers(begun: Stage, widget: DrillWidget) -> None:
    drill, truth = begun.drill, begun.scenario
    assert widget.buttons["localised"]["payment"].disabled
    widget.buttons["detected"]["Something is wrong"].click()
    wait_for(lambda: not widget.buttons["localised"]["payment"].disabled)
    widget.buttons["localised"]["gateway"].click()
    wait_for(lambda: "✗ gateway" in page(widget))
    widget.buttons["localised"]["payment"].click()
    wait_for(lambda: widget.buttons["localised"]["payment"].disabled)
    widget.buttons["mitigated"]["restart analytics"].click()
    wait_for(lambda: "✗ restart analytics" in page(widget))
    wait_for(lambda: "The incident goes on." in page(widget))
    widget.buttons["diagnosed"][truth.cause].click()
    wait_for(lambda: widget.buttons["diagnosed"][truth.cause].disabled)
    widget.buttons["mitigated"][f"turn off {truth.flag}"].click()
    wait_for(lambda: "the verdict" in page(widget))
    assert drill.state == "over"
    assert "Give up" not in page(widget)


def test_messages_are_shown_as_scripted_and_an_update_is_sent(
    begun: Stage, widget: DrillWidget
) -> None:
    widget.show()
    assert "scripted" in page(widget)
    assert all(message.text in page(widget) for message in begun.drill.inbox)
    widget.update_box.value = "Spins fail"
    widget.send_button.click()
    wait_for(lambda: begun.drill.timeline.of("update"))
    assert widget.update_box.value == ""


def test_what_cannot_be_done_is_said(begun: Stage, widget: DrillWidget) -> None:
    widget.buttons["mitigated"]["restart payment"].click()
    wait_for(lambda: "Say first that something is wrong" in page(widget))
    assert begun.restarted == []


def test_what_it_is_of_is_escaped(begun: Stage, widget: DrillWidget) -> None:
    widget._refusal = "<script>"
    widget.show()
    assert "<script>" not in page(widget)
    assert "&lt;script&gt;" in page(widget)
