"""The debug panel: every crash type as a button, the state of the system, what was captured."""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ipywidgets
from IPython.core.getipython import get_ipython
from IPython.display import display

from demo_services.services import FRONTEND, SERVICES, Service
from kit.crashes.catalogue import UnknownCrashType
from kit.crashes.crash_type import CrashType, Parameter
from kit.hosting.server import Server
from kit.hosting.supervisor import Supervisor
from kit.html import render
from kit.ingest.store import Store, StoredItem, StoreError, Subscription
from kit.outcome import Outcome
from kit.reading.payload import trace_id
from kit.system.system import INGEST, System
from kit.views.card import event_card
from kit.widgets.crash_widget import Trigger
from kit.widgets.feed import MAX_ENTRIES, Feed
from kit.words import count_noun

LOOK_EVERY_S = 0.5
# It looks whether it shall end as often; on a busy machine it comes to that later.
END_S = 10.0
# Of a flood the browser gets as much as it can draw.
REST_S = 0.1
MOST_AT_ONCE = 1000
SHOWN_FAILURES = 3
REMEMBERED_TRACES = 500
# The names of threads.
WATCHER, PRESS = "workshop-panel", "workshop-press"

# The panel that each cell shows, by the cell's id.
_in_cells: dict[str, "Panel"] = {}


@dataclass(frozen=True)
class State:
    """How a part of the system is: ``word`` is up, starting, restarting or down."""

    name: str
    word: str
    remark: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class Result:
    """How the last press of a button went; ``tone`` is running, good or bad."""

    tone: str
    text: str
    detail: str = ""


@dataclass(frozen=True)
class Failure:
    """A press that raised instead of having an outcome."""

    row_id: str
    kind: str
    words: str
    lines: str


# Told how a press ended: with an error, or without one.
OnEnd = Callable[[CrashType, BaseException | None], None]


