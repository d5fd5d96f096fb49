import inspect
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from sentry_sdk.envelope import Envelope as SdkEnvelope

import kit.widgets.panel
from demo_services.bounds import Bounds
from demo_services.services import SERVICES
from kit import Workshop, WorkshopError
from kit.crashes.catalogue import CRASHES, UnknownCrashType
from kit.crashes.crash_type import CrashType, Parameter
from kit.ingest.store import Store
from kit.outcome import Outcome
from kit.system.part import Part
from kit.widgets.feed import MAX_ENTRIES
from kit.widgets.panel import Panel
from tests.ingest.sending import store_away

CRASH = next(crash for crash in CRASHES if crash.id == "game-engine/crash")
UP = [Part("gateway", "up")]
DEADLINE_S = 60.0

MakePanel = Callable[..., Panel]


@pytest.fixture
def make_panel(store: Store) -> Iterator[MakePanel]:
    """Makes panels whose presses do what the test says."""
    made: list[Panel] = []

    def make_panel(crashes: tuple[CrashType, ...], trigger: Any = None, **options: Any) -> Panel:
        made.append(Panel(crashes, trigger, store, lambda: UP, **options))
        return made[-1]

    yield make_panel
    for panel in made:
        panel.close()


@pytest.fixture(scope="module")
def workshop(own_workshop: Workshop) -> Workshop:
    """The feed begins with what was captured before: no other test's."""
    return own_workshop


@pytest.fixture
def panel(workshop: Workshop) -> Iterator[Panel]:
    """A panel of the running workshop, as a cell shows it."""
    panel = workshop.panel()
    panel._ipython_display_()
    yield panel
    panel.close()


@pytest.fixture(scope="module")
def outcome(workshop: Workshop) -> Outcome:
    return workshop.trigger(CRASH.full_id)