class Panel:
    """A button for each of ``crashes``, shown in a notebook as a widget.

    What is pressed runs in a thread, so the kernel stays free and several can run at once. What is
    pressed while a cell runs waits for its end: Jupyter tells a kernel of both in one queue.
    ``states`` says how the parts of the system are, ``unavailable`` why a crash type cannot be
    triggered here. The feed shows what this process stores, and before that the last events of
    the folder.
    """

    def __init__(
        self,
        crashes: Sequence[CrashType],
        trigger: Trigger,
        store: Store,
        states: Callable[[], list[State]],
        unavailable: Callable[[CrashType], str | None] = lambda crash: None,
    ) -> None:
        self._store = store
        self._states = states
        self._shown_states: list[State] = []
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._failures: deque[Failure] = deque(maxlen=SHOWN_FAILURES)
        self._traces: dict[str, CrashType] = {}
        self._noting = threading.Lock()
        self._ended = ""
        self._round: Future[list[Outcome]] | None = None
        self._halt = threading.Event()
        self._rows = {
            crash.row_id: Row(crash, trigger, unavailable(crash), self._keep_trace, self._tell)
            for crash in crashes
        }
        self._sections = [
            Section(service, rows) for service in SERVICES.values() if (rows := self._of(service))
        ]
        self._feed = Feed(self._open)
        self._build()

    def click(self, row_id: str) -> Outcome:
        """Press a button, wait for all that follows, and return the outcome.

        ``row_id`` is that of a crash type, ``service/name`` or ``service/name?type=variant``. While
        it runs already, that is waited for. Raises UnknownCrashType for one without a button, and
        what went wrong on the way: in a callback alone an error would stay unseen.
        """
        if row_id not in self._rows:
            raise UnknownCrashType(f"The panel has no button {row_id!r}.")
        return self._rows[row_id].start().result()

    def fire_all(self) -> Future[list[Outcome]]:
        """Press all buttons that the filter shows, one after the other, in the background.

        Returns the outcomes to come, or an ExceptionGroup of what presses raised. While that goes
        on, calling it again ends it, after the press that is under way.
        """
        with self._noting:
            if self._round is not None and not self._round.done():
                self._halt.set()
                return self._round
            self._round, self._halt = Future(), threading.Event()
        _in_background(PRESS, self._fire, self._round, self._halt, self._loaded())
        return self._round

    def close(self) -> None:
        """End the panel's threads and take it off the screen. Closing again does nothing."""
        self._end()
        for widget in _tree(self.box):
            for model in (widget, widget.layout, getattr(widget, "style", None)):
                if model is not None:
                    model.close()

    def _ipython_display_(self) -> None:
        self._watch()
        display(self.box)
        cell = _cell_id()
        before = _in_cells.get(cell) if cell else None
        if cell:
            _in_cells[cell] = self
        if before is not None and before not in _in_cells.values():
            # Its cell was run again: nobody sees it any more.
            before.close()

    # How it is built

    def _of(self, service: Service) -> list["Row"]:
        return [row for row in self._rows.values() if row.crash.service == service]

    def _build(self) -> None:
        self._parts, self._notice, self._progress, self._matches, self._card = (
            _dressed(ipywidgets.HTML(), f"cw-p-{name}")
            for name in ("parts", "notice", "progress", "matches", "card")
        )
        self._filter = ipywidgets.Text(
            description="Filter", placeholder="id, title or severity", continuous_update=True
        )
        self._filter.observe(lambda _: self._apply_filter(), "value")
        self._fire_button = _button(self.fire_all, "cw-p-fire")
        self._shut = _button(self._shut_card, "cw-p-shut", "Close the card", "times")
        self._detail = _box("cw-p-detail cw-p-hidden", self._shut, self._card)
        bar = _box("cw-p-bar", self._filter, self._matches, self._progress, self._fire_button)
        buttons = _box("cw-p-sections", *(section.box for section in self._sections))
        captured = _box("cw-p-captured", _html("panel_feed.html", most=MAX_ENTRIES), self._feed.box)
        panes = _box("cw-p-panes", _box("cw-p-scroll", buttons), captured)
        head = _html("panel_head.html")
        self.box = _box("cw-p-root", head, self._parts, bar, self._notice, panes, self._detail)
        self._apply_filter()

    # The filter

    def _apply_filter(self) -> None:
        words = self._filter.value.lower().split()
        for section in self._sections:
            section.filter(words)
        shown = sum(row.is_shown for row in self._rows.values())
        self._matches.value = render(
            "panel_matches.html", shown=shown, of=len(self._rows), words=self._filter.value
        )
        self._show_fire()

    # Presses

    def _keep_trace(self, outcome: Outcome) -> None:
        """Remember what an event's card can say more of."""
        with self._noting:
            self._traces[outcome.trace_id] = outcome.crash
            if len(self._traces) > REMEMBERED_TRACES:
                del self._traces[next(iter(self._traces))]

    def _tell(self, crash: CrashType, error: BaseException | None) -> None:
        """Show what a press raised, until the next press of the same button."""
        with self._noting:
            others = [each for each in self._failures if each.row_id != crash.row_id]
            failures = [*others, _failure(crash.row_id, error)] if error else others
            if failures != list(self._failures):
                self._failures = deque(failures, SHOWN_FAILURES)
                self._show_notice()

    def _show_notice(self) -> None:
        failures = list(reversed(self._failures))
        self._notice.value = render("panel_notice.html", failures=failures, ended=self._ended)

    def _loaded(self) -> list["Row"]:
        """Return the rows that a press of "Fire all" fires."""
        return [row for row in self._rows.values() if row.is_shown and row.reason is None]

    def _fire(self, fired: Future[list[Outcome]], halt: threading.Event, rows: list["Row"]) -> None:
        try:
            self._show_fire()
            presses = self._press_each(rows, halt)
            if errors := [error for press in presses if (error := press.exception())]:
                raise BaseExceptionGroup("Presses did not work", errors)
            fired.set_result([press.result() for press in presses])
        except BaseException as error:  # whatever it is, the caller waits for it
            fired.set_exception(error)
        finally:
            self._show_fire()

    def _press_each(self, rows: list["Row"], halt: threading.Event) -> list[Future[Outcome]]:
        presses: list[Future[Outcome]] = []
        for number, row in enumerate(rows, start=1):
            if halt.is_set():
                break
            self._show_progress(f"{number} of {len(rows)}", row.crash.row_id)
            presses.append(row.start())
            presses[-1].exception()
        good = sum(not each.exception() and is_as_declared(each.result()) for each in presses)
        self._show_progress(f"{good} of {len(rows)}", "as declared")
        return presses

    def _show_progress(self, count: str, what: str) -> None:
        self._progress.value = render("panel_progress.html", count=count, what=what)

    def _show_fire(self) -> None:
        fires = self._round is not None and not self._round.done()
        can = len(self._loaded())
        everything = all(row.is_shown for row in self._rows.values())
        text = f"Fire all {can}" if everything else f"Fire these {can}"
        self._fire_button.description = "Stop" if fires else text
        self._fire_button.icon = "stop" if fires else "bolt"
        self._fire_button.disabled = self._closing.is_set() or not (can or fires)

    # The card

    def _open(self, item: StoredItem) -> None:
        crash = self._traces.get(trace_id(item.payload))
        self._card.value = event_card(item.payload, crash=crash)
        self._detail.remove_class("cw-p-hidden")
        # Takes the card onto the screen, and the keyboard to it.
        self._shut.focus()

    def _shut_card(self) -> None:
        self._detail.add_class("cw-p-hidden")
        self._card.value = ""
        self._feed.focus()

    # What happens in the background

    def _watch(self) -> None:
        with self._noting:
            if self._watcher is None and not self._closing.is_set():
                self._watcher = _in_background(WATCHER, self._follow)

    def _follow(self) -> None:
        try:
            with self._store.subscribe() as arrivals:
                earlier = self._store.items(type="event", limit=MAX_ENTRIES)
                self._feed.add(earlier[::-1])
                known = {item.id for item in earlier}
                while not self._closing.is_set():
                    self._show_states(self._states())
                    items = _take(arrivals)
                    self._feed.add([i for i in items if i.type == "event" and i.id not in known])
                    self._closing.wait(REST_S)
        except StoreError as error:
            self._show_ended("The workshop was stopped." if self._is_stopped() else str(error))
        except Exception as error:
            # Whatever it is: a panel that stands still without a word shows what is not.
            self._show_ended(f"{type(error).__name__}: {error}")

    def _is_stopped(self) -> bool:
        """Return whether all parts are down but the notebook itself."""
        return all(each.word != "up" for each in self._states() if each.name != FRONTEND.name)

    def _show_states(self, states: list[State]) -> None:
        if states != self._shown_states:
            self._shown_states = states
            self._parts.value = render("panel_states.html", states=states)

    def _show_ended(self, why: str) -> None:
        self._end()
        here = [each for each in self._shown_states if each.name == FRONTEND.name]
        others = [each.name for each in self._shown_states if each not in here]
        self._show_states([*(State(name, "down") for name in others), *here])
        for row in self._rows.values():
            row.button.disabled = True
        self._show_fire()
        with self._noting:
            self._ended = why
            self._show_notice()

    def _end(self) -> None:
        self._closing.set()
        self._halt.set()
        watcher = self._watcher
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join(timeout=END_S)


class Section:
    """The buttons of one service."""

    def __init__(self, service: Service, rows: list["Row"]) -> None:
        self._rows = rows
        reasons = dict.fromkeys(row.reason for row in rows if row.reason)
        head = _html("panel_section.html", service=service, reasons=list(reasons))
        self.box = _box("cw-p-section", head, *(row.box for row in rows))

    def filter(self, words: list[str]) -> None:
        """Show the rows that have all ``words``, and the section if there is one."""
        for row in self._rows:
            row.filter(words)
        _hide(self.box, not any(row.is_shown for row in self._rows))


class Row:
    """The button of a crash type, its parameters, and how its last press went.

    ``reason`` is why it cannot be pressed here, if it cannot.
    """

    def __init__(
        self,
        crash: CrashType,
        trigger: Trigger,
        reason: str | None,
        on_answer: Callable[[Outcome], None],
        on_end: OnEnd,
    ) -> None:
        self.crash = crash
        self.reason = reason
        self.is_shown = True
        self._trigger = trigger
        self._on_answer, self._on_end = on_answer, on_end
        self._press: Future[Outcome] | None = None
        self._starting = threading.Lock()
        self._text = f"{crash.row_id} {crash.title} {crash.severity}".lower()
        self.button = _button(self.start, f"cw-p-press cw-p-{crash.severity}", label(crash))
        self.button.tooltip = reason or f"{crash.severity}: {crash.title}"
        self.button.disabled = reason is not None
        self.parameters = {each.name: _number(each) for each in crash.parameters}
        self._result = ipywidgets.HTML()
        self._result.add_class("cw-p-last")
        self.box = _box("cw-p-row", self.button, self._result, *self.parameters.values())
        if reason:
            self._show(Result("bad", "not here", reason))

    def start(self) -> Future[Outcome]:
        """Press in a thread of its own, unless that is under way; return what it will come to."""
        with self._starting:
            if self._press is None or self._press.done():
                press: Future[Outcome] = Future()
                _in_background(PRESS, self._run, press)
                self._press = press
            return self._press

    def filter(self, words: list[str]) -> None:
        """Show the row if it has all ``words``."""
        self.is_shown = all(word in self._text for word in words)
        _hide(self.box, not self.is_shown)

    def _run(self, press: Future[Outcome]) -> None:
        try:
            outcome = self._fire()
            self._on_end(self.crash, None)
        except BaseException as error:  # whatever it is, click() waits for it
            try:
                self._show(Result("bad", "failed", f"{type(error).__name__}: {error}"))
                self._on_end(self.crash, error)
            finally:
                press.set_exception(error)
        else:
            press.set_result(outcome)

    def _fire(self) -> Outcome:
        self._show(Result("running", "running …"))
        values = {name: box.value for name, box in self.parameters.items()}
        outcome = self._trigger(self.crash.row_id, on_answer=self._on_answer, **values)
        self._show(result_of(outcome))
        return outcome

    def _show(self, result: Result) -> None:
        self._result.value = render("panel_result.html", result=result)