def widgets(panel: Panel, css_class: str) -> list[Any]:
    """Return the widgets of that class, in the order of the page."""

    def below(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
        yield widget
        for child in getattr(widget, "children", ()):
            yield from below(child)

    return [each for each in below(panel.box) if css_class in each._dom_classes]


def one(panel: Panel, css_class: str) -> Any:
    (widget,) = widgets(panel, css_class)
    return widget


def shown(panel: Panel, css_class: str) -> list[Any]:
    return [each for each in widgets(panel, css_class) if "cw-p-hidden" not in each._dom_classes]


def row_of(panel: Panel, text: str) -> Any:
    """Return the first row whose button has that label."""
    rows = widgets(panel, "cw-p-row")
    return next(row for row in rows if row.children[0].description == text)


def type_filter(panel: Panel, text: str) -> None:
    one(panel, "cw-p-bar").children[0].value = text


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that a thread of the panel does."""
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, inspect.getsource(is_so)
        time.sleep(0.01)


def await_entries(panel: Panel, count: int) -> list[Any]:
    """Wait until the feed has so many entries; return them, the newest first."""
    eventually(lambda: len(one(panel, "cw-p-feed").children) == count)
    return newest_first(panel)


def await_newest(panel: Panel, text: str) -> list[Any]:
    """Wait until the newest entry of the feed says so; return all entries."""
    eventually(lambda: text in "".join(map(words, newest_first(panel)[:1])))
    return newest_first(panel)


def newest_first(panel: Panel) -> list[Any]:
    return sorted(one(panel, "cw-p-feed").children, key=lambda box: int(box.layout.order))


def words(entry: Any) -> str:
    text: str = entry.children[1].description
    return text


def capture(store: Store, event: dict[str, Any], project: str = "gateway") -> None:
    """Store an event as the ingest does."""
    envelope = SdkEnvelope()
    envelope.add_event(event)
    store_away(store, envelope.serialize(), project=project)


def error(message: str, **event: Any) -> dict[str, Any]:
    return {"exception": {"values": [{"type": "Oops", "value": message}]}, **event}


# Buttons


def test_every_crash_type_and_variant_has_a_button(workshop: Workshop, panel: Panel) -> None:
    buttons = widgets(panel, "cw-p-press")
    assert len(buttons) == len(CRASHES) >= 35
    assert not any(button.disabled for button in buttons)
    heads = [section.children[0].value for section in widgets(panel, "cw-p-section")]
    names = [name for name in SERVICES if any(c.service.name == name for c in CRASHES)]
    assert len(heads) == len(names)
    assert all(f"<h3>{name} " in head for name, head in zip(names, heads, strict=True))


def test_a_new_crash_type_has_a_button_at_once(make_panel: MakePanel, outcome: Outcome) -> None:
    mb = Parameter("mb", Bounds(default=32, minimum=16, maximum=64), "MB")
    new = replace(CRASH, id="analytics/made-up", variant="blue", parameters=(mb,))
    pressed: list[Any] = []

    def trigger(crash_id: str, *, on_answer: object, **given: Any) -> Outcome:
        pressed.append((crash_id, given))
        return outcome

    panel = make_panel((*CRASHES, new), trigger)
    row = row_of(panel, "made-up · blue")
    assert row in widgets(panel, "cw-p-section")[-2].children
    number = row.children[2]
    assert (number.min, number.value, number.max) == (16, 32, 64)
    assert "16 to 64 MB" in number.description
    number.value = 48
    assert panel.click("analytics/made-up?type=blue") is outcome
    assert pressed == [("analytics/made-up?type=blue", {"mb": 48})]


def test_what_is_unavailable_is_disabled_and_says_why(
    make_panel: MakePanel, outcome: Outcome
) -> None:
    panic = CRASHES[0]
    reasons = {CRASH.full_id: "No <database>. Install one."}
    panel = make_panel(
        (panic, CRASH),
        lambda *given, **options: outcome,
        unavailable=lambda crash: reasons.get(crash.full_id),
    )
    row = row_of(panel, "crash")
    assert row.children[0].disabled
    assert row.children[0].tooltip == "No <database>. Install one."
    assert (
        "No &lt;database&gt;. Install one." in widgets(panel, "cw-p-section")[1].children[0].value
    )
    assert one(panel, "cw-p-fire").description == "Fire all 1"
    assert len(panel.fire_all().result()) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PANIC", {"panic"}),
        ("nothing catches it", {"crash"}),
        ("fatal game-engine", {"memory-leak", "error · assertion"}),
    ],
)
def test_the_filter_looks_at_id_title_and_severity(
    text: str, found: set[str], make_panel: MakePanel
) -> None:
    panel = make_panel(CRASHES)
    type_filter(panel, text)
    assert {row.children[0].description for row in shown(panel, "cw-p-row")} == found
    assert len(shown(panel, "cw-p-section")) == 1
    assert f"<b>{len(found)}</b> of {len(CRASHES)}" in one(panel, "cw-p-matches").value
    assert one(panel, "cw-p-fire").description == f"Fire these {len(found)}"
    type_filter(panel, "<b>nothing")
    assert not shown(panel, "cw-p-row")
    assert "&lt;b&gt;nothing" in one(panel, "cw-p-matches").value
    assert one(panel, "cw-p-fire").disabled


# Presses


def test_a_press_shows_what_it_led_to(panel: Panel) -> None:
    outcome = panel.click("game-engine/crash")
    assert outcome.event
    assert outcome.event.title == "RuntimeError"
    last = row_of(panel, "crash").children[1].value
    assert "cw-p-good" in last
    assert "500 · 1 event" in last
    assert not row_of(panel, "crash").children[0].disabled


def test_what_did_not_arrive_is_shown(make_panel: MakePanel, outcome: Outcome) -> None:
    lacking = replace(outcome, items=outcome.items[:0])
    panel = make_panel((CRASH,), lambda *given, **options: lacking)
    assert panel.click(CRASH.full_id).missing
    last = row_of(panel, "crash").children[1].value
    assert "500 · missing" in last
    assert lacking.missing[0] in last
    assert panel.fire_all().result() == [lacking]
    assert "<b>0 of 1</b>" in one(panel, "cw-p-progress").value


def test_an_answer_of_another_status_is_not_as_declared(
    make_panel: MakePanel, outcome: Outcome
) -> None:
    other = replace(outcome, crash=replace(CRASH, status=200))
    panel = make_panel((CRASH,), lambda *given, **options: other)
    panel.click(CRASH.full_id)
    assert "HTTP 200" in row_of(panel, "crash").children[1].value


def test_what_a_press_raises_is_shown_and_raised(make_panel: MakePanel, outcome: Outcome) -> None:
    error = OSError("the <gateway> is gone")
    answers: list[Any] = [error, error, outcome]

    def trigger(*given: object, **options: object) -> Outcome:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: Outcome = answer
        return found

    panel = make_panel((CRASH,), trigger)
    with pytest.raises(OSError, match="the <gateway> is gone"):
        panel.click(CRASH.full_id)
    notice = one(panel, "cw-p-notice")
    assert "OSError: the &lt;gateway&gt; is gone" in notice.value
    assert "Traceback" in notice.value
    assert "✗</span> failed" in row_of(panel, "crash").children[1].value
    with pytest.raises(ExceptionGroup) as raised:
        panel.fire_all().result()
    assert raised.value.exceptions == (error,)
    assert notice.value.count("OSError:") == 2  # once in the traceback
    panel.click(CRASH.full_id)
    assert "OSError" not in notice.value


def test_an_unknown_button_is_refused(make_panel: MakePanel) -> None:
    with pytest.raises(UnknownCrashType, match="no button 'game-engine/error'"):
        make_panel(CRASHES).click("game-engine/error")


def test_presses_run_at_once_but_none_twice(make_panel: MakePanel, outcome: Outcome) -> None:
    both = threading.Barrier(3)
    count = 0

    def trigger(*given: object, **options: object) -> Outcome:
        nonlocal count
        count += 1
        both.wait(DEADLINE_S)
        return outcome

    panel = make_panel((CRASHES[0], CRASH), trigger)
    panic, crash = widgets(panel, "cw-p-press")
    for button in (panic, crash, crash):
        button.click()
    results = [row.children[1] for row in widgets(panel, "cw-p-row")]
    eventually(lambda: all("cw-p-running" in result.value for result in results))
    both.wait(DEADLINE_S)
    eventually(lambda: all("cw-p-good" in result.value for result in results))
    assert count == 2


def test_fire_all_goes_on_until_it_is_stopped(make_panel: MakePanel, outcome: Outcome) -> None:
    pressed: list[str] = []
    fire: Any = None

    def trigger(crash_id: str, **options: object) -> Outcome:
        pressed.append(crash_id)
        if len(pressed) == 3:
            assert f"<b>3 of {len(CRASHES)}</b>" in one(panel, "cw-p-progress").value
            assert fire.description == "Stop"
            fire.click()
        return outcome

    panel = make_panel(CRASHES, trigger)
    fire = one(panel, "cw-p-fire")
    assert len(panel.fire_all().result()) == 3
    assert pressed == [crash.full_id for crash in CRASHES[:3]]
    eventually(lambda: fire.description == f"Fire all {len(CRASHES)}")
    assert len(panel.fire_all().result()) == len(CRASHES)


# The feed


def test_the_feed_shows_every_error_event_newest_first(workshop: Workshop, panel: Panel) -> None:
    workshop.trigger("gateway/panic")
    await_newest(panel, "ZeroDivisionError")
    panel.click("game-engine/crash")
    newest, before, *_ = await_newest(panel, "RuntimeError: ")
    assert "<b>game-engine</b>" in newest.children[0].value
    assert "<b>gateway</b>" in before.children[0].value
    assert "ZeroDivisionError: " in words(before)


def test_the_feed_begins_with_what_was_captured_before(make_panel: MakePanel, store: Store) -> None:
    for number in range(3):
        capture(store, error(f"number {number}"))
    panel = make_panel(())
    panel._ipython_display_()
    entries = await_entries(panel, 3)
    assert [words(entry) for entry in entries] == [f"Oops: number {n}" for n in (2, 1, 0)]


def test_the_feed_shows_what_another_process_stores(
    make_panel: MakePanel, store: Store, tmp_path: Path
) -> None:
    panel = make_panel(())
    panel._ipython_display_()
    other = Store(tmp_path / "captured.sqlite3")
    capture(other, error("of the other"))
    await_newest(panel, "of the other")
    # Each event once, also one that is stored just before an own one.
    capture(other, error("of the other again"))
    capture(store, error("own"))
    entries = await_entries(panel, 3)
    other.close()
    assert {words(entry) for entry in entries} == {
        f"Oops: {each}" for each in ("of the other", "of the other again", "own")
    }


def test_the_feed_is_bounded(make_panel: MakePanel, store: Store) -> None:
    panel = make_panel(())
    panel._ipython_display_()
    for number in range(2 * MAX_ENTRIES):
        capture(store, error(f"number {number}."))
        if number % 7 == 0:
            await_newest(panel, f"number {number}.")
    last = range(2 * MAX_ENTRIES - 1, MAX_ENTRIES - 1, -1)
    entries = await_newest(panel, f"number {last[0]}.")
    assert [words(entry) for entry in entries] == [f"Oops: number {number}." for number in last]


def test_an_opened_card_stays_when_events_arrive(make_panel: MakePanel, store: Store) -> None:
    panel = make_panel(())
    panel._ipython_display_()
    capture(store, error("the first", event_id="1" * 32))
    (first,) = await_entries(panel, 1)
    detail, card = one(panel, "cw-p-detail"), one(panel, "cw-p-card")
    assert not card.value
    first.children[1].click()
    assert "the first" in card.value
    assert "cw-p-hidden" not in detail._dom_classes
    assert "cw-p-open" in first._dom_classes
    for _ in range(2):
        capture(store, error("another"))
    await_entries(panel, 3)
    assert "the first" in card.value
    assert "cw-p-open" in first._dom_classes
    one(panel, "cw-p-shut").click()
    assert "cw-p-hidden" in detail._dom_classes


def test_the_card_of_a_press_says_what_its_values_are_good_for(panel: Panel) -> None:
    outcome = panel.click("game-engine/crash")
    assert outcome.event
    event_id, card = outcome.event["event_id"], one(panel, "cw-p-card")

    def is_the_newest() -> bool:
        newest, *_ = newest_first(panel)
        newest.children[1].click()
        return event_id in card.value

    eventually(is_the_newest)
    assert outcome.crash.not_captured[0].what in card.value


HOSTILE = [
    error("<script>alert(1)</script>", level="<img src=x>", server_name="<b>me</b>"),
    {"message": "<i>hi</i>"},
    {"exception": {"values": [{"type": ["a"], "value": {"b": "<u>"}}, None, 3]}},
    {"exception": [], "logentry": {"formatted": "a\n\n" + "x" * 100_000}},
    {"message": "\ud800 lone", "timestamp": "never", "level": {}},
]


@pytest.mark.parametrize("event", HOSTILE)
def test_whatever_an_event_carries_is_text(
    event: dict[str, Any], make_panel: MakePanel, store: Store
) -> None:
    panel = make_panel(())
    panel._ipython_display_()
    capture(store, event, project="<b>me</b>")
    (entry,) = await_entries(panel, 1)
    line, button = entry.children
    assert "&lt;b&gt;me" in line.value
    assert "cw-p-error" in line.value
    assert "img src" not in line.value
    assert 0 < len(button.description) < 500
    button.description.encode()
    button.click()
    assert "<script>" not in one(panel, "cw-p-card").value


# States


def test_a_service_that_dies_is_seen_to_come_back(
    panel: Panel, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = threading.Event()
    parts = one(panel, "cw-p-parts")
    parts.observe(lambda change: seen.set() if ">restarting<" in change["new"] else None, "value")

    def wait_until_seen(failed_starts: int) -> float:
        """It does not start again before it was shown that it does."""
        seen.wait(DEADLINE_S)
        return 0.0

    monkeypatch.setattr(workshop._system.payment, "_pause", wait_until_seen)
    assert panel.click("payment/crash").process_exit
    eventually(lambda: "↻" in parts.value)
    assert seen.is_set()
    assert all(f"<b>{name}</b>" in parts.value for name in (*SERVICES, "database", "ingest"))
    assert ">restarting<" not in parts.value


# Its end


def panel_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "workshop-panel"}


def test_a_panel_of_a_stopped_workshop_says_so(make_panel: MakePanel, store: Store) -> None:
    def trigger(*given: object, **options: object) -> Outcome:
        raise WorkshopError("no answer")

    panel = Panel((CRASH,), trigger, store, lambda: [Part("gateway", "down")])
    before = panel_threads()
    panel._ipython_display_()
    (watcher,) = panel_threads() - before
    store.close()
    watcher.join(DEADLINE_S)
    assert not watcher.is_alive()
    assert "The workshop was stopped." in one(panel, "cw-p-notice").value
    assert all(button.disabled for button in widgets(panel, "cw-p-press"))
    assert one(panel, "cw-p-fire").disabled
    with pytest.raises(WorkshopError, match="no answer"):
        panel.click(CRASH.full_id)
    assert "The workshop was stopped." in one(panel, "cw-p-notice").value


def test_a_panel_that_cannot_go_on_says_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_type))

    def parts() -> list[Part]:
        raise LookupError("no <state>")

    panel = Panel((CRASH,), lambda *given, **options: None, store, parts)  # type: ignore[arg-type, return-value]
    panel._ipython_display_()
    eventually(lambda: "LookupError: no &lt;state&gt;" in one(panel, "cw-p-notice").value)
    assert reported == [LookupError]
    panel.close()


def test_a_cell_that_runs_again_ends_its_panel(
    make_panel: MakePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = panel_threads()
    first, second, third = (make_panel((CRASH,)) for _ in range(3))
    for cell, panel in (("a", first), ("b", first), ("c", second), ("a", third)):
        monkeypatch.setattr(kit.widgets.panel, "_cell_id", partial(str, cell))
        panel._ipython_display_()
    assert len(panel_threads() - before) == 3
    monkeypatch.setattr(kit.widgets.panel, "_cell_id", lambda: "b")
    third._ipython_display_()
    eventually(lambda: len(panel_threads() - before) == 2)
    assert first.box.comm is None
    assert second.box.comm is not None
    first.close()