def states(system: System) -> list[State]:
    """Return how each part of the system is: the services, then what serves them."""
    return list(_states(system))


def label(crash: CrashType) -> str:
    """Return what a button says below the heading of its service: ``error · value``."""
    name = crash.id.partition("/")[2]
    return f"{name} · {crash.variant}" if crash.variant else name


def is_as_declared(outcome: Outcome) -> bool:
    """Return whether the answer and the telemetry are what the crash type declares."""
    return not _lacks(outcome)


def result_of(outcome: Outcome) -> Result:
    """Return in a few words what a press led to."""
    status = outcome.response.status_code
    if lacks := _lacks(outcome):
        return Result("bad", f"{status} · missing", f"Not as declared: {'; '.join(lacks)}")
    titles = ", ".join(event.title for event in outcome.events)
    count = len(outcome.events)
    events = count_noun(count, "event") if count else "its trace"
    return Result("good", f"{status} · {events}", f"HTTP {status}, captured {titles or events}")


def _lacks(outcome: Outcome) -> list[str]:
    crash, status = outcome.crash, outcome.response.status_code
    wrong_status = [] if status == crash.status else [f"HTTP {crash.status}"]
    return [*wrong_status, *outcome.missing, *outcome.unexpected]


def _states(system: System) -> Iterator[State]:
    for name in (*SERVICES, system.database.name, INGEST):
        if name == FRONTEND.name:
            yield State(name, "up", "this notebook")
        elif reason := system.lacking.get(name):
            yield State(name, "down", reason)
        elif name == system.database.name:
            yield State(name, "up" if system.database.is_running else "restarting")
        else:
            yield _state(system.servers[name])


def _state(server: Server | Supervisor) -> State:
    word = "up" if server.is_running else "down"
    if isinstance(server, Server):
        return State(server.name, word)
    if word == "down" and server.reason is None:
        word = "restarting" if server.deaths else "starting"
    return State(server.name, word, restarts=max(0, server.lives - 1))


def _take(arrivals: Subscription) -> list[StoredItem]:
    """Return what has arrived; while that is nothing, wait a little. Raises StoreError."""
    items: list[StoredItem] = []
    with suppress(TimeoutError):
        items.append(arrivals.get(LOOK_EVERY_S))
        while len(items) < MOST_AT_ONCE:
            items.append(arrivals.get(0))
    return items


def _failure(row_id: str, error: BaseException) -> Failure:
    lines = "".join(traceback.format_exception(error))
    return Failure(row_id, type(error).__name__, str(error), lines)


def _cell_id() -> str | None:
    """Return the id of the running cell, where the front end tells it."""
    get_parent: Callable[[], dict[str, Any]] = getattr(get_ipython(), "get_parent", dict)
    cell: str | None = get_parent().get("metadata", {}).get("cellId")
    return cell


def _in_background(name: str, action: Callable[..., object], *given: object) -> threading.Thread:
    thread = threading.Thread(target=action, args=given, name=name, daemon=True)
    thread.start()
    return thread


def _box(classes: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    return _dressed(ipywidgets.Box(children), classes)


def _html(template: str, **values: Any) -> ipywidgets.HTML:
    return ipywidgets.HTML(render(template, **values))


def _button(
    action: Callable[[], object], classes: str, text: str = "", icon: str = ""
) -> ipywidgets.Button:
    button = ipywidgets.Button(description=text, icon=icon)
    button.on_click(lambda _: action())
    return _dressed(button, classes)


def _number(parameter: Parameter) -> ipywidgets.BoundedIntText:
    low, high = parameter.bounds.minimum, parameter.bounds.maximum
    box = ipywidgets.BoundedIntText(
        parameter.bounds.default,
        min=low,
        max=high,
        description=f"{parameter.name}, {low} to {high} {parameter.unit}",
    )
    return _dressed(box, "cw-p-number")


def _dressed(widget: Any, classes: str) -> Any:
    # In one message; add_class() sends one each.
    widget._dom_classes = classes.split()
    return widget


def _hide(widget: ipywidgets.DOMWidget, hidden: bool) -> None:
    change = widget.add_class if hidden else widget.remove_class
    change("cw-p-hidden")


def _tree(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    yield widget
